/**
 * A blind relay: joins two connections that cannot reach each other, by a token that both bring and nobody else knows. It sees
 * addresses and ciphertext. Anybody with a reachable machine can run one.
 */
import { EventEmitter } from 'node:events'
import net from 'node:net'
import type SecretStream from '@hyperswarm/secret-stream'
import { Server as BlindRelay } from 'blind-relay'
import sodium from 'sodium-native'
import { HyperNatError } from '../errors.js'
import type { ServiceEvent } from '../events.js'
import { childKeyPair, childPublicKey, RELAY, RELAYED } from '../identity/child.js'
import { encodeKey, keyOf, shortKey } from '../identity/encoding.js'
import { keyPairOf } from '../identity/keys.js'
import type { Secret } from '../identity/secret.js'
import { LIMITS, RELAY_LIMITS, type RelayLimits, TCP_RELAY_LIMITS, type TcpRelayLimits } from '../limits.js'
import { type Log, silentLog } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import { checkRelay } from '../options/arguments.js'
import type { TcpOptions } from '../options/entry.js'
import { isAnyHost } from '../text/address.js'
import { type Clock, systemClock } from '../util/clock.js'
import { listenError } from '../util/listen-error.js'
import { ownAddresses } from './addresses.js'
import { Announcement } from './announcement.js'
import { bestAddress } from './bootstrap.js'
import { Dht } from './dht.js'
import { GapEstimate, GapWatch } from './gap-estimate.js'
import { limitRelaying } from './internals.js'
import { RelayPlaces } from './relay-places.js'
import { type RelayedStream, RelayedStreams } from './relayed-streams.js'
import type { Endpoint } from './tcp-relay/endpoint.js'
import { ipv4Text, isPublicIpv4 } from './tcp-relay/ipv4.js'
import { checkTcp, relayAddress } from './tcp-relay/relay-address.js'

/** Between two log lines about sessions that were turned away, ms: strangers can ask for as many as they like. */
const REFUSED_SESSION_REST_MS = 60_000

/** hyperdht's value for a node that others may not reach. */
const UNKNOWN = 0

export interface RelayOptions {
  /** What the relay's public key comes from. */
  secret: string | Secret
  /** UDP port, 1 to 65535; any from 49737 on if left out. */
  port?: number | undefined
  /** `host:port` of the DHT's bootstrap nodes; left out: the public DHT's. */
  bootstrap?: readonly string[] | undefined
  /** Public keys of the servers that may use it, as they show them; left out: all. */
  allow?: readonly (string | Uint8Array)[] | undefined
  /**
   * Where it is reached by TCP, too: by those whose network blocks UDP. A token in the address, behind a `#`, is wanted of them; with
   * `allow` there must be one.
   */
  tcp?: TcpOptions | undefined
  limits?: Partial<RelayLimits>
  tcpLimits?: Partial<TcpRelayLimits>
  log?: Log
}

export class Relay extends EventEmitter<{ event: [ServiceEvent] }> {
  readonly publicKey: string
  readonly #options: RelayOptions
  readonly #limits: RelayLimits
  readonly #log: Log
  readonly #clock: Clock = systemClock
  readonly #refused = new LogThrottle(this.#clock, REFUSED_SESSION_REST_MS)
  readonly #keyPair
  readonly #places: RelayPlaces
  readonly #streams: RelayedStreams
  readonly #blind: BlindRelay
  /** Connections, and since when they have no session; null while they have one. */
  readonly #connections = new Map<SecretStream, number | null>()
  readonly #gaps = new GapWatch(this.#clock)
  #dht: Dht | null = null
  #endpoint: Endpoint | null = null
  #announcement: Announcement | null = null
  #sweep: { cancel(): void } | null = null
  #starting: Promise<void> | null = null
  #closing: Promise<void> | null = null

