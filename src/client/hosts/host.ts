/**
 * One host: a server process, of perhaps several that run under one secret, as its client sees it. It is known by its key,
 * and is FOUND until a server there has proved that it holds the key; then it has one session at a time.
 *
 *              a stranger                   close
 *     FOUND ---------------> (forgotten) <----------- UP <------------------+
 *       |                                             | ^                   |
 *       |     WELCOME       connection gone, silent   | | WELCOME: resumed  | WELCOME
 *       +------------> UP                             v |                   |
 *                                                   WAITING ------------> AWAY: dialled now and then, at last forgotten
 *                                     its time is over, it was started again,
 *                                     it lets us in no longer
 */
import b4a from 'b4a'
import type { ErrorCode } from '../../errors.js'
import type { ConnectionInfo, DaemonEvent, PathKind, SharedMapInfo } from '../../events.js'
import type { RateLimiter } from '../../flows/rate-limiter.js'
import { encodeKey, shortKey } from '../../identity/encoding.js'
import { nameOfHost } from '../../identity/host-name.js'
import { ClientSession } from '../../session/client-session.js'
import type { Resources } from '../../sockets/resources.js'
import { mapsText } from '../../text/ports.js'
import { cut } from '../../text/quote.js'
import type { Activity } from '../../util/activity.js'
import type { Trace } from '../../util/trace.js'
import { featuresOf } from '../../wire/constants.js'
import type { WireMap } from '../../wire/handshake.js'
import { Dialler, type DiallerDeps, type DiallerEvents, type PathLink, type Welcomed } from './dialler.js'
import { answers, type HostHealth } from './host-health.js'
import { SecondPath } from './second-path.js'

/** Characters of a list of ports in a warning. */
const SHARED_TEXT_MAX = 200

/** The port maps that a client wants, each at its index; null where a map was removed. */
export type WantedMaps = readonly (SharedMapInfo | null)[]

/** What a host needs. */
export interface HostDeps extends DiallerDeps {
  /** Whether a game is played in any session of the node. */
  readonly games: Activity
  readonly trace?: Trace | undefined
  /** Milliseconds since 1970, which a user may set back. */
  readonly timeOfDay: () => number
  /** Memory and descriptors of this process. */
  readonly resources: Resources
  /** Holds the hosts to their rates. */
  readonly rateLimiter: RateLimiter
  /** Hears what a session has carried, at its end. */
  readonly tally: (session: ClientSession) => void
  readonly emit: (event: DaemonEvent) => void
}

/** The events of a host. */
export interface HostEvents {
  /** A session begins or goes on; this was not reported yet. */
  taken(host: Host): void
  /** A connection carries the session. */
  up(host: Host): void
  /** The connection is gone; the session waits for another. */
  lost(host: Host): void
  /** Nothing was received for `ms`, though we pinged. */
  silent(host: Host, ms: number): void
  /** The session is over; `wasUp` unless its connection was gone before. */
  ended(host: Host, code: ErrorCode, reason: string, wasUp: boolean): void
  /** A session with it is over, whichever side has ended it. */
  over(host: Host, session: Uint8Array): void
  /** It shares other port maps now. */
  shares(host: Host): void
  /** A UDP payload came, for the host's number of a map. The view is valid during the call only. */
  udp(host: Host, flow: number, payload: Uint8Array, map: number): void
}

export class Host implements HostHealth {
  /** The key that it listens on, and nobody else can. */
  readonly key: Uint8Array
  readonly dialler: Dialler
  session: ClientSession | null = null
  /** When the session began, milliseconds since 1970. */
  since = 0
  /** When to dial it, ms; never while it answers. */
  dialAt: number
  /** When it was up last, ms; while it never was, when the topic named it last. */
  seenAt: number
  /** When its process was started, ms, by our clock; minus infinity when it did not say. */
  startedAt = Number.NEGATIVE_INFINITY
  /** The key by which it was reached last: its own, or the one that all hosts share. */
  dialled: Uint8Array
  readonly #deps: HostDeps
  readonly #events: HostEvents
  #wanted: WantedMaps
  /** The host's numbers for the port maps that are wanted, in their order. */
  #mapIds: (number | null)[]
  #name = ''
  #shared: readonly WireMap[] = []
  /** Maps that were reported as not shared, by protocol and port: each once per session, however often the host changes what it shares. */
  readonly #missed = new Set<string>()
  #link: PathLink | null = null
  readonly #secondPath: SecondPath
  #wait = 0
  /** When its connection came up, or the first of those that replaced each other without a gap, ms. */
  #upAt = Number.NEGATIVE_INFINITY

