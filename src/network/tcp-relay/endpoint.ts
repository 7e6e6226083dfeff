/**
 * The relay's side of SPEC.md: a TCP port where clients open WebSockets, with TLS or behind a reverse proxy.
 *
 *     TCP -> HTTP upgrade -> HELLO -> RelaySession
 *            limits          token
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { HyperNatError } from '../../errors.js'
import type { TcpRelayLimits } from '../../limits.js'
import type { Log } from '../../log/log.js'
import { isLoopback } from '../../text/address.js'
import { canonicalHost } from '../../text/hosts.js'
import { Budget } from '../../util/budget.js'
import type { Clock, Timer } from '../../util/clock.js'
import { listenError } from '../../util/listen-error.js'
import { TokenBucket } from '../../util/token-bucket.js'
import { Counts } from '../counts.js'
import { OneBufferUdx } from '../internals.js'
import type { Shaper } from '../shaper.js'
import { Channel } from './channel.js'
import { CLOSE, type Hello, SESSION_BYTES, VERSION, WEBSOCKET, welcome } from './frames.js'
import { RelaySession, type SessionParts, type Uplink } from './relay-session.js'

export interface EndpointOptions {
  readonly port: number
  /** The address to listen on; all if left out. */
  readonly host?: string | undefined
  /** Files in PEM form; read again when they change. Left out: plain `ws`. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** One of them is wanted; empty: none is. */
  readonly tokens: readonly string[]
  readonly uplink: Uplink
  readonly shaper: Shaper
  readonly clock: Clock
  readonly limits: TcpRelayLimits
  readonly log: Log
  /** How many clients are connected now. */
  readonly onclients?: (clients: number) => void
}

const HEADER_BYTES = 8192

/** How long clients may take to close when the relay ends, ms. */
const CLOSING_MS = 500

