/**
 * The private members of hyperdht, dht-rpc, secret-stream and udx-native that this program needs. Only this file names them;
 * the rest of the program uses the methods here. package.json pins the versions that were tested. {@link checkInternals} runs when a node
 * is created and reports a version that no longer has what is used here.
 */
import SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import NoiseWrap from 'hyperdht/lib/noise-wrap.js'
import UDX from 'udx-native'
import UdxSocket from 'udx-native/lib/socket.js'
import UdxStream from 'udx-native/lib/stream.js'
import { hasFreeDescriptor } from '../util/descriptors.js'
import { checkMembers, type Members } from './library-members.js'
import { MessagePacer } from './message-pacer.js'

type Address = HyperDHT.Address

/** Command of dht-rpc that asks a node to send its answer to another port than the one that asked. */
const PING_NAT = 1

/** Commands of hyperdht that a node forwards: PEER_HANDSHAKE and PEER_HOLEPUNCH (hyperdht/lib/constants.js). */
const FORWARDED: ReadonlySet<number> = new Set([0, 1])

/** A request to another node. */
interface Request {
  readonly to: Address & { readonly id: Uint8Array | null }
  /** Whether it is a request of dht-rpc itself, not of hyperdht. */
  readonly internal: boolean
  readonly command: number
}

/** A request that waits for its answer. */
interface InflightRequest {
  /** How often it was sent. */
  sent: number
  send(force: boolean): void
}

/** A node of the list of known nodes. */
interface KnownNode extends Address {
  readonly prev: KnownNode | null
}

interface NatSampler {
  readonly host: string | null
}

interface PrivateDht {
  readonly io: {
    firewalled: boolean
    readonly serverSocket: HyperDHT.OwnSocket
    readonly clientSocket: HyperDHT.OwnSocket
    /** Requests without an answer. */
    readonly inflight: readonly InflightRequest[]
    /** Polls this machine's addresses every 5 s, and at once when it starts to watch. */
    readonly networkInterfaces: { unwatch(): void; watch(): void }
    createRequest(
      to: Address & { id: null },
      token: null,
      internal: boolean,
      command: number,
      target: null,
      value: Uint8Array | null,
      session: null,
      ttl: number
    ): Request | null
  }
  readonly table: { readonly id: Uint8Array }
  readonly nodes: { readonly length: number; readonly latest: KnownNode | null }
  readonly bootstrapNodes: readonly Address[]
  readonly stats: { readonly punches: { readonly random: number } }
  /** Samples of this node's address as other nodes see it. */
  _nat: NatSampler
  /** Bootstrap nodes that have reported our address, as long as no others have. */
  _nonePersistentSamples: string[]
  readonly _socketPool: {
    /** Those that are open. */
    readonly _sockets: ReadonlyMap<object, unknown>
    acquire(): HyperDHT.PooledSocket
  }
  /** The nodes through which a server was reached last, by its key in hex. */
  readonly _relayAddressesCache: {
    get(key: string): Address[] | undefined
    set(key: string, addresses: Address[]): void
  }
  /** Which addresses of this machine can be used, as far as tried. */
  readonly _validatedLocalAddresses: Map<string, unknown>
  /** Makes the stream of a connection. */
  createRawStream(options: object): UdxStream
  _onresponse(answer: HyperDHT.Answer, external: boolean): void
  _ontimeout(request: Request): void
  /** Called after some 10 s of requests without answers. */
  _offline(): void
  /** Treats all that is known of the network as outdated, as after a sleep. */
  _onwakeup(): void
  _checkIfFirewalled(): Promise<boolean>
  _updateNetworkState(onlyFirewall: boolean): Promise<boolean>
  _backgroundQuery(target: Uint8Array): { finished(): Promise<void> }
  _addBootstrapNodes(nodes: Address[]): Promise<void>
  _requestToPromise(request: Request | null, options?: HyperDHT.RequestOptions): Promise<HyperDHT.Answer>
  _request(
    to: Address,
    force: boolean,
    internal: boolean,
    command: number,
    target: null,
    value: Uint8Array,
    session: null,
    onresponse: (reply: HyperDHT.Answer) => void,
    onerror: (err: unknown) => void
  ): object | null
}

