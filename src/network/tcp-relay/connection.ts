/**
 * The client's side of SPEC.md: one relay, and a WebSocket to it that is opened again whenever it breaks.
 *
 *            start             WELCOME              silent, closed
 *     idle --------> dialling ---------> connected ----------------> dialling
 *                      |  ^
 *                      |  | every second one more, while others hang; more rarely at a relay that is full
 *                      +--+
 *
 * While a network is down, an attempt hangs in the kernel, which tries again after 1, 3, 7 s; a new one each second is connected soon
 * after the network is back, and the first to be welcomed ends the others. A full relay is asked at growing intervals, and every
 * second again once the network has changed or a connection that held is lost.
 */
import type WebSocket from 'ws'
import { codeOf } from '../../errors.js'
import { type Limits, TCP_RELAY_LIMITS } from '../../limits.js'
import type { Log } from '../../log/log.js'
import type { Clock, Timer } from '../../util/clock.js'
import { TokenBucket } from '../../util/token-bucket.js'
import { Backoff } from '../backoff.js'
import { Channel } from './channel.js'
import * as frames from './frames.js'
import { CLOSE, type RelayKind, VERSION, WEBSOCKET } from './frames.js'
import { proxyUrl, withScheme } from './proxy.js'
import type { Refusal } from './refusal.js'
import type { RelayAddress } from './relay-address.js'
import { sharedLookup } from './shared-lookup.js'

export type ConnectionLimits = Pick<
  Limits,
  | 'tcpAttemptMs'
  | 'tcpAttempts'
  | 'tcpAttemptTimeoutMs'
  | 'tcpPatienceMs'
  | 'tcpSlowMs'
  | 'tcpPingMs'
  | 'tcpSilentMs'
  | 'tcpRefusedMs'
>

/** A connection that has lasted this long has held, ms. */
const HELD_MS = 10_000

export interface ConnectionEvents {
  /** The relay has welcomed us; `resumed` when our sockets are there as before. */
  up(resumed: boolean): void
  /** The connection is gone, and is being opened again. */
  down(): void
  /** The relay's port of a socket; 0 when it has none. */
  bound(socket: number, port: number): void
  packet(socket: number, host: number, port: number, payload: Buffer): void
}

export class RelayConnection {
  /** What it leads to; null before it has welcomed us. */
  kind: RelayKind | null = null
  /** Why there is no connection; null while there is one, or none was tried. */
  refusal: Refusal | null = null
  events: ConnectionEvents = { up() {}, down() {}, bound() {}, packet() {} }
  readonly #clock: Clock
  readonly #limits: ConnectionLimits
  readonly #log: Log
  /** Attempts that have not ended, the oldest first. */
  readonly #attempts: Attempt[] = []
  /** What the relay sends: as a relay reads from its clients. */
  readonly #rate = new TokenBucket(TCP_RELAY_LIMITS.framesPerSecond / 1000, TCP_RELAY_LIMITS.frameBurst)
  #channel: Channel | null = null
  #upAt = 0
  readonly #backoff: Backoff
  /** How long after the last attempt the next one is made, ms. */
  #restMs = 0
  #session: Buffer | null = null
  #timer: Timer | null = null
  #running = false
  /** Null until it has been loaded. */
  #open: OpenWebSocket | null = null