export class Endpoint {
  readonly #options: EndpointOptions
  readonly #udx = new OneBufferUdx()
  readonly #server: http.Server | https.Server
  readonly #websockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    ...WEBSOCKET
  })
  /** TCP connections, whatever has become of them: Node's server loses sight of those that are upgraded. */
  readonly #sockets = new Set<net.Socket>()
  readonly #connections = new Set<WebSocket>()
  readonly #sessions = new Map<string, RelaySession>()
  /** Which session has which UDP port. */
  readonly #ports = new Map<number, RelaySession>()
  /** What each address uses. */
  readonly #used = {
    sockets: new Counts(),
    connections: new Counts(),
    sessions: new Counts(),
    ports: new Counts()
  }
  /** What clients of each address send; kept while one of them has a session, since a new one would begin with a full bucket. */
  readonly #rates = new Map<string, TokenBucket>()
  /** What each address may open. */
  readonly #openings = new Map<string, TokenBucket>()
  /** The memory of packets for clients, which are kept until they have arrived. */
  readonly #held: Budget
  #starting: Promise<void> = Promise.resolve()
  #sweep: Timer | null = null
  #certificate: Timer | null = null
  #certificateStamp = ''
  /** Of a certificate that cannot be used, and was reported. */
  #faultStamp = ''
  #closed = false

  constructor(options: EndpointOptions) {
    this.#options = options
    const { limits, tls } = options
    this.#held = new Budget(limits.heldBytes)
    const serverOptions = {
      maxHeaderSize: HEADER_BYTES,
      headersTimeout: limits.helloMs,
      requestTimeout: limits.helloMs,
      connectionsCheckingInterval: 1000,
      noDelay: true
    }
    this.#server = tls
      ? https.createServer({ ...serverOptions, handshakeTimeout: limits.helloMs })
      : http.createServer(serverOptions)
    this.#server.maxConnections = limits.tcpConnections
    // Node.js would begin with TLS before it asks us.
    const proceed = this.#server.listeners('connection')
    this.#server.removeAllListeners('connection')
    this.#server.on('connection', (socket: net.Socket) => {
      if (this.#admits(socket)) for (const listener of proceed) listener.call(this.#server, socket)
    })
    this.#server.on('request', (_, response: http.ServerResponse) => {
      response.writeHead(426, { Upgrade: 'websocket', Connection: 'close', 'Content-Type': 'text/plain' })
      response.end('This is a relay of hyper-nat.\n')
    })
    this.#server.on('upgrade', (request: http.IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#onUpgrade(request, socket, head)
    )
    this.#server.on('clientError', (_, socket: Duplex) => socket.destroy())
    this.#server.on('tlsClientError', noop)
  }

  /** Clients that are connected. */
  get clients(): number {
    let clients = 0
    for (const session of this.#sessions.values()) if (session.isConnected) clients++
    return clients
  }

  get sessions(): Iterable<RelaySession> {
    return this.#sessions.values()
  }

  /** Bytes of packets for clients that have not arrived yet. */
  get held(): number {
    return this.#held.used
  }

  /** The TCP port. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  /** The address of the client whose UDP port this is; null when it is no client's. */
  clientOf(port: number): string | null {
    return this.#ports.get(port)?.address ?? null
  }

  /** @throws HyperNatError PORT_IN_USE, LISTEN_FAILED, ADDRESS_NOT_HERE, CERTIFICATE_UNUSABLE */
  start(): Promise<void> {
    this.#starting = this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    const { port, host, clock, limits } = this.#options
    await this.#readCertificate(true)
    if (this.#closed) return
    this.#server.listen({ port, ...(host !== undefined && { host }) })
    try {
      await once(this.#server, 'listening')
    } catch (err) {
      throw listenError(err, 'TCP', port, host)
    }
    this.#server.on('error', err => this.#options.log.warn({ err }, 'the TCP port of the relay failed'))
    const sweep = (): void => {
      const now = clock.now()
      for (const session of [...this.#sessions.values()]) session.sweep(now)
      const { connections, sessions } = this.#used
      for (const place of this.#rates.keys()) {
        if (connections.of(place) + sessions.of(place) === 0) this.#rates.delete(place)
      }
      for (const [place, openings] of this.#openings) {
        if (openings.has(openings.size, now)) this.#openings.delete(place)
      }
      this.#sweep = clock.after(limits.sweepMs, sweep)
    }
    sweep()
    if (this.#options.tls) this.#watchCertificate()
  }

  #watchCertificate(): void {
    const { clock, limits } = this.#options
    this.#certificate = clock.after(limits.certificateMs, () => {
      void this.#readCertificate(false).finally(() => {
        if (!this.#closed) this.#watchCertificate()
      })
    })
  }

  /** Reads the certificate if it is another one than before; one that is written halfway is read again later. */
  async #readCertificate(first: boolean): Promise<void> {
    const { tls, log } = this.#options
    if (!tls) return
    let stamp = 'missing'
    try {
      const stats = await Promise.all([stat(tls.cert), stat(tls.key)])
      stamp = stats.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join(', ')
      if (stamp === this.#certificateStamp) return
      const [cert, key] = await Promise.all([readFile(tls.cert), readFile(tls.key)])
      ;(this.#server as https.Server).setSecureContext({ cert, key })
      this.#certificateStamp = stamp
      this.#faultStamp = ''
      if (!first) log.info('the certificate has changed and is in use')
    } catch (err) {
      if (first) {
        throw new HyperNatError(
          'CERTIFICATE_UNUSABLE',
          `The certificate ${tls.cert} with the key ${tls.key} cannot be used: ${(err as Error).message}`
        )
      }
      if (stamp === this.#faultStamp) return
      this.#faultStamp = stamp
      log.warn({ err }, 'the certificate has changed and cannot be used; the one before stays in use')
    }
  }

  #admits(socket: net.Socket): boolean {
    const direct = directAddress(socket)
    const place = placeOf(direct)
    const { sockets } = this.#used
    // All that come through a reverse proxy on this machine have its address.
    const isProxied = isLoopback(direct)
    if (
      !isProxied &&
      (sockets.of(place) >= this.#options.limits.addressTcpConnections || !this.#mayOpen(place))
    ) {
      socket.destroy()
      return false
    }
    this.#sockets.add(socket)
    sockets.add(place)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      sockets.remove(place)
    })
    return true
  }

  /** Whether an address may open one more connection now. */
  #mayOpen(place: string): boolean {
    const { clock, limits } = this.#options
    const openings =
      this.#openings.get(place) ?? new TokenBucket(limits.connectionsPerSecond / 1000, limits.connectionBurst)
    this.#openings.set(place, openings)
    return openings.tryTake(1, clock.now())
  }

  #onUpgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    const { limits } = this.#options
    socket.on('error', noop)
    const address = addressOf(request)
    const place = placeOf(address)
    const { connections } = this.#used
    if (
      this.#closed ||
      this.#connections.size >= limits.connections ||
      connections.of(place) >= limits.addressConnections ||
      // Others were counted before.
      (isLoopback(directAddress(request.socket)) && !this.#mayOpen(place))
    ) {
      // Told in the WebSocket, an HTTP status would not reach every client; but that costs more than who is refused should.
      socket.once('finish', () => socket.destroy())
      socket.end('HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    this.#websockets.handleUpgrade(request, socket, head, ws => {
      this.#connections.add(ws)
      connections.add(place)
      this.#greet(ws, address)
      // After the channel's own listener, by which its session has no connection any more.
      ws.once('close', () => {
        this.#connections.delete(ws)
        connections.remove(place)
        this.#tellClients()
      })
    })
  }

  #greet(ws: WebSocket, address: string): void {
    const { clock, limits } = this.#options
    const late = clock.after(limits.helloMs, () => channel.close(CLOSE.silent))
    const channel = new Channel(
      ws,
      clock,
      {
        hello: hello => {
          late.cancel()
          this.#onHello(channel, hello, address)
        },
        closed: () => late.cancel()
      },
      this.#held,
      this.#rateOf(placeOf(address))
    )
  }

  #rateOf(place: string): TokenBucket {
    const { framesPerSecond, frameBurst } = this.#options.limits
    const rate = this.#rates.get(place) ?? new TokenBucket(framesPerSecond / 1000, frameBurst)
    this.#rates.set(place, rate)
    return rate
  }

  #onHello(channel: Channel, { lowest, highest, session: name, token }: Hello, address: string): void {
    const { limits, uplink } = this.#options
    if (lowest > VERSION || highest < VERSION) return channel.close(CLOSE.version)
    if (!this.#isWelcome(token)) return channel.close(CLOSE.token)
    const before = name && this.#sessions.get(name.toString('hex'))
    if (!before && this.#sessions.size >= limits.sessions) return channel.close(CLOSE.tooMany)
    const place = placeOf(address)
    const isElsewhere = !before || placeOf(before.address) !== place
    if (isElsewhere && this.#used.sessions.of(place) >= limits.addressSessions)
      return channel.close(CLOSE.tooMany)
    const session = before || this.#newSession(address)
    if (before) this.#move(before, address)
    channel.send(
      welcome({
        version: VERSION,
        kind: 'server' in uplink.to ? 'server' : 'network',
        session: session.name,
        resumed: Boolean(before)
      })
    )
    session.attach(channel)
    this.#tellClients()
  }

  #isWelcome(token: string): boolean {
    const { tokens } = this.#options
    if (tokens.length === 0) return true
    const given = Buffer.from(token)
    return tokens.some(one => {
      const wanted = Buffer.from(one)
      return wanted.byteLength === given.byteLength && timingSafeEqual(wanted, given)
    })
  }

  /** The client of a session has come back, perhaps from another address. */
  #move(session: RelaySession, address: string): void {
    const [from, to] = [placeOf(session.address), placeOf(address)]
    const { sessions, ports } = this.#used
    session.address = address
    sessions.remove(from)
    sessions.add(to)
    ports.remove(from, session.sockets)
    ports.add(to, session.sockets)
  }

  #newSession(address: string): RelaySession {
    const { uplink, shaper, clock, limits } = this.#options
    const { sessions, ports } = this.#used
    const name = randomBytes(SESSION_BYTES)
    const key = name.toString('hex')
    const parts: SessionParts = {
      udx: this.#udx,
      uplink,
      shaper,
      clock,
      limits,
      takeSocket: (session, port) => {
        const place = placeOf(session.address)
        if (this.#ports.size >= limits.sockets || ports.of(place) >= limits.addressSockets) return false
        this.#ports.set(port, session)
        ports.add(place)
        return true
      },
      giveSocket: (session, port) => {
        this.#ports.delete(port)
        ports.remove(placeOf(session.address))
      },
      onend: session => {
        this.#sessions.delete(key)
        sessions.remove(placeOf(session.address))
      }
    }
    const session = new RelaySession(name, address, parts)
    this.#sessions.set(key, session)
    sessions.add(placeOf(address))
    return session
  }

  #tellClients(): void {
    this.#options.onclients?.(this.clients)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#starting.catch(noop)
    this.#sweep?.cancel()
    this.#certificate?.cancel()
    for (const session of [...this.#sessions.values()]) session.end(CLOSE.ending)
    const closed = this.#server.listening ? once(this.#server, 'close') : Promise.resolve()
    this.#server.close()
    this.#server.closeAllConnections()
    // Clients close after a close frame.
    const late = this.#options.clock.after(CLOSING_MS, () => {
      for (const socket of this.#sockets) socket.destroy()
    })
    await closed
    late.cancel()
  }
}

function directAddress(socket: net.Socket): string {
  return canonicalHost(socket.remoteAddress ?? '')
}

/** The client's address: from a reverse proxy on this machine, the one that it names. */
function addressOf(request: http.IncomingMessage): string {
  const direct = directAddress(request.socket)
  const named = isLoopback(direct) ? request.headers['x-forwarded-for'] : undefined
  // The proxy adds the last one; those before it may come from the client.
  const last = [named].flat().join(',').split(',').at(-1)!.trim()
  // Some proxies add the port.
  const [, ipv6, ipv4] = /^(?:\[(.+)\]|([\d.]+))(?::\d+)?$/.exec(last) ?? []
  const host = ipv6 ?? ipv4 ?? last
  return net.isIP(host) ? canonicalHost(host) : direct
}

/** What an address counts as: of IPv6, the network that one customer has. */
function placeOf(address: string): string {
  if (!net.isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const groups = head.split(':').filter(group => group !== '')
  const behind = tail === undefined ? [] : tail.split(':').filter(group => group !== '')
  while (groups.length + behind.length < 8) groups.push('0')
  return [...groups, ...behind].slice(0, 4).join(':')
}

function noop(): void {}