/** A handshake of a client. */
interface HandshakeMessage {
  readonly noise: Uint8Array
  /** Whose it is, where a node forwards it, and as that node says. */
  readonly peerAddress: Address | null
}
/** The request that brought it. */
interface HandshakeRequest {
  readonly from: Address
}
type OnHandshake = (message: HandshakeMessage, request: HandshakeRequest) => Promise<object | null>

/** What hyperdht's server knows of a handshake. */
interface PendingHandshake {
  /** Null without a relay: then the handshake ends when nothing has come in time. */
  relayToken: Uint8Array | null
}
type RelayConnection = (
  pending: PendingHandshake,
  relayThrough: Uint8Array | null,
  said: HyperDHT.NoisePayload,
  final: object
) => void

interface PrivateServer {
  createHandshake: HyperDHT.CreateHandshake
  /** Answers a handshake; null for no answer. Bound by `listen`. */
  _onpeerhandshake: OnHandshake
  /** Meets a client at a relay, while it may also come straight. */
  _relayConnection: RelayConnection
  /** Handshakes of the last 10 s, by what the client sent, in hex. */
  readonly _connects: Map<string, unknown>
  /** Null before `listen`. */
  readonly _announcer: PrivateAnnouncer | null
}

/** Keeps a server announced: at once, then every 5 minutes or on request, which it notices within 3 s. */
interface PrivateAnnouncer {
  readonly relays: readonly unknown[]
  /** Settles when the announcement in progress is done. */
  readonly _updating: Promise<void> | null
  /** The search for the nodes that are to hold the announcement; null when that is done. */
  readonly _activeQuery: { destroy(): void } | null
  readonly _sleeper: { resume(): void }
  /** True: what is announced next is abandoned. */
  stopped: boolean
}

/** A node keeps each delayed ping until it answers it, and anyone may send one. The library takes 0 for its default, 10 s. */
export const MAX_PING_DELAY_MS = 1

const Base = HyperDHT as unknown as new (options: HyperDHT.Options) => HyperDHT & PrivateDht

/** hyperdht's node, with what it keeps private as methods. */
export class InternalDht extends Base {
  readonly #acquire: () => HyperDHT.PooledSocket

  /**
   * @param punchSockets sockets to punch NATs with that may be open at once
   * @throws HyperNatError LIBRARY_MISMATCH
   */
  constructor(options: HyperDHT.Options, punchSockets = Number.POSITIVE_INFINITY) {
    checkInternals()
    super({ ...options, maxPingDelay: MAX_PING_DELAY_MS })
    try {
      checkMembers('dht-rpc', 'node', this, NODE_OF_DHT_RPC)
      checkMembers('hyperdht', 'node', this, NODE_OF_HYPERDHT)
    } catch (err) {
      void this.destroy({ force: true }).catch(noop)
      throw err
    }
    const pool = this._socketPool
    this.#acquire = pool.acquire.bind(pool)
    pool.acquire = () => this.#punchSocket(punchSockets)
  }