  /** @throws HyperNatError BAD_SECRET, BAD_PUBLIC_KEY for a key in `allow`, BAD_OPTIONS for other options that cannot be used */
  constructor(options: RelayOptions) {
    super()
    checkRelay(options)
    if (options.tcp) checkTcp(options.tcp)
    this.#options = options
    this.#limits = { ...RELAY_LIMITS, ...options.limits }
    this.#log = options.log ?? silentLog
    const { secret, allow } = options
    this.#keyPair = childKeyPair(keyPairOf(secret), RELAY)
    this.publicKey = encodeKey(this.#keyPair.publicKey)
    const relayed = (key: string | Uint8Array): string => encodeKey(childPublicKey(keyOf(key), RELAYED))
    this.#places = new RelayPlaces(this.#limits, allow ? new Set(allow.map(relayed)) : null)
    this.#streams = new RelayedStreams(this.#clock, this.#limits, randomId)
    this.#blind = new BlindRelay({ createStream: what => this.#streams.create(what) })
  }

  /** Sessions that are relayed now. */
  get sessions(): number {
    return this.#places.sessions
  }

  /**
   * Announces the relay; resolves when it can be found. It starts once: a second call has the result of the first.
   * @throws HyperNatError CLOSED, PORT_IN_USE, LISTEN_FAILED, ADDRESS_NOT_HERE, CERTIFICATE_UNUSABLE, DHT_UNREACHABLE
   */
  async start(): Promise<void> {
    this.#check()
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { port, bootstrap } = this.#options
    this.#dht = new Dht(
      { ...(bootstrap && { bootstrap }), ...(port !== undefined && { port, anyPort: false }) },
      this.#clock,
      LIMITS,
      this.#log
    )
    const dht = this.#dht
    const server = dht.createServer(
      {
        firewall: (key, said, { host, port }) => {
          // A node that forwards a handshake may invent its sender. With this value the first packet comes from the client, and shows its address.
          if (dht.remoteAddress()) said.firewall = UNKNOWN
          return !this.#places.hasRoom({ key: encodeKey(key), address: this.#addressOfClient(host, port) })
        }
      },
      stream => this.#onConnection(stream)
    )
    // Clients come to a relay, which need not go to another one that they name.
    limitRelaying(server, () => false)
    const announcement = new Announcement(server, this.#clock, LIMITS, reached => {
      this.#log.info({ reached }, 'the network is in reach, or no more')
    })
    this.#announcement = announcement
    dht.on('back', () => void announcement.refresh())
    dht.on('moved', () => {
      dht.relearn().then(() => announcement.refresh(), noop)
    })
    try {
      await dht.fullyBootstrapped()
      await dht.findReach()
      await announcement.start(this.#keyPair)
    } catch (err) {
      this.#check()
      throw listenError(err, 'UDP', port ?? 0)
    }
    this.#check()
    if (server.relayAddresses.length === 0) {
      throw new HyperNatError(
        'DHT_UNREACHABLE',
        'No node of the network answers: check the internet connection, and that UDP is not blocked.'
      )
    }
    if (dht.firewalled) {
      this.emit('event', {
        event: 'warning',
        code: 'RELAY_BEHIND_NAT',
        message:
          'this machine is behind a NAT or firewall, so clients may not reach it: open its UDP port there, or in a router forward it to this machine under the same number (--port fixes the number)'
      })
    }
    const { tcp } = this.#options
    if (tcp) await this.#listen(tcp)
    this.#check()
    const sweep = (): void => {
      this.#clear()
      this.#sweep = this.#clock.after(this.#limits.sweepMs, sweep)
    }
    sweep()
    const { publicKey } = this
    const address = tcp && this.#addressOf(tcp)
    this.emit('event', {
      event: 'ready',
      mode: 'relay',
      publicKey,
      ...(address !== undefined && { address })
    })
  }

  #check(): void {
    if (this.#closing) throw new HyperNatError('CLOSED', 'This relay is closed.')
  }

