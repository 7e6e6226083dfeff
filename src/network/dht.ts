/**
 * hyperdht's node with what it lacks: which streams go through which relay, and under which key this machine is known to it; whether
 * others reach this machine, with and without a port mapping; and that its address has changed.
 *
 * Emits `moved` when other nodes see this machine at another address than before, at growing intervals while that goes on; `outage` when none
 * answers for a while, `back` when they answer again, and `missed` when a client did not arrive at the mapped port.
 */
import { once } from 'node:events'
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import { encodeKey, shortKey } from '../identity/encoding.js'
import { type Limits, SHARED_SOCKET_BUFFER } from '../limits.js'
import type { Log } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import type { Clock } from '../util/clock.js'
import { descriptorLimit, descriptorsForPunching } from '../util/descriptors.js'
import { Counts } from './counts.js'
import { FlapDamping } from './flap-damping.js'
import { HandshakeTurns } from './handshake-turns.js'
import { AnnouncerState, admitHandshakes, InternalDht, limitRelaying, wrapHandshakes } from './internals.js'
import { relayStreams } from './message-stream.js'
import { ObservedAddresses } from './observed-addresses.js'
import { OpenPort } from './open-port.js'
import { RelayChoice } from './relay-choice.js'
import { within } from './within.js'

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
  | 'changeRestMs'
  | 'dialMs'
  | 'portDoubtMs'
  | 'portClients'
  | 'handshakeLooksPerSecond'
  | 'handshakesWaiting'
  | 'punchSockets'
>

/** A relay that is in use. */
export interface UsedRelay {
  /** Passes it over for a while, if there are others. */
  failed(): void
}

/** Number of nodes that are asked to send to a port, and of like answers that are enough; with fewer nodes one answer is. */
const ASKED_NODES = 5
const ENOUGH_ANSWERS = 3

/** Number of nodes that are asked for the address that they see. */
const ASKED_FOR_ADDRESS = 3

/** Between two words in the log that there are too few sockets, ms. */
const SHORT_REST_MS = 60_000

export class Dht extends InternalDht {
  /** Whether clients of servers here come straight to it, by a mapped port or without one. */
  readonly #openPort: OpenPort
  /** Whether others reached us before there was a mapping. */
  #openUnaided = false
  #hadMapping = false
  /** Connections that are not open yet, those to relays left out. */
  readonly #dialling = new Set<SecretStream>()
  #ended: Promise<void> | null = null
  #seen: Promise<string> | null = null
  /** Connections to relays. */
  readonly #relaying = new Map<SecretStream, UsedRelay>()
  /** hyperdht dials with the very object that `relayThrough` gave it, so that object says which use it is. */
  readonly #uses = new WeakMap<Uint8Array, RelayUse>()
  readonly #clock: Clock
  readonly #limits: DhtLimits
  readonly #log: Log
  readonly #told: LogThrottle
  readonly #observed: ObservedAddresses
  readonly #moves: FlapDamping
  /** The socket whose address the nodes observe: another one once others are known to reach us. */
  #observedSocket: HyperDHT.Socket | null = null
  /** When the first and the last request timed out since the last answer, ms. */
  #timeouts: { readonly first: number; last: number } | null = null
  /** Relays of servers. They are not nodes of the DHT: they see this machine at an address that no DHT node sees. */
  readonly #outside: (host: string) => boolean
  #askedAt = Number.NEGATIVE_INFINITY
  readonly #movable: boolean
  readonly #handshakes: HandshakeTurns