  /**
   * A socket to punch a NAT with. hyperdht does not expect that there may be none: the process would end. What it gets then is the
   * socket that this node has anyway, where nobody listens for punches: that one attempt fails.
   */
  #punchSocket(most: number): HyperDHT.PooledSocket {
    try {
      // Looked for first, since a socket that could not be bound is never released.
      if (this._socketPool._sockets.size < most && hasFreeDescriptor()) return this.#acquire()
    } catch {
      // Somebody else took the last one.
    }
    this.onNoPunchSocket()
    return { socket: this.socket, release() {} }
  }

  /** A NAT cannot be punched, since too many sockets are open. */
  protected onNoPunchSocket(): void {}

  /**
   * An answer has come.
   * @param external whether it came over another socket than the one that requests leave from now
   */
  protected onAnswer(_answer: HyperDHT.Answer, _external: boolean): void {}

  /** A node that was asked something does not answer. */
  protected onNoAnswer(_node: Address): void {}

  /** Whether an answer from this address is not taken for that of a node. */
  protected isOutside(_host: string): boolean {
    return false
  }

  override _onresponse(answer: HyperDHT.Answer, external: boolean): void {
    if (this.isOutside(answer.from.host)) return
    super._onresponse(answer, external)
    this.onAnswer(answer, external)
  }

  override _ontimeout(request: Request): void {
    // The answer goes to a port that a NAT may block, so silence says nothing about the node. hyperdht would drop it as dead, and
    // in a small network nearly all nodes at once, seconds after the start; it would then have too few to find out our NAT's kind.
    if (request.internal && request.command === PING_NAT) return
    super._ontimeout(request)
    // If it was to forward the request, a server does not answer.
    if (!request.internal && FORWARDED.has(request.command)) return
    this.onNoAnswer(request.to)
  }

  /** A node that counts as offline would stop announcing and wait for answers to requests that nobody makes meanwhile. */
  override _offline(): void {}

  /** The socket at which others reach this node. */
  get serverSocket(): HyperDHT.OwnSocket {
    return this.io.serverSocket
  }

  /** The sockets that this node sends from and listens on. */
  get ownSockets(): readonly HyperDHT.OwnSocket[] {
    return [this.io.serverSocket, this.io.clientSocket]
  }

  /** Number of known nodes. */
  get nodeCount(): number {
    return this.nodes.length
  }

  /** How many times ports have been tried at random. */
  get randomPunches(): number {
    return this.stats.punches.random
  }

  /** Forgets what is known of our address: it has changed. */
  protected forgetAddress(): void {
    this._onwakeup()
    this._validatedLocalAddresses.clear()
    // It polls at once when it starts, and hyperdht takes the addresses that it gives to others from there.
    this.io.networkInterfaces.unwatch()
    this.io.networkInterfaces.watch()
    this._nat = new (this._nat.constructor as new () => NatSampler)()
    this._nonePersistentSamples = []
    this.firewalled = this.io.firewalled = true
  }

  /** Asks the nodes around us who is there, and so where they see us. */
  protected queryNeighbours(): Promise<void> {
    return this._backgroundQuery(this.table.id).finished()
  }

  /** Asks nodes whether their packets reach our server socket without our having sent to them. */
  protected isReached(): Promise<boolean> {
    return this._checkIfFirewalled().then(firewalled => !firewalled)
  }

  /** Clears `firewalled` if others reach us. */
  protected async updateReach(): Promise<void> {
    await this._updateNetworkState(true)
  }

  /** The nodes that the DHT is entered through. hyperdht writes a suggested address before a name: `address@name`. */
  get bootstrapAddresses(): Address[] {
    return this.bootstrapNodes.map(({ host, port }) => ({ host: host.split('@')[0]!, port }))
  }

  /** IP addresses of the nodes that the DHT is entered through. */
  async bootstrapHosts(): Promise<ReadonlySet<string>> {
    const nodes: Address[] = []
    await this._addBootstrapNodes(nodes)
    return new Set(nodes.map(({ host }) => host))
  }

  /** Sends every request without an answer again, at once. */
  resend(): void {
    for (const request of [...this.io.inflight]) {
      request.sent = 0
      request.send(true)
    }
  }

  /** Up to `count` nodes: known ones, and the bootstrap nodes if there are too few. */
  protected async someNodes(count: number): Promise<Address[]> {
    const nodes = this.toArray({ limit: count })
    if (nodes.length < count) await this._addBootstrapNodes(nodes)
    return nodes
  }

  /**
   * Asks a node to send its answer to this port of our address.
   * @returns false if the node is destroyed, and neither callback is called
   */
  protected askToAnswerAt(
    port: number,
    node: Address,
    onanswer: (answer: HyperDHT.Answer) => void,
    onerror: () => void
  ): boolean {
    return this._request(node, false, true, PING_NAT, null, portValue(port), null, onanswer, onerror) !== null
  }

  /** The same, from another socket, which does not see the answer. */
  askFromToAnswerAt(socket: HyperDHT.Socket, port: number, node: Address): void {
    const to = { host: node.host, port: node.port, id: null }
    const request = this.io.createRequest(to, null, true, PING_NAT, null, portValue(port), null, 0)
    this._requestToPromise(request, { socket, retry: false }).catch(noop)
  }

  /** Opens a socket whose answers reach this node. */
  acquireSocket(): HyperDHT.PooledSocket {
    return this.#acquire()
  }

  /** Forgets those nodes at `host` through which the server was reached. */
  protected forgetRelayAddresses(key: Uint8Array, host: string | null): void {
    const name = Buffer.from(key).toString('hex')
    const others = this._relayAddressesCache.get(name)?.filter(address => address.host !== host)
    if (others) this._relayAddressesCache.set(name, others)
  }

  override createServer(
    options: HyperDHT.ServerOptions,
    onconnection: (stream: SecretStream) => void
  ): HyperDHT.Server {
    const server = super.createServer({ createHandshake, ...options }, onconnection)
    checkMembers('hyperdht', 'server', server, SERVER)
    return server
  }

  override connect(key: Uint8Array, options?: HyperDHT.ConnectOptions): SecretStream {
    return super.connect(key, { createHandshake, ...options })
  }

  /**
   * The other side, or a relay, says where a stream is connected to. If that is invalid, such as port 0, or comes twice, hyperdht does not
   * catch what is thrown, and the process would end. Here only the stream ends.
   */
  override createRawStream(options: object): UdxStream {
    const raw = super.createRawStream(options)
    const connect = raw.connect.bind(raw)
    raw.connect = (...to) => {
      try {
        connect(...to)
      } catch (err) {
        raw.destroy(err as Error)
      }
    }
    const changeRemote = raw.changeRemote.bind(raw)
    raw.changeRemote = (...to) => {
      try {
        return changeRemote(...to)
      } catch (err) {
        raw.destroy(err as Error)
        return null
      }
    }
    return raw
  }
}

