/**
 * hyperdht, and what it keeps to itself about relays: which connections lead to one, and so which of our streams go through
 * one; whether a relay answers; and as whom we speak to it. What it knows of whether others reach us, with or without a port
 * mapping. And what it does not notice: that we are elsewhere now.
 *
 * Emits `moved` when other nodes see us elsewhere than before, `outage` when none answers for a while, `back` when they answer again.
 */
import { once } from 'node:events'
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import type { Clock } from '../clock.js'
import { encodeKey, shortKey } from '../identity/encoding.js'
import { type Limits, SOCKET_BUFFER } from '../limits.js'
import type { Log } from '../log.js'
import { Place } from '../queue.js'
import { TokenBucket } from '../token-bucket.js'
import { Turnstile } from '../turnstile.js'
import { OpenPort } from './open-port.js'
import { RelayChoice } from './relay-choice.js'
import { Sightings } from './sightings.js'

/** What is known about one relay connection when it is dialled. */
interface RelayUse {
  readonly choice: RelayChoice
  /** The relay's key, the very object of the choice. */
  readonly key: Uint8Array
  /** As whom we speak to the relay. */
  readonly identity: HyperDHT.KeyPair | undefined
}

export type DhtLimits = Pick<
  Limits,
  | 'outageMs'
  | 'sightingMs'
  | 'askMs'
  | 'portDoubtMs'
  | 'portClients'
  | 'handshakeLooksPerSecond'
  | 'handshakesWaiting'
>

/** A relay that is in use. */
export interface UsedRelay {
  /** Passes it over for a while, if there are others. */
  failed(): void
}

/** dht-rpc's command for "send your answer to this port of mine". */
const PING_NAT = 1

/** How many nodes are asked to, and how many answers are enough; with fewer nodes one is. */
const ASKED_NODES = 5
const ENOUGH_ANSWERS = 3

/** hyperdht's PEER_HANDSHAKE and PEER_HOLEPUNCH (hyperdht/lib/constants.js). */
const PASSED_ON: ReadonlySet<number> = new Set([0, 1])

/** How many nodes are asked where they see us. */
const ASKED = 3

export class Dht extends HyperDHT {
  /** The mapped port, which servers here tell their clients of. */
  readonly #openPort: OpenPort
  /** Whether others reached us before there was a mapping. */
  #openUnaided = false
  #hadMapping = false
  /** Connections that are not open yet, those to relays left out. */
  readonly #dialling = new Set<SecretStream>()
  /** Connections to relays. */
  readonly #relaying = new Map<SecretStream, UsedRelay>()
  /** hyperdht dials with the very object that `relayThrough` gave it, so that object says which use it is. */
  readonly #uses = new WeakMap<Uint8Array, RelayUse>()
  readonly #clock: Clock
  readonly #limits: DhtLimits
  readonly #log: Log
  readonly #sightings: Sightings
  /** What the nodes see that answer: another one once we know that others reach us. */
  #sightedFrom: HyperDHT.Socket | null = null
  /** When the first and the last request timed out since the last answer, ms. */
  #timeouts: { readonly first: number; last: number } | null = null
  #askedAt = Number.NEGATIVE_INFINITY
  readonly #movable: boolean
  /** Lets handshakes be decrypted, one after the other, with a pause for everything else in between. */
  readonly #looks: Turnstile<() => void>

  constructor(options: HyperDHT.Options, clock: Clock, limits: DhtLimits, log: Log) {
    super(options)
    this.#openPort = new OpenPort(clock, limits)
    this.#openPort.onmissed = () => this.emit('missed')
    this.#clock = clock
    this.#limits = limits
    this.#log = log
    this.#sightings = new Sightings(limits.sightingMs)
    this.#movable = options.firewalled !== false
    this.#looks = new Turnstile(
      clock,
      new TokenBucket(limits.handshakeLooksPerSecond / 1000, 1),
      () => 1,
      look => look()
    )
    this.on('listening', () => this.#growBuffers())
  }