  /** @param outside whether an address belongs to something that is no node of the DHT */
  constructor(
    options: HyperDHT.Options,
    clock: Clock,
    limits: DhtLimits,
    log: Log,
    outside: (host: string) => boolean = () => false
  ) {
    super(options, descriptorsForPunching(descriptorLimit(), limits.punchSockets))
    this.#outside = outside
    this.#openPort = new OpenPort(clock, limits)
    this.#openPort.onmissed = () => this.emit('missed')
    this.#clock = clock
    this.#limits = limits
    this.#log = log
    this.#told = new LogThrottle(clock, SHORT_REST_MS)
    this.#observed = new ObservedAddresses(limits.sightingMs)
    this.#moves = new FlapDamping(clock, limits, () => !this.destroyed && this.emit('moved'))
    this.#movable = options.firewalled !== false
    this.#handshakes = new HandshakeTurns(clock, limits)
    this.on('listening', () => this.#growBuffers())
    // Each announcement listens, and a process may have any number of servers.
    this.setMaxListeners(0)
  }

  /** All sessions share a socket: while this process is busy, their packets should wait there and not be lost. */
  #growBuffers(): void {
    for (const socket of this.ownSockets) {
      try {
        socket.setRecvBufferSize(SHARED_SOCKET_BUFFER)
      } catch (err) {
        // Some systems refuse what is above their limit instead of giving the most they have.
        this.#log.debug({ err }, 'the receive buffer stays as it is')
      }
    }
  }

  protected override onNoPunchSocket(): void {
    if (!this.#told.admits('punching')) return
    this.#log.warn(
      { code: 'TOO_FEW_DESCRIPTORS' },
      'Too many computers behind NATs want to connect at once: some have to try again. Where the limit of open files is low, raise it ("ulimit -n 4096").'
    )
  }

  override isOutside(host: string): boolean {
    return this.#outside(host)
  }