/** What makes handshakes unless it is told otherwise. */
export const createHandshake: HyperDHT.CreateHandshake = (keyPair, remotePublicKey) =>
  new Handshake(keyPair, remotePublicKey)

/**
 * A handshake that refuses whatever cannot be read. A message that is too short for its seal has the library throw what it takes for
 * a mistake of its own, a `RangeError`, and hyperdht has that end the process.
 *
 * A client asks several DHT nodes, and each of them can answer. A message from anyone but the server leaves the state as it was:
 * otherwise the library could read nothing after it, and one node that lies could keep everybody from a server.
 */
class Handshake extends NoiseWrap {
  override recv(noise: Uint8Array): HyperDHT.NoisePayload {
    const { handshake: state } = this
    // The library changes the content of these two, and replaces the other fields.
    const before = { ...state, digest: Buffer.from(state.digest), handshake: [...state.handshake] }
    try {
      return super.recv(noise)
    } catch (cause) {
      Object.assign(state, before)
      throw new Error('The handshake cannot be read.', { cause })
    }
  }
}

/** Replaces what makes a server's handshakes. */
export function wrapHandshakes(
  server: HyperDHT.Server,
  wrap: (create: HyperDHT.CreateHandshake) => HyperDHT.CreateHandshake
): void {
  const inner = server as HyperDHT.Server & PrivateServer
  inner.createHandshake = wrap(inner.createHandshake)
}

/**
 * Lets a new handshake pass only when `admit` resolves true. Repetitions pass, and get the same answer.
 * To be called before `listen`.
 * @param admit called with who sent it, and whose the sender says that it is; null where it says nothing
 */
