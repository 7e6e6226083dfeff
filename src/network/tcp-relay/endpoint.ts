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
import UDX from 'udx-native'
import WebSocket, { WebSocketServer } from 'ws'
import { HyperNatError } from '../../errors.js'
import type { TcpRelayLimits } from '../../limits.js'
import type { Log } from '../../log/log.js'
import type { Clock, Timer } from '../../util/clock.js'
import type { Shaper } from '../shaper.js'
import { Channel } from './channel.js'
import { CLOSE, type Hello, MESSAGE_MAX, SESSION_BYTES, VERSION, welcome } from './frames.js'
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

export class Endpoint {
  readonly #options: EndpointOptions
  readonly #udx = new UDX()
  readonly #server: http.Server | https.Server
  readonly #websockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MESSAGE_MAX
  })
  /** Connections that are open, with the addresses that they count for. */
  readonly #connections = new Map<WebSocket, string>()
  readonly #addresses = new Map<string, number>()
  readonly #sessions = new Map<string, RelaySession>()
  /** Which session has which UDP port. */
  readonly #ports = new Map<number, RelaySession>()
  #sweep: Timer | null = null
  #certificate: Timer | null = null
  #certificateStamp = ''
  #closed = false

  constructor(options: EndpointOptions) {
    this.#options = options
    const { limits, tls } = options
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
    // Beside those that are upgraded there are always some that say nothing yet.
    this.#server.maxConnections = limits.connections * 2
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

  /** The TCP port. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  /** The address of the client whose UDP port this is; null when it is no client's. */
  clientOf(port: number): string | null {
    return this.#ports.get(port)?.address ?? null
  }

  /** @throws HyperNatError PORT_IN_USE, LISTEN_FAILED, CERTIFICATE_UNUSABLE */
  async start(): Promise<void> {
    const { port, host, clock, limits } = this.#options
    await this.#readCertificate(true)
    this.#server.listen({ port, ...(host !== undefined && { host }) })
    try {
      await once(this.#server, 'listening')
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code === 'EADDRINUSE') {
        throw new HyperNatError(
          'PORT_IN_USE',
          `TCP port ${port} is in use: stop the program that uses it, or choose another port.`
        )
      }
      throw new HyperNatError('LISTEN_FAILED', `Cannot listen on TCP port ${port}: ${(err as Error).message}`)
    }
    this.#server.on('error', err => this.#options.log.warn({ err }, 'the TCP port of the relay failed'))
    const sweep = (): void => {
      const now = clock.now()
      for (const session of [...this.#sessions.values()]) session.sweep(now)
      this.#sweep = clock.after(limits.sweepMs, sweep)
    }
    sweep()
    if (this.#options.tls) this.#watchCertificate()
  }

  #watchCertificate(): void {
    const { clock, limits } = this.#options
    this.#certificate = clock.after(limits.certificateMs, () => {
      this.#readCertificate(false).finally(() => {
        if (!this.#closed) this.#watchCertificate()
      })
    })
  }

  /** Reads the certificate if it is another one than before; one that is written halfway is read again later. */
  async #readCertificate(first: boolean): Promise<void> {
    const { tls, log } = this.#options
    if (!tls) return
    try {
      const stats = await Promise.all([stat(tls.cert), stat(tls.key)])
      const stamp = stats.map(({ mtimeMs, size, ino }) => `${mtimeMs} ${size} ${ino}`).join(', ')
      if (stamp === this.#certificateStamp) return
      const [cert, key] = await Promise.all([readFile(tls.cert), readFile(tls.key)])
      ;(this.#server as https.Server).setSecureContext({ cert, key })
      this.#certificateStamp = stamp
      if (!first) log.info('the certificate has changed and is in use')
    } catch (err) {
      if (first) {
        throw new HyperNatError(
          'CERTIFICATE_UNUSABLE',
          `The certificate ${tls.cert} with the key ${tls.key} cannot be used: ${(err as Error).message}`
        )
      }
      log.warn({ err }, 'the certificate has changed and cannot be used; the one before stays in use')
    }
  }

  #onUpgrade(request: http.IncomingMessage, socket: Duplex, head: Buffer): void {
    const { limits } = this.#options
    socket.on('error', noop)
    const address = addressOf(request)
    const place = placeOf(address)
    const ofAddress = this.#addresses.get(place) ?? 0
    if (
      this.#closed ||
      this.#connections.size >= limits.connections ||
      ofAddress >= limits.addressConnections
    ) {
      // Told in the WebSocket, an HTTP status would not reach every client; but that costs more than who is refused should.
      socket.end('HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    this.#websockets.handleUpgrade(request, socket, head, ws => {
      this.#connections.set(ws, place)
      this.#addresses.set(place, (this.#addresses.get(place) ?? 0) + 1)
      ws.once('close', () => {
        this.#connections.delete(ws)
        const left = this.#addresses.get(place)! - 1
        if (left > 0) this.#addresses.set(place, left)
        else this.#addresses.delete(place)
        this.#tellClients()
      })
      this.#greet(ws, address)
    })
  }

  #greet(ws: WebSocket, address: string): void {
    const { clock, limits } = this.#options
    const late = clock.after(limits.helloMs, () => channel.close(CLOSE.silent))
    const channel = new Channel(ws, clock, {
      hello: hello => {
        late.cancel()
        this.#onHello(channel, hello, address)
      },
      closed: () => late.cancel()
    })
  }

  #onHello(channel: Channel, { lowest, highest, session: name, token }: Hello, address: string): void {
    const { limits, uplink } = this.#options
    if (lowest > VERSION || highest < VERSION) return channel.close(CLOSE.version)
    if (!this.#isWelcome(token)) return channel.close(CLOSE.token)
    const before = name && this.#sessions.get(name.toString('hex'))
    if (!before && this.#sessions.size >= limits.sessions) return channel.close(CLOSE.tooMany)
    const session = before || this.#newSession(address)
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

  #newSession(address: string): RelaySession {
    const { uplink, shaper, clock, limits } = this.#options
    const name = randomBytes(SESSION_BYTES)
    const key = name.toString('hex')
    const parts: SessionParts = {
      udx: this.#udx,
      uplink,
      shaper,
      clock,
      limits,
      takeSocket: (session, port) => {
        if (this.#ports.size >= limits.sockets) return false
        this.#ports.set(port, session)
        return true
      },
      giveSocket: (_, port) => void this.#ports.delete(port),
      onend: () => void this.#sessions.delete(key)
    }
    const session = new RelaySession(name, address, parts)
    this.#sessions.set(key, session)
    return session
  }

  #tellClients(): void {
    this.#options.onclients?.(this.clients)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#sweep?.cancel()
    this.#certificate?.cancel()
    for (const session of [...this.#sessions.values()]) session.end(CLOSE.ending)
    const closed = this.#server.listening ? once(this.#server, 'close') : Promise.resolve()
    this.#server.close()
    this.#server.closeAllConnections()
    // Clients close when they are told to.
    const { clock } = this.#options
    const late = clock.after(500, () => {
      for (const ws of this.#connections.keys()) ws.terminate()
    })
    await closed
    late.cancel()
    for (const ws of this.#connections.keys()) if (ws.readyState !== WebSocket.CLOSED) ws.terminate()
  }
}

/** The client's address: from a reverse proxy on this machine, the one that it names. */
function addressOf(request: http.IncomingMessage): string {
  const direct = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
  const isProxy = direct === '::1' || direct.startsWith('127.')
  const named = isProxy ? request.headers['x-forwarded-for'] : undefined
  // The proxy's own word is the last one; what stands before it anybody may have sent.
  const last = [named].flat().join(',').split(',').at(-1)!.trim()
  return net.isIP(last) ? last : direct
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