  /** All sessions share a socket: while a guest floods it, the packets of the others should wait in it and not be lost. */
  #growBuffers(): void {
    for (const socket of [this.io.serverSocket, this.io.clientSocket]) {
      try {
        socket.setRecvBufferSize(SOCKET_BUFFER)
      } catch (err) {
        // Some systems refuse what is above their limit instead of giving the most they have.
        this.#log.debug({ err }, 'the receive buffer stays as it is')
      }
    }
  }

  override _onresponse(answer: HyperDHT.Answer, external: boolean): void {
    // A server that is its own relay is no node of the DHT, and sees us where nobody else does.
    if (this.isOutside(answer.from.host)) return
    super._onresponse(answer, external)
    const now = this.#clock.now()
    const timeouts = this.#timeouts
    this.#timeouts = null
    if (timeouts && timeouts.last - timeouts.first >= this.#limits.outageMs) this.emit('back')
    if (this.#sightedFrom !== this.socket) {
      this.#sightings.clear()
      this.#sightedFrom = this.socket
    }
    if (!external && this.#sightings.note(answer.from, answer.to, now)) this.emit('moved')
  }

  override _ontimeout(request: HyperDHT.Request): void {
    // The answer comes to a port that a NAT may shut: silence says nothing of the node. hyperdht would drop it as dead, and so
    // in a small network nearly all nodes at once, seconds after the start; then it has too few to ask how our NAT does.
    if (request.internal && request.command === PING_NAT) return
    super._ontimeout(request)
    // These a node passes on; it is a server who does not answer.
    if (!request.internal && PASSED_ON.has(request.command)) return
    const now = this.#clock.now()
    if (this.#timeouts) this.#timeouts.last = now
    else this.#timeouts = { first: now, last: now }
    if (now - this.#timeouts.first >= this.#limits.outageMs) this.emit('outage')
  }

  /** Not taken for offline, hyperdht announces on; it would wait for answers to requests that nobody makes meanwhile. */
  override _offline(): void {}

  /** The addresses of the DHT's first nodes. */
  async bootstrapHosts(): Promise<ReadonlySet<string>> {
    const nodes: HyperDHT.Address[] = []
    await this._addBootstrapNodes(nodes)
    return new Set(nodes.map(({ host }) => host))
  }

  /** Whether an address stands for something that is not in this network. */
  isOutside: (host: string) => boolean = () => false

  /** Packets take another way now: sends again what nobody has answered. */
  resend(): void {
    for (const request of [...this.io.inflight]) {
      request.sent = 0
      request.send(true)
    }
  }

  /** Asks a few nodes where they see us, unless that was just done. What they say is told by `moved`. */
  ask(): void {
    const now = this.#clock.now()
    if (this.destroyed || now - this.#askedAt < this.#limits.askMs) return
    this.#askedAt = now
    for (const node of this.#sightings.nodes(ASKED)) this.ping(node, { retry: false }).catch(noop)
  }

  /**
   * Our address has changed: forgets the old one, and finds out what holds now. hyperdht would tell others the old one for
   * up to half an hour, and never learn that a machine with a public address is behind a NAT now.
   * @returns true when others reach us unasked
   */
  async relearn(): Promise<boolean> {
    if (this.destroyed || !this.#movable) return !this.firewalled
    this._onwakeup()
    this._validatedLocalAddresses.clear()
    // It looks at once when it begins, and hyperdht takes the addresses that we tell others from there.
    this.io.networkInterfaces.unwatch()
    this.io.networkInterfaces.watch()
    this._nat = new (this._nat.constructor as new () => typeof this._nat)()
    this._nonePersistentSamples = []
    this.firewalled = this.io.firewalled = true
    this.#sightings.clear()
    await this._backgroundQuery(this.table.id).finished().catch(noop)
    return this.findReach()
  }

  /**
   * What hyperdht calls `relayThrough`: gives a relay for each connection, another one after a failure.
   * @param identity what the relay knows us by; left out: nothing that tells us from others
   */
  relayThrough(
    keys: readonly Uint8Array[],
    restMs: number,
    identity?: HyperDHT.KeyPair
  ): (() => Uint8Array | null) | undefined {
    if (keys.length === 0) return undefined
    const choice = new RelayChoice(keys, restMs)
    return () => {
      const key = choice.pick(this.#clock.now())
      if (!key) return null
      const use = Buffer.from(key)
      this.#uses.set(use, { choice, key, identity })
      return use
    }
  }

  /**
   * Finds out whether others reach us unasked. dht-rpc does so by itself only if an answer to its first question overtakes its
   * first query, which depends on the round trips, and again after 20 minutes. Until then a machine with a public address is
   * treated as one behind a NAT, and partners behind a symmetric one take seconds instead of one round trip.
   * @returns true when they do
   */
  async findReach(): Promise<boolean> {
    try {
      await this.fullyBootstrapped()
      if (this.firewalled && !this.destroyed && !(await this._checkIfFirewalled())) {
        // A dial that is under way has told the other side otherwise, and fails when it changes in between.
        while (this.#dialling.size > 0) await once(this, 'dialled')
        if (!this.destroyed) await this._updateNetworkState(true)
      }
    } catch (err) {
      this.#log.debug({ err }, 'not known whether others reach this machine')
    }
    this.#openUnaided = !this.firewalled && !this.#hadMapping
    return !this.firewalled
  }

  /** Where this node waits for others. */
  get ownPort(): number {
    return this.io.serverSocket.address().port
  }

  /** Resolves with our address as others see it, when they agree on one. */
  async seen(): Promise<string> {
    while (this.host === null) await once(this, 'nat-update')
    return this.host
  }

  /** A port mapping leads from this address to our own port; null: none does any more. */
  set mapped(address: HyperDHT.Address | null) {
    this.#openPort.address = address
    if (address) this.#hadMapping = true
  }

  /**
   * Whether what others send to this port of our public address comes to our own port.
   * @returns the address under which it does; null when nothing came, or nobody could be asked
   */
  async reach(port: number): Promise<string | null> {
    const nodes = this.toArray({ limit: ASKED_NODES })
    if (nodes.length < ASKED_NODES) await this._addBootstrapNodes(nodes)
    const enough = nodes.length < ASKED_NODES ? 1 : ENOUGH_ANSWERS
    const value = Buffer.allocUnsafe(2)
    value.writeUInt16LE(port)
    const { serverSocket } = this.io
    const heard = new Set<string>()
    const onmessage = (_: unknown, { host }: HyperDHT.Address): unknown => heard.add(host)
    // Before dht-rpc's own listener, which tells of the answer.
    serverSocket.prependListener('message', onmessage)
    try {
      return await new Promise(resolve => {
        let missing = nodes.length
        let came = 0
        const end = (): void => {
          if (--missing <= 0) resolve(null)
        }
        const onresponse = ({ from, to }: HyperDHT.Answer): void => {
          if (heard.has(from.host) && ++came >= enough) resolve(to.host)
          end()
        }
        if (missing === 0) resolve(null)
        for (const node of nodes) {
          if (!this._request(node, false, true, PING_NAT, null, value, null, onresponse, end)) end()
        }
      })
    } finally {
      serverSocket.off('message', onmessage)
    }
  }

  /** dht-rpc finds out by itself that others reach us when a mapping makes them, but not when it is gone. */
  override remoteAddress(): HyperDHT.Address | null {
    if (this.#hadMapping && !this.#openUnaided && !this.#openPort.address) return null
    return super.remoteAddress()
  }

  override createServer(
    options: HyperDHT.ServerOptions,
    onconnection: (stream: SecretStream) => void
  ): HyperDHT.Server {
    const port = this.#openPort
    const firewall: HyperDHT.ServerOptions['firewall'] = (key, payload, client) => {
      port.asked(key, payload, client)
      return options.firewall?.(key, payload, client) ?? false
    }
    const server = super.createServer({ ...options, firewall }, stream => {
      stream.once('open', () => port.arrived(stream.remotePublicKey))
      onconnection(stream)
    })
    server.createHandshake = port.toldBy(server.createHandshake)
    this.#boundLooks(server)
    return server
  }

  /** Looks at so many new handshakes only: what hyperdht keeps of each for 10 s, and the time that each takes, are bounded thereby. */
  #boundLooks(server: HyperDHT.Server): void {
    const onhandshake = server._onpeerhandshake
    server._onpeerhandshake = async (handshake, request) => {
      // Repetitions get the answer that there was.
      const isNew = !server._connects.has(Buffer.from(handshake.noise).toString('hex'))
      if (isNew && !this.#looks.enter()) {
        // Its sender asks again.
        if (this.#looks.waiting >= this.#limits.handshakesWaiting) return null
        await new Promise<void>(resolve => this.#looks.wait(new Place(resolve)))
        if (this.destroyed) return null
      }
      return onhandshake.call(server, handshake, request)
    }
  }

  /** The relay that the packets of a stream go through now; null for a direct path. */
  relayOf(raw: SecretStream.RawStream): UsedRelay | null {
    for (const [{ rawStream }, relay] of this.#relaying) {
      if (rawStream?.remoteHost === raw.remoteHost && rawStream?.remotePort === raw.remotePort) return relay
    }
    return null
  }

  #dial(key: Uint8Array, options: HyperDHT.ConnectOptions): SecretStream {
    const stream = super.connect(key, options)
    const done = (): void => {
      if (this.#dialling.delete(stream)) this.emit('dialled')
    }
    this.#dialling.add(stream)
    stream.once('open', () => {
      done()
      this.#forgetWay(key, stream.rawStream.remoteHost)
    })
    stream.once('close', done)
    return stream
  }

  /**
   * hyperdht dials a server by the addresses that worked last, one after the other and 4 s for each that is dead. The server's own
   * is among them when others reach it unasked, and is what dies with the connection.
   */
  #forgetWay(key: Uint8Array, host: string | null): void {
    const name = Buffer.from(key).toString('hex')
    const others = this._relayAddressesCache.get(name)?.filter(way => way.host !== host)
    if (others) this._relayAddressesCache.set(name, others)
  }

  /** Only hyperdht itself dials without options: a relay, ours or the one that the other side named. */
  override connect(key: Uint8Array, options?: HyperDHT.ConnectOptions): SecretStream {
    if (options) return this.#dial(key, options)
    const use = this.#uses.get(key)
    const stream = super.connect(key, use?.identity ? { keyPair: use.identity } : {})
    const failed = (): void => use?.choice.failed(use.key, this.#clock.now())
    this.#relaying.set(stream, { failed })
    stream.once('open', () => use?.choice.worked(use.key))
    stream.on('error', (err: unknown) => {
      this.#log.debug({ relay: shortKey(encodeKey(key)), err }, 'the relay failed')
      failed()
    })
    stream.once('close', () => this.#relaying.delete(stream))
    return stream
  }
}

function noop(): void {}