  constructor(
    deps: HostDeps,
    key: Uint8Array,
    wanted: WantedMaps,
    events: HostEvents,
    diallerEvents: (host: Host) => DiallerEvents
  ) {
    this.#deps = deps
    this.key = b4a.from(key)
    this.dialled = this.key
    this.#events = events
    this.#wanted = wanted
    this.#mapIds = wanted.map(() => null)
    this.seenAt = deps.clock.now()
    this.dialAt = this.seenAt
    this.dialler = new Dialler(deps, this.key, diallerEvents(this))
    this.#secondPath = new SecondPath(deps, this.key, link => this.#onSecondLink(link))
  }

  /** Whether it has proved to be a host. */
  get proven(): boolean {
    return this.#name !== ''
  }

  /** What events call it. */
  get name(): string {
    return this.#name
  }

  get connected(): boolean {
    return this.session?.state === 'up'
  }

  /** What it said last that it shares. */
  get shared(): SharedMapInfo[] {
    return this.#shared.map(({ proto, port }) => ({ proto, port }))
  }

  get lastReceived(): number {
    return this.session?.lastReceived ?? Number.NEGATIVE_INFINITY
  }

  get receivedAt(): number {
    return this.session?.receivedAt ?? Number.NEGATIVE_INFINITY
  }

  get rtt(): number | null {
    return this.session?.quality.rtt ?? null
  }

  /** How packets travel to it; null while there is no connection. */
  get path(): PathKind | null {
    return this.connected && this.#link ? this.#link.path : null
  }

  /** Of the addresses that packets have on their way to it. */
  get family(): PathLink['family'] {
    return this.connected ? this.#link?.family : undefined
  }