  constructor(
    readonly address: RelayAddress,
    clock: Clock,
    limits: ConnectionLimits,
    log: Log
  ) {
    this.#clock = clock
    this.#limits = limits
    this.#log = log
    this.#backoff = new Backoff({
      redialMs: limits.tcpAttemptMs,
      redialFactor: 2,
      redialMaxMs: limits.tcpAttemptMs,
      redialSlowMs: limits.tcpSlowMs,
      redialPatienceMs: limits.tcpPatienceMs
    })
  }

  get isUp(): boolean {
    return this.#channel !== null
  }

  /** The least round trip, ms; Infinity while it is not known. */
  get roundTrip(): number {
    return this.#channel?.roundTrip ?? Number.POSITIVE_INFINITY
  }

  /** Connects, and stays connected until {@link close}. */
  start(): void {
    if (this.#running) return
    this.#running = true
    loadWebSockets(this.address.url).then(
      open => {
        this.#open = open
        this.#attempt()
      },
      err => {
        const isProxy = codeOf(err) === 'BAD_PROXY'
        this.refusal = isProxy ? 'proxy' : 'unreachable'
        if (isProxy) this.#log.warn((err as Error).message)
        else this.#log.warn({ err }, 'relays by TCP cannot be used: a library is missing')
      }
    )
  }

  /** The network has changed: what did not work may work now. */
  retry(): void {
    this.#backoff.reset()
    if (!this.#isUnwanted) this.#attempt()
  }

  openSocket(socket: number): void {
    this.#channel?.send(frames.open(socket))
  }

  closeSocket(socket: number): void {
    this.#channel?.send(frames.close(socket))
  }

  /** @param host an IPv4 address as a number */
  sendPacket(socket: number, host: number, port: number, payload: Uint8Array): void {
    this.#channel?.sendPacket(frames.packet(socket, host, port, payload))
  }

  close(): void {
    this.#running = false
    this.#timer?.cancel()
    this.#endAttempts()
    const channel = this.#channel
    this.#channel = null
    channel?.close(CLOSE.ending)
  }

  /** One more attempt, while others hang; and the next one in a while. */
  #attempt(): void {
    if (!this.#running || this.#channel || !this.#open) return
    this.#timer?.cancel()
    if (this.#attempts.length >= this.#limits.tcpAttempts) this.#attempts.shift()!.end()
    const attempt: Attempt = new Attempt(
      this.#open,
      this.address,
      this.#session,
      this.#clock,
      this.#limits,
      this.#rate,
      {
        welcome: (channel, welcome) => this.#onWelcome(attempt, channel, welcome),
        failed: (code, err) => this.#onFailed(attempt, code, err)
      }
    )
    this.#attempts.push(attempt)
    this.#restMs = this.#nextRest()
    this.#plan(this.#restMs)
  }

  #nextRest(): number {
    const ms = this.#backoff.next(this.#clock.now())
    // The clients of a relay that was restarted should not all come at once.
    return ms > this.#limits.tcpAttemptMs ? ms * (1 - Math.random() / 2) : ms
  }

  /** Whether the relay wants another token or version, which no change of the network brings. */
  get #isUnwanted(): boolean {
    return this.refusal === 'token' || this.refusal === 'version'
  }

  #endAttempts(but?: Attempt): void {
    for (const attempt of this.#attempts.splice(0)) if (attempt !== but) attempt.end()
  }

  #plan(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#clock.after(ms, () => this.#attempt())
  }

  #onFailed(attempt: Attempt, code: number, err: Error | null): void {
    const at = this.#attempts.indexOf(attempt)
    if (at >= 0) this.#attempts.splice(at, 1)
    if (this.#channel || !this.#running) return
    this.refusal = refusalOf(code)
    this.#log.debug({ relay: this.address.url, code, err }, 'no connection to the relay by TCP')
    if (this.#isUnwanted) {
      this.#endAttempts()
      this.#plan(this.#limits.tcpRefusedMs)
    }
    // An attempt that reaches nobody burdens nobody, and the network may be back any moment.
    else if (this.refusal !== 'full') this.#backoff.reset()
  }

  #onWelcome(attempt: Attempt, channel: Channel, { kind, session, resumed }: frames.Welcome): void {
    this.#endAttempts(attempt)
    this.#timer?.cancel()
    this.#channel = channel
    this.#upAt = this.#clock.now()
    this.#session = session
    this.kind = kind
    this.refusal = null
    channel.events = {
      bound: (socket, port) => this.events.bound(socket, port),
      packet: (socket, host, port, payload) => this.events.packet(socket, host, port, payload),
      closed: code => this.#onClosed(channel, code)
    }
    this.#beat(channel)
    this.events.up(resumed)
  }

  /** Pings, and notices when nothing comes back. */
  #beat(channel: Channel): void {
    if (this.#channel !== channel) return
    const silent = this.#clock.now() - channel.lastReceived
    if (silent > this.#limits.tcpSilentMs) return channel.terminate()
    channel.ping()
    this.#timer = this.#clock.after(this.#limits.tcpPingMs, () => this.#beat(channel))
  }

  #onClosed(channel: Channel, code: number): void {
    if (this.#channel !== channel) return
    this.#channel = null
    this.#log.debug({ relay: this.address.url, code }, 'the connection to the relay by TCP is gone')
    this.events.down()
    if (!this.#running) return
    // A relay that welcomes and hangs up would be called again and again.
    const heldMs = this.#clock.now() - this.#upAt
    if (heldMs >= HELD_MS) {
      this.#backoff.reset()
      this.#restMs = 0
    }
    const rest = this.#restMs - heldMs
    if (rest > 0) this.#plan(rest)
    else this.#attempt()
  }
}

interface AttemptEvents {
  welcome(channel: Channel, welcome: frames.Welcome): void
  /** Called once, unless it was welcomed or ended. */
  failed(code: number, err: Error | null): void
}

/** One WebSocket up to WELCOME. */
class Attempt {
  readonly #ws: WebSocket
  #events: AttemptEvents | null

  constructor(
    open: OpenWebSocket,
    address: RelayAddress,
    session: Buffer | null,
    clock: Clock,
    limits: ConnectionLimits,
    rate: TokenBucket,
    events: AttemptEvents
  ) {
    this.#events = events
    this.#ws = open(address.url)
    let error: Error | null = null
    // Also while a proxy is silent, of which the WebSocket knows nothing.
    let late = clock.after(limits.tcpAttemptTimeoutMs, () => this.#ws.terminate())
    this.#ws.on('error', err => {
      error = err
    })
    this.#ws.on('close', code => {
      late.cancel()
      this.#fail(code, error)
    })
    this.#ws.on('unexpected-response', (request, { statusCode }) => {
      request.destroy()
      this.#fail(statusCode === 429 ? CLOSE.tooMany : 0, new Error(`HTTP status ${statusCode}`))
      this.#ws.terminate()
    })
    this.#ws.on('open', () => {
      late.cancel()
      late = clock.after(limits.tcpAttemptTimeoutMs, () => this.#ws.terminate())
      const channel: Channel = new Channel(
        this.#ws,
        clock,
        {
          welcome: welcome => {
            late.cancel()
            const events = this.#events
            this.#events = null
            if (events && welcome.version === VERSION) return events.welcome(channel, welcome)
            channel.terminate()
            events?.failed(CLOSE.version, null)
          },
          closed: code => {
            late.cancel()
            this.#fail(code, null)
          }
        },
        null,
        rate
      )
      channel.send(frames.hello({ lowest: VERSION, highest: VERSION, session, token: address.token }))
    })
  }

  #fail(code: number, err: Error | null): void {
    const events = this.#events
    this.#events = null
    events?.failed(code, err)
  }

  end(): void {
    this.#events = null
    this.#ws.terminate()
  }
}