  protected override onAnswer(answer: HyperDHT.Answer, external: boolean): void {
    const now = this.#clock.now()
    const timeouts = this.#timeouts
    this.#timeouts = null
    if (timeouts && timeouts.last - timeouts.first >= this.#limits.outageMs) this.emit('back')
    if (this.#observedSocket !== this.socket) {
      this.#observed.clear()
      this.#observedSocket = this.socket
    }
    if (!external && this.#observed.note(answer.from, answer.to, now)) this.#moves.report()
  }

  protected override onNoAnswer(node: HyperDHT.Address): void {
    this.#observed.missed(node)
    const now = this.#clock.now()
    if (this.#timeouts) this.#timeouts.last = now
    else this.#timeouts = { first: now, last: now }
    if (now - this.#timeouts.first >= this.#limits.outageMs) this.emit('outage')
  }

  /** Asks a few nodes for the address that they see, unless that was just done. A change is reported by `moved`. */
  checkAddress(): void {
    const now = this.#clock.now()
    if (this.destroyed || now - this.#askedAt < this.#limits.askMs) return
    this.#askedAt = now
    for (const node of this.#observed.nodes(ASKED_FOR_ADDRESS)) this.ping(node, { retry: false }).catch(noop)
  }

  /**
   * Our address has changed: forgets the old one and finds out the new one. hyperdht would give others the old one for up to half an
   * hour, and never notice that a machine with a public address is behind a NAT now.
   * @returns true when others reach this machine without being asked to
   */
  async relearn(): Promise<boolean> {
    if (this.destroyed || !this.#movable) return !this.firewalled
    this.forgetAddress()
    this.#observed.clear()
    this.#moves.drop()
    await this.queryNeighbours().catch(noop)
    return this.findReach()
  }

  /**
   * What hyperdht calls `relayThrough`: chooses a relay for each connection, another one after a failure.
   * @param identity the key that the relay knows this machine by; left out: one that says nothing
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
   * Finds out whether others reach this machine without being asked to. dht-rpc does so only if an answer to its first request
   * overtakes its first query, which depends on the round trips, and again after 20 minutes. Until then it treats a machine with a
   * public address as one behind a NAT, and peers behind a symmetric NAT take seconds to connect instead of one round trip.
   * @returns true when they do
   */
  async findReach(): Promise<boolean> {
    try {
      await this.fullyBootstrapped()
      if (this.firewalled && !this.destroyed && (await this.isReached())) {
        // A dial in progress has told the other side otherwise, and fails if that changes in between. Where dials never cease, one
        // that fails is tried again.
        await within(this.#dialsEnded(), this.#limits.dialMs)
        if (!this.destroyed) await this.updateReach()
      }
    } catch (err) {
      this.#log.debug({ err }, 'not known whether others reach this machine')
    }
    this.#openUnaided = !this.firewalled && !this.#hadMapping
    return !this.firewalled
  }

  /** One promise for all that wait: where dials never cease, it stays. */
  #dialsEnded(): Promise<void> {
    this.#ended ??= (async () => {
      while (this.#dialling.size > 0) await once(this, 'dialled')
      this.#ended = null
    })()
    return this.#ended
  }

  /** The UDP port of this machine that this node listens on, whatever others see. */
  get ownPort(): number {
    return this.serverSocket.localPort ?? this.serverSocket.address().port
  }

  /** Resolves with our address as others see it, when they agree on one; the same promise for all that wait. */
  seen(): Promise<string> {
    this.#seen ??= (async () => {
      while (this.host === null) await once(this, 'nat-update')
      this.#seen = null
      return this.host
    })()
    return this.#seen
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
    const nodes = await this.someNodes(ASKED_NODES)
    const enough = nodes.length < ASKED_NODES ? 1 : ENOUGH_ANSWERS
    const { serverSocket } = this
    const senders = new Set<string>()
    // Grouped by the address that they report: one node that lies must not decide where guests are sent.
    const answers = new Counts()
    const onmessage = (_: unknown, { host }: HyperDHT.Address): unknown => senders.add(host)
    // Before dht-rpc's own listener, which reports the answer.
    serverSocket.prependListener('message', onmessage)
    try {
      return await new Promise(resolve => {
        let missing = nodes.length
        const end = (): void => {
          if (--missing <= 0) resolve(null)
        }
        const onanswer = ({ from, to }: HyperDHT.Answer): void => {
          if (senders.has(from.host)) answers.add(to.host)
          if (answers.of(to.host) >= enough) resolve(to.host)
          end()
        }
        if (missing === 0) resolve(null)
        for (const node of nodes) if (!this.askToAnswerAt(port, node, onanswer, end)) end()
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
    const server = super.createServer({ createSecretStream: relayStreams, ...options, firewall }, stream => {
      // A stream of hyperdht is open before anything has come.
      stream.rawStream.once('data', () =>
        port.arrived(stream.remotePublicKey, this.relayOf(stream.rawStream) !== null)
      )
      onconnection(stream)
    })
    const announced = new AnnouncerState(server)
    wrapHandshakes(server, create => port.toldBy(create, () => announced.holders))
    limitRelaying(server, said => port.relays(said))
    admitHandshakes(server, (sender, client) => this.#admit(sender, client))
    return server
  }

  /** Limits the rate of new handshakes: it bounds the time that they take, and what hyperdht keeps of each for 10 s. */
  #admit(sender: HyperDHT.Address, client: HyperDHT.Address | null): boolean | Promise<boolean> {
    const admitted = this.#handshakes.turn(sender, client)
    return admitted === true || admitted.then(isTurn => isTurn && !this.destroyed)
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
      // hyperdht dials a server through the nodes that worked last, one after the other, 4 s for each dead one. If others reach the
      // server without being asked to, it is one of those nodes itself, and dies with the connection.
      this.forgetRelayAddresses(key, stream.rawStream.remoteHost)
    })
    stream.once('close', done)
    return stream
  }

  /** Only hyperdht itself dials without options: a relay, ours or the one that the other side named. */
  override connect(key: Uint8Array, options?: HyperDHT.ConnectOptions): SecretStream {
    if (options) return this.#dial(key, options)
    const use = this.#uses.get(key)
    const stream = super.connect(key, {
      createSecretStream: relayStreams,
      ...(use?.identity && { keyPair: use.identity })
    })
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