  async #listen({ port, host, address, tls }: NonNullable<RelayOptions['tcp']>): Promise<void> {
    const token = address === undefined ? '' : relayAddress(address).token
    const ownDht = await this.#dht!.bootstrapHosts()
    // Only relays by TCP load an HTTP server and WebSockets.
    const { Endpoint } = await import('./tcp-relay/endpoint.js')
    if (this.#closing) return
    const endpoint = new Endpoint({
      port,
      host,
      tls,
      tokens: token === '' ? [] : [token],
      uplink: {
        bindHost: '0.0.0.0',
        to: { admits: to => isPublicIpv4(ipv4Text(to)) || ownDht.has(ipv4Text(to)) }
      },
      shaper: this.#streams.shaper,
      clock: this.#clock,
      limits: { ...TCP_RELAY_LIMITS, ...this.#options.tcpLimits },
      log: this.#log,
      onclients: clients => this.#onClients(clients)
    })
    this.#endpoint = endpoint
    await endpoint.start()
  }

  #clients = 0

  #onClients(clients: number): void {
    if (clients === this.#clients || this.#closing) return
    this.#clients = clients
    this.emit('event', { event: 'clients', clients })
  }

  #addressOf({ port, host, address, tls }: NonNullable<RelayOptions['tcp']>): string {
    if (address !== undefined) return address
    const isOne = host !== undefined && !isAnyHost(host)
    const seen = isOne ? host : (this.#dht!.host ?? bestAddress(ownAddresses()))
    return `${tls ? 'wss' : 'ws'}://${net.isIPv6(seen) ? `[${seen}]` : seen}:${port}`
  }

  /** Those that come by TCP come from a port of this computer. */
  #addressOfClient(host: string, port: number): string {
    const endpoint = this.#endpoint
    if (!endpoint || !(host === this.#dht?.host || ownAddresses().includes(host))) return host
    return endpoint.clientOf(port) ?? host
  }

  #onConnection(stream: SecretStream): void {
    stream.on('error', noop)
    // Now: a stream that has closed does not tell any more.
    const { socket, remotePort, remoteHost } = stream.rawStream
    // What the client says of its address cannot be.
    if (!socket) return void stream.destroy()
    const key = encodeKey(stream.remotePublicKey)
    const user = { key, address: this.#addressOfClient(remoteHost!, remotePort) }
    // Several handshakes may have been answered while there was one place.
    if (!this.#places.hasRoom(user)) return void stream.destroy()
    const left = this.#places.connect(user)
    this.#connections.set(stream, this.#clock.now())
    stream.once('close', () => {
      this.#connections.delete(stream)
      unwatch()
      left()
    })
    this.#streams.listen(socket)
    // blind-relay keeps every token that waits for its other half, and every channel that a client opens.
    let inOrder = 0
    stream.on('data', (message: Uint8Array) => {
      inOrder += message.byteLength
      if (inOrder > this.#limits.connectionBytes) stream.destroy()
    })
    const gap = new GapEstimate()
    const unwatch = this.#gaps.add(() => {
      const { bytesReceived: received, packetsReceived: packets } = stream.rawStream
      if (gap.update({ received, packets, inOrder, datagrams: 0, sent: 0 })) stream.destroy()
    })
    const session = this.#blind.accept(stream, { id: stream.remotePublicKey })
    session.on('error', noop)
    let sessions = 0
    session.on('pair', (_isInitiator: boolean, _token: Uint8Array, half: RelayedStream, remoteId: number) => {
      // hyperdht makes a connection for each session, and those are counted.
      if (sessions++ > 0) {
        stream.destroy()
        return this.#turnAway(half, half.partner!)
      }
      this.#connections.set(stream, null)
      half.once('close', () => {
        if (--sessions === 0 && this.#connections.has(stream)) {
          this.#connections.set(stream, this.#clock.now())
        }
      })
      half.expect(socket, remoteId, remotePort, remoteHost!)
      half.owner = user
      if (half.partner?.owner) this.#onPair(half, half.partner)
    })
  }

  /** Both halves of a session are there. */
  #onPair(a: RelayedStream, b: RelayedStream): void {
    const [one, other] = [a.owner!, b.owner!]
    if (!this.#places.serves(one, other)) {
      if (this.#refused.admits('')) {
        this.#log.info({ a: shortKey(one.key), b: shortKey(other.key) }, 'a session was turned away')
      }
      return this.#turnAway(a, b)
    }
    const ended = this.#places.begin(one, other)
    this.emit('event', { event: 'relaying', sessions: this.sessions })
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      ended()
      a.destroy()
      b.destroy()
      this.emit('event', { event: 'relayed', sessions: this.sessions, bytes: a.bytes + b.bytes })
    }
    a.once('close', end)
    b.once('close', end)
  }

  #turnAway(a: RelayedStream, b: RelayedStream): void {
    a.refuse()
    b.refuse()
  }

  /** Ends what nobody uses. */
  #clear(): void {
    const now = this.#clock.now()
    for (const half of [...this.#streams]) {
      const quiet = Math.min(now - half.receivedAt, now - (half.partner?.receivedAt ?? 0))
      if (quiet <= this.#limits.idleMs) continue
      half.refuse()
      half.destroy()
    }
    for (const [stream, since] of this.#connections) {
      if (since !== null && now - since > this.#limits.pairMs) stream.destroy()
    }
  }

  /** Ends every session, unannounces. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#sweep?.cancel()
      this.#gaps.close()
      for (const half of [...this.#streams]) half.refuse()
      for (const stream of this.#connections.keys()) stream.destroy()
      // A node whose port was taken fails at closing, too.
      await Promise.allSettled([this.#endpoint?.close(), this.#announcement?.close()])
      await Promise.allSettled([this.#dht?.destroy()])
    })()
    return this.#closing
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function randomId(): number {
  const bytes = Buffer.allocUnsafe(4)
  sodium.randombytes_buf(bytes)
  return bytes.readUInt32LE()
}

function noop(): void {}