export function admitHandshakes(
  server: HyperDHT.Server,
  admit: (sender: Address, client: Address | null) => boolean | Promise<boolean>
): void {
  const inner = server as HyperDHT.Server & PrivateServer
  const answer = inner._onpeerhandshake
  inner._onpeerhandshake = async (message, request) => {
    const isNew = !inner._connects.has(Buffer.from(message.noise).toString('hex'))
    // Without a turn of the event loop where none is needed: hyperdht recognises repetitions by what it has begun to answer.
    if (isNew) {
      const admitted = admit(request.from, message.peerAddress)
      if (admitted !== true && !(await admitted)) return null
    }
    return answer.call(inner, message, request)
  }
}

/** Lets a server meet only those clients at a relay of whom `allows` is true; it is asked with what the client said. */
export function limitRelaying(server: HyperDHT.Server, allows: (said: object) => boolean): void {
  const inner = server as HyperDHT.Server & PrivateServer
  const relay = inner._relayConnection
  inner._relayConnection = (pending, relayThrough, said, final) => {
    if (allows(said)) relay.call(inner, pending, relayThrough, said, final)
    else pending.relayToken = null
  }
}

/** How a server is announced. */
export class AnnouncerState {
  readonly #server: PrivateServer

  constructor(server: HyperDHT.Server) {
    this.#server = server as HyperDHT.Server & PrivateServer
  }

  /** Checks hyperdht's announcer, which exists once the server listens. @throws HyperNatError LIBRARY_MISMATCH */
  check(): void {
    const announcer = this.#server._announcer
    if (announcer) checkMembers('hyperdht', 'announcer', announcer, ANNOUNCER)
  }

  /** Whether the server listens. */
  get exists(): boolean {
    return this.#server._announcer !== null
  }

  /** The nodes that hold the announcement: another array after each announcement. */
  get holders(): readonly unknown[] {
    return this.#server._announcer?.relays ?? []
  }

  /** Settles when the announcement in progress is done; null if there is none. */
  get updating(): Promise<void> | null {
    return this.#server._announcer?._updating ?? null
  }

  /** Ends the announcement in progress, which else waits for nodes that may not answer. */
  abandon(): void {
    const announcer = this.#server._announcer
    if (!announcer) return
    announcer.stopped = true
    announcer._activeQuery?.destroy()
  }

  /** Ends the announcer's pause between two looks at whether it should announce. */
  wake(): void {
    this.#server._announcer?._sleeper.resume()
  }
}

interface PrivateSecretStream {
  /** The buffer that `alloc` returned last, and the one around it; a message in any other buffer is copied. */
  _outgoingPlain: Uint8Array | null
  _outgoingWrapped: Uint8Array | null
  _write(message: Uint8Array, done: (err: Error | null) => void): void
  /** 0 while it reads the length of a message, 1 in the message. */
  readonly _state: 0 | 1
  /** That length, as far as it is known. */
  readonly _len: number
  /** In state 0 the weight of the length's next byte, 1 for the first; in state 1 how much of the message has come. */
  readonly _tmp: number
  /** Takes what came of the stream below, and hands on each message that is whole. */
  _onrawdata(data: Uint8Array): void
  _onrawend(): void
}

const BaseStream = SecretStream as unknown as new (
  isInitiator: boolean,
  rawStream: unknown,
  options: object
) => SecretStream & PrivateSecretStream

/** secret-stream, which may build each message in a buffer of ours, and reads a few messages in each turn of the event loop. */
export class InPlaceStream extends BaseStream {
  /** The buffer around a message, if it has room for what secret-stream adds. */
  protected wholeOf(_message: Uint8Array): Uint8Array | undefined {
    return undefined
  }

  /** Of several messages written in one turn of the event loop, secret-stream knows the buffer of the last one only. */
  override _write(message: Uint8Array, done: (err: Error | null) => void): void {
    const whole = this.wholeOf(message)
    this._outgoingPlain = whole ? message : null
    this._outgoingWrapped = whole ?? null
    super._write(message, done)
  }