  /** What a connection to it is like; null while there is none. */
  get connection(): ConnectionInfo | null {
    if (!this.connected || !this.session || !this.#link) return null
    return {
      host: this.#name,
      path: this.#link.path,
      quality: this.session.quality,
      shared: this.shared
    }
  }

  get answers(): boolean {
    return answers(this, this.#deps.clock.now(), this.#deps.limits)
  }

  /** The host's number on this session for one of the port maps that are wanted; null when it does not share it. */
  mapId(wanted: number): number | null {
    return this.#mapIds[wanted] ?? null
  }

  /**
   * Whether its connection has held, or held before it was lost, for some seconds. One that dies young, again and again, is dialled no more
   * often than one that never comes up.
   */
  get held(): boolean {
    const { clock, limits } = this.#deps
    return (this.connected ? clock.now() : this.seenAt) - this.#upAt >= limits.silentMs
  }

  /** Its connection, which was up, is gone or given up. */
  #down(code: string): void {
    this.seenAt = this.#deps.clock.now()
    if (this.held) this.#wait = 0
    this.#deps.emit({ event: 'disconnected', ...this.#who, code })
  }

  /** Whether a dial has failed since it was found, or was up. */
  get tried(): boolean {
    return this.#wait > 0
  }

  /** How long to wait before the next dial, ms: longer each time. */
  nextWait(): number {
    const { hostRetryMs, hostRetryMaxMs, redialMaxMs, redialSlowMs } = this.#deps.limits
    const max = this.session ? redialMaxMs : this.proven ? redialSlowMs : hostRetryMaxMs
    this.#wait = Math.min(this.#wait * 2 || hostRetryMs, max)
    return this.#wait
  }

  /** A second connection has opened: the session goes on over it. */
  #onSecondLink(link: PathLink): void {
    // What was asked for in the meantime goes first.
    if (!this.connected) return link.destroy()
    this.dialler.greet(link, () => this.#secondPath.failed())
  }

  /** A welcome to this host: its session goes on, or a new one begins. */
  take({ key, link, welcome, sendKey }: Welcomed): void {
    const before = this.connected ? this.#link : null
    const was = before?.path
    const now = this.#deps.clock.now()
    if (!this.proven && welcome.uptime !== undefined) this.startedAt = now - welcome.uptime
    this.#name = nameOfHost(welcome.host)
    this.dialled = key
    if (!before) this.#upAt = now
    this.dialAt = Number.POSITIVE_INFINITY
    if (!welcome.resumed) {
      this.giveUp('SESSION_EXPIRED')
      this.session = this.#newSession(b4a.from(welcome.session))
      this.since = this.#deps.timeOfDay()
    }
    const session = this.session!
    if (!welcome.resumed) this.#missed.clear()
    this.#learnMaps(welcome.maps)
    this.#link = link
    const receiveKey = b4a.from(welcome.datagramKey)
    session.attach({
      link,
      sendKey,
      receiveKey,
      features: welcome.features,
      resumed: welcome.resumed
    })
    if (this.session !== session || session.state !== 'up') return
    link.onpath = was => {
      if (this.session?.link !== link) return
      this.#emitConnected(link, was)
      this.#secondPath.pathChanged()
    }
    this.#secondPath.begin({ session, link, sendKey, receiveKey })
    this.#events.taken(this)
    // The same session over another connection is the same to those who use it.
    this.#emitConnected(link, welcome.resumed && link.family === 'IPv6' ? was : undefined)
    this.#events.up(this)
  }

  /** Nothing comes any more on its connection. */
  suspect(): void {
    if (this.session?.link === this.#link) this.#link?.suspect()
  }

  /** Ends the session, if there is one: its flows are reset at once. */
  giveUp(code: ErrorCode): void {
    const { session } = this
    if (!session) return
    this.session = null
    this.#secondPath.end()
    // Its connection may not have been missed yet.
    if (session.state === 'up') this.#down(code)
    session.close(code === 'CONNECTION_LOST' ? 'SESSION_EXPIRED' : code)
  }

  /** Closes the session. */
  close(): void {
    this.dialler.close()
    this.#secondPath.end()
    const { session } = this
    this.session = null
    session?.close('GOODBYE', 'The client was stopped.')
  }

  #newSession(id: Uint8Array): ClientSession {
    const { clock, limits, games, trace, publicKey, resources, rateLimiter } = this.#deps
    // All hosts of a secret are one peer. Its sessions are not ended for want of room: they are the user's own.
    const usage = resources.enter(`server ${b4a.toString(publicKey, 'hex')}`, shortKey(publicKey))
    const session: ClientSession = new ClientSession(
      id,
      {
        clock,
        limits,
        games,
        trace,
        defer: fn => setImmediate(fn),
        chance: Math.random,
        budgets: usage,
        rateLimiter,
        features: featuresOf(Boolean(this.#deps.node.ipv6))
      },
      {
        up: () => {},
        lost: code => {
          this.#secondPath.lost()
          this.#down(code)
          this.#events.lost(this)
        },
        ended: (code, reason, wasUp) => {
          this.#deps.tally(session)
          this.#events.over(this, session.id)
          usage.leave()
          if (this.session !== session) return
          this.session = null
          this.#secondPath.end()
          if (wasUp) this.#down(code)
          this.#events.ended(this, code, reason, wasUp)
        },
        silent: ms => this.#events.silent(this, ms),
        addresses: addresses => this.#secondPath.onAddresses(addresses),
        udp: (map, flow, payload) => this.#events.udp(this, flow, payload, map),
        maps: maps => {
          this.#learnMaps(maps)
          this.#events.shares(this)
        }
      }
    )
    return session
  }

  /** The client wants other port maps now. */
  setMaps(wanted: WantedMaps): void {
    this.#wanted = wanted
    if (this.session) this.#learnMaps(this.#shared)
  }

  /** Learns the host's numbers for the maps that are wanted, and says which it does not share. */
  #learnMaps(shared: readonly WireMap[]): void {
    this.#shared = shared
    this.#mapIds = this.#wanted.map(wanted => {
      const found = wanted && shared.find(({ proto, port }) => proto === wanted.proto && port === wanted.port)
      if (!found && wanted) this.#warnMissing(wanted)
      return found?.id ?? null
    })
    const ids = new Set(this.#mapIds)
    this.session?.traffic.learn(shared.filter(({ id }) => ids.has(id)))
  }

  #warnMissing(map: SharedMapInfo): void {
    if (this.#missed.has(mapKey(map))) return
    this.#missed.add(mapKey(map))
    const { proto, port } = map
    const shared = cut(mapsText(this.#shared) || 'nothing', SHARED_TEXT_MAX)
    this.#deps.emit({
      event: 'warning',
      code: 'MAP_NOT_SHARED',
      message: `The server does not share ${proto} ${port}; it shares ${shared}. Ask the host, or correct the port.`
    })
  }

  #emitConnected({ path, family }: PathLink, was?: PathKind): void {
    const more = { ...(was && { was }), ...(family === 'IPv6' && { family }) }
    this.#deps.emit({ event: 'connected', ...this.#who, path, ...more })
  }

  get #who() {
    const publicKey = encodeKey(this.#deps.publicKey)
    return { publicKey, peer: publicKey, host: this.#name }
  }
}

function mapKey({ proto, port }: SharedMapInfo): string {
  return `${proto} ${port}`
}