function refusalOf(code: number): Refusal {
  if (code === CLOSE.token) return 'token'
  if (code === CLOSE.version) return 'version'
  return code === CLOSE.tooMany ? 'full' : 'unreachable'
}

type OpenWebSocket = (url: string) => WebSocket

/**
 * Loads what opens a WebSocket to an address, when it is first needed: most processes never do.
 * @throws HyperNatError BAD_PROXY
 */
async function loadWebSockets(url: string): Promise<OpenWebSocket> {
  const [{ default: WebSocket }, { HttpsProxyAgent }, { getProxyForUrl }] = await Promise.all([
    import('ws'),
    import('https-proxy-agent'),
    import('proxy-from-env')
  ])
  // The HTTP proxy on the way, as `HTTPS_PROXY` and `NO_PROXY` say, for `ws` too: CONNECT leads anywhere.
  const proxy = proxyUrl(process.env, withScheme(process.env, getProxyForUrl(httpsUrl(url))))
  return url => {
    const ended = new AbortController()
    // The agent keeps its connection to a silent proxy when the request is over.
    const agent = proxy && new HttpsProxyAgent(proxy, { signal: ended.signal, lookup: sharedLookup })
    const ws = new WebSocket(url, {
      ...WEBSOCKET,
      lookup: sharedLookup,
      ...(agent && { agent })
    })
    ws.on('close', () => ended.abort())
    return ws
  }
}

/** The same host and port for `https`, which has another port than `ws` if none is named. */
function httpsUrl(url: string): string {
  const { protocol, hostname, port } = new URL(url)
  return `https://${hostname}:${port || (protocol === 'ws:' ? 80 : 443)}`
}