  readonly #pacer = new MessagePacer({
    position: () =>
      this._state === 1 ? { missing: this._len - this._tmp } : { length: this._len, weight: this._tmp },
    isDestroyed: () => this.destroying,
    read: data => super._onrawdata(data),
    end: () => super._onrawend(),
    destroy: err => this.destroy(err)
  })

  /** What has come and is not decrypted yet. */
  get pacer(): MessagePacer {
    return this.#pacer
  }

  // secret-stream's constructor may call these two before there is a pacer.
  override _onrawdata(data: Uint8Array): void {
    if (#pacer in this) this.#pacer.push(data)
    else super._onrawdata(data)
  }

  override _onrawend(): void {
    if (#pacer in this) this.#pacer.end()
    else super._onrawend()
  }
}

/**
 * UDX for sockets whose packets are read at once: a packet is valid until its handler returns. All share one buffer, where UDX would begin
 * another one after each 64 kB, also of what nobody wants, which waits for a full collection of garbage.
 */
export class OneBufferUdx extends UDX {
  override _consumeMessage(length: number): Buffer {
    return this._buffer.subarray(0, length)
  }
}

/** A UDX socket that gives some packets another sender than the one that libudx sees. */
export class InternalUdxSocket extends UdxSocket {
  /** The sender of the packets from an address, if it is not that address. */
  protected senderBehind(_host: string, _port: number): Address | null {
    return null
  }

  /** Called by libudx for a packet of no known stream. */
  override _onmessage(length: number, port: number, host: string, family: number): Buffer {
    const sender = this.senderBehind(host, port)
    if (!sender) return super._onmessage(length, port, host, family)
    return super._onmessage(length, sender.port, sender.host, 4)
  }
}

/** A UDX stream that gives its first packet another sender than the one that libudx sees. */
export class InternalUdxStream extends UdxStream {
  /** The first packet has come, over this socket. @returns its sender, if it is not that address */
  protected onArrival(_socket: UdxSocket, _host: string, _port: number): Address | null {
    return null
  }

  /** Called by libudx for the first packet of a stream that is not connected; not 0 refuses it. */
  override _onfirewall(socket: UdxSocket, port: number, host: string, family: number): number {
    const sender = this.onArrival(socket, host, port)
    if (!sender) return super._onfirewall(socket, port, host, family)
    return super._onfirewall(socket, sender.port, sender.host, 4)
  }
}

/** UDX's estimate of the path's rate, bytes per second. */
export function rateOf(raw: SecretStream.RawStream): number {
  return (raw as SecretStream.RawStream & { readonly bbrBandwidth: number }).bbrBandwidth
}

const METHODS_OF_DHT_RPC: Members = {
  _onresponse: 2,
  _ontimeout: 1,
  _offline: 0,
  _onwakeup: 0,
  // Parameters with a default are not counted.
  _checkIfFirewalled: 0,
  _updateNetworkState: 0,
  _backgroundQuery: 1,
  _addBootstrapNodes: 1,
  _requestToPromise: 2,
  _request: 9,
  remoteAddress: 0,
  socket: 'accessor'
}

const NODE_OF_DHT_RPC: Members = {
  io: 'object',
  'io.firewalled': 'boolean',
  'io.inflight': 'object',
  'io.networkInterfaces.unwatch': 0,
  'io.networkInterfaces.watch': 0,
  'io.createRequest': 8,
  'table.id': 'object',
  'nodes.length': 'number',
  bootstrapNodes: 'object',
  _nat: 'object',
  _nonePersistentSamples: 'object'
}

const METHODS_OF_HYPERDHT: Members = {
  connect: 2,
  createRawStream: 1,
  createServer: 2,
  findPeer: 1
}

const NODE_OF_HYPERDHT: Members = {
  'stats.punches.random': 'number',
  '_socketPool._sockets.size': 'number',
  '_socketPool.acquire': 0,
  '_relayAddressesCache.get': 1,
  '_relayAddressesCache.set': 2,
  '_validatedLocalAddresses.clear': 0
}

const SERVER: Members = {
  createHandshake: 2,
  _onpeerhandshake: 2,
  _relayConnection: 4,
  '_connects.has': 1,
  _announcer: 'null'
}

const ANNOUNCER: Members = {
  relays: 'object',
  stopped: 'boolean',
  '_sleeper.resume': 0
}

const METHODS_OF_HANDSHAKE: Members = { recv: 1, send: 1, final: 0 }

const HANDSHAKE: Members = {
  'handshake.digest': 'object',
  'handshake.handshake': 'object'
}

const METHODS_OF_SECRET_STREAM: Members = {
  alloc: 1,
  flush: 0,
  _write: 2,
  _onrawdata: 1,
  _onrawend: 0
}

const SECRET_STREAM: Members = {
  _outgoingPlain: 'null',
  _outgoingWrapped: 'null',
  _state: 'number',
  _len: 'number',
  _tmp: 'number'
}

const METHODS_OF_UDX: Members = { _consumeMessage: 1 }

const METHODS_OF_UDX_SOCKET: Members = { _onmessage: 4 }

const METHODS_OF_UDX_STREAM: Members = {
  _onfirewall: 4,
  // Parameters with a default are not counted.
  connect: 4,
  changeRemote: 4,
  bbrBandwidth: 'accessor',
  bytesReceived: 'accessor',
  inflight: 'accessor',
  mtu: 'accessor',
  packetsReceived: 'accessor',
  rtt: 'accessor',
  send: 1,
  trySend: 1
}

/** What is checked before there is a node; an argument, so that a test can pass other classes. */
export interface Classes {
  readonly HyperDHT: { readonly prototype: object }
  readonly SecretStream: new (isInitiator: boolean, rawStream: null, options: object) => object
  readonly UdxSocket: { readonly prototype: object }
  readonly UdxStream: { readonly prototype: object }
}

let checked = false

/**
 * Checks that the installed libraries have the private members that are used here.
 * @throws HyperNatError LIBRARY_MISMATCH
 */
export function checkInternals(classes?: Classes): void {
  if (checked && !classes) return
  const { HyperDHT: Dht, SecretStream: Stream, UdxSocket: Socket, UdxStream: Raw } = classes ?? installed()
  checkMembers('dht-rpc', 'class', Dht.prototype, METHODS_OF_DHT_RPC)
  checkMembers('hyperdht', 'class', Dht.prototype, METHODS_OF_HYPERDHT)
  checkMembers('hyperdht', 'handshake', NoiseWrap.prototype, METHODS_OF_HANDSHAKE)
  checkMembers('hyperdht', 'handshake', new NoiseWrap(HyperDHT.keyPair(), null), HANDSHAKE)
  checkMembers('@hyperswarm/secret-stream', 'class', Stream.prototype, METHODS_OF_SECRET_STREAM)
  checkMembers(
    '@hyperswarm/secret-stream',
    'stream',
    new Stream(true, null, { autoStart: false }),
    SECRET_STREAM
  )
  checkMembers('udx-native', 'class', UDX.prototype, METHODS_OF_UDX)
  checkMembers('udx-native', 'socket', Socket.prototype, METHODS_OF_UDX_SOCKET)
  checkMembers('udx-native', 'stream', Raw.prototype, METHODS_OF_UDX_STREAM)
  if (!classes) checked = true
}

function installed(): Classes {
  return {
    HyperDHT,
    SecretStream: SecretStream as unknown as Classes['SecretStream'],
    UdxSocket,
    UdxStream
  }
}

function portValue(port: number): Uint8Array {
  const value = Buffer.allocUnsafe(2)
  value.writeUInt16LE(port)
  return value
}

function noop(): void {}
