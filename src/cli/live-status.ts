/** One line at the foot of a terminal that says how it stands now, while events scroll by above it. */
import type {
  ClientMapInfo,
  DaemonEvent,
  MapChange,
  PathKind,
  ServerMapInfo,
  ServiceEvent
} from '../events.js'
import { shortKey } from '../identity/encoding.js'
import { quoteName } from '../text/quote.js'
import type { Clock, Timer } from '../util/clock.js'
import type { CliContext } from './context.js'
import { counted } from './counted.js'

/** How long a guest is said to be connecting: what takes longer has failed. */
const CONNECTING_MS = 15_000

/** Guests that are named. */
const NAMED = 3

interface Guest {
  readonly name: string
  /** The one that was heard of last. */
  readonly path: PathKind
  /** One invite may be for several devices. */
  readonly sessions: number
}

type Announced = 'announced' | 'offline'

/** How it stands, from the events of a daemon. */
export class LiveStatus {
  readonly #servers = new Map<string, Announced>()
  /** Sessions of servers here. */
  readonly #guests = new Map<string, Guest>()
  /** Servers that are joined here, with the paths to their hosts. */
  readonly #clients = new Map<string, Map<string, PathKind>>()
  /** Ports that are shared, and behind which no program runs: `tcp 25565`. */
  readonly #idle = new Set<string>()
  /** Who has begun to connect, and when, the earliest first. */
  readonly #connecting = new Map<string, number>()
  /** The port maps of each server and each client, by its key. */
  readonly #maps = new Map<string, ReadonlySet<string>>()

  constructor(readonly clock: Pick<Clock, 'now'>) {}

  note(event: DaemonEvent | ServiceEvent): void {
    switch (event.event) {
      case 'ready':
        if ('maps' in event)
          this.#maps.set(`${event.mode} ${event.publicKey}`, new Set(event.maps.map(placeOf)))
        if (event.mode === 'client') this.#clients.set(event.publicKey, this.#hostsOf(event.publicKey))
        else if (event.mode === 'server' && !this.#servers.has(event.publicKey))
          this.#servers.set(event.publicKey, 'announced')
        break
      case 'warning':
        if (event.code === 'DHT_UNREACHABLE' && event.publicKey) this.#servers.set(event.publicKey, 'offline')
        break
      case 'announced':
        this.#servers.set(event.publicKey, 'announced')
        break
      case 'connecting':
        // Again at the end.
        this.#connecting.delete(event.peer)
        this.#connecting.set(event.peer, this.clock.now())
        break
      case 'connected': {
        const { publicKey, peer, name, host, path, was } = event
        this.#connecting.delete(peer)
        if (peer === publicKey) this.#hostsOf(publicKey).set(host, path)
        else {
          const label = name === undefined ? shortKey(peer) : quoteName(name)
          const { sessions = 0 } = this.#guests.get(`${publicKey} ${peer}`) ?? {}
          const more = was === undefined || sessions === 0 ? 1 : 0
          this.#guests.set(`${publicKey} ${peer}`, { name: label, path, sessions: sessions + more })
        }
        break
      }
      case 'disconnected':
        if (event.peer === event.publicKey) this.#hostsOf(event.publicKey).delete(event.host)
        else this.#left(`${event.publicKey} ${event.peer}`)
        break
      case 'target':
        if (event.state === 'closed') this.#idle.add(`${event.proto} ${event.port}`)
        else this.#idle.delete(`${event.proto} ${event.port}`)
        break
      case 'reloaded':
        for (const { mode, proto, port } of event.removed)
          if (mode === 'server') this.#idle.delete(`${proto} ${port}`)
        this.#forget(event.removed)
    }
  }

  #left(guest: string): void {
    const left = this.#guests.get(guest)
    if (left && left.sessions > 1) this.#guests.set(guest, { ...left, sessions: left.sessions - 1 })
    else this.#guests.delete(guest)
  }

  /** Servers and clients of which nothing is left; what goes on has said `ready` with what it has now. */
  #forget(removed: readonly MapChange[]): void {
    const gone = new Set(removed.map(map => `${map.mode} ${map.publicKey} ${placeOf(map)}`))
    for (const { mode, publicKey } of removed) {
      const key = `${mode} ${publicKey}`
      const all = [...(this.#maps.get(key) ?? [])]
      if (all.some(place => !gone.has(`${key} ${place}`))) continue
      this.#maps.delete(key)
      if (mode === 'server') this.#servers.delete(publicKey)
      else this.#clients.delete(publicKey)
    }
  }

  /** How long until somebody is not said to be connecting any more, ms; undefined if nobody is. */
  get connectingFor(): number | undefined {
    const oldest = this.clock.now() - CONNECTING_MS
    for (const [peer, at] of this.#connecting) {
      if (at > oldest) return at - oldest
      this.#connecting.delete(peer)
    }
    return undefined
  }

  /** In one line, without its end. */
  get text(): string {
    const parts = [...this.#server(), ...this.#client()]
    return parts.length > 0 ? parts.join('; ') : 'Connecting to the network ...'
  }

  #server(): string[] {
    if (this.#servers.size === 0) return []
    const offline = [...this.#servers.values()].includes('offline')
    const guests = [...this.#guests.values()]
    const names = guests.slice(0, NAMED).map(({ name, path }) => `${name} (${path})`)
    const more = guests.length > NAMED ? ', ...' : ''
    const here =
      guests.length > 0
        ? `${counted(guests.length, 'guest')}: ${names.join(', ')}${more}`
        : 'waiting for guests'
    return [
      offline ? 'No connection to the network yet, trying again' : `Announced, ${here}`,
      ...(this.#idle.size > 0 ? [`nothing runs on ${[...this.#idle].slice(0, NAMED).join(', ')}`] : []),
      ...(this.connectingFor !== undefined ? ['a guest is connecting ...'] : [])
    ]
  }

  #client(): string[] {
    return [...this.#clients].map(([publicKey, hosts]) => {
      const paths = [...new Set(hosts.values())]
      return paths.length > 0
        ? `Connected to ${shortKey(publicKey)} (${paths.join(', ')})`
        : `Connecting to ${shortKey(publicKey)}`
    })
  }

  #hostsOf(publicKey: string): Map<string, PathKind> {
    let hosts = this.#clients.get(publicKey)
    if (!hosts) this.#clients.set(publicKey, (hosts = new Map()))
    return hosts
  }
}

/** What makes a port map of a server or client one of its own. */
function placeOf(map: ServerMapInfo | ClientMapInfo): string {
  const { proto, port } = map
  return 'localHost' in map
    ? `${proto} ${port} ${map.localHost} ${map.localPort}`
    : `${proto} ${port} ${map.host}`
}

/** No character before this one takes more than a column. */
const FIRST_WIDE = '\u1100'

/** As much of a text as fits into so many columns. */
function fitting(text: string, columns: number): string {
  let left = columns
  let end = 0
  for (const char of text) {
    // From there on many take two columns. Where one takes less, the line only ends early.
    left -= char < FIRST_WIDE ? 1 : 2
    if (left < 0) break
    end += char.length
  }
  return text.slice(0, end)
}

type Streams = Pick<CliContext, 'stdout' | 'stderr'>

/** To the start of the line, and erases it (ECMA-48). */
const CLEAR = '\r\u001b[K'

/** Keeps the line below what else is written. */
export class LiveLine {
  readonly #streams: Streams
  readonly #columns: () => number
  readonly #clock: Clock
  readonly #status: LiveStatus
  #timer: Timer | null = null
  #shown = ''
  #closed = false

  /** @param columns of the terminal, which may change */
  constructor(streams: Streams, columns: () => number, clock: Clock) {
    this.#streams = streams
    this.#columns = columns
    this.#clock = clock
    this.#status = new LiveStatus(clock)
  }

  /** What others write with, so that the line makes way. */
  readonly streams: Streams = {
    stdout: text => this.#above(() => this.#streams.stdout(text)),
    stderr: text => this.#above(() => this.#streams.stderr(text))
  }

  /** Shows how it stands after an event. */
  note(event: DaemonEvent | ServiceEvent): void {
    this.#status.note(event)
    this.#refresh()
  }

  /** Shows how it stands now, and again when somebody has been connecting for too long. */
  #refresh(): void {
    this.show()
    this.#timer?.cancel()
    const ms = this.#status.connectingFor
    this.#timer = ms === undefined ? null : this.#clock.after(ms, () => this.#refresh())
  }

  show(): void {
    // The last column would wrap some terminals.
    const text = this.#closed ? '' : fitting(this.#status.text, this.#columns() - 1)
    if (text === this.#shown) return
    this.#streams.stdout(CLEAR + text)
    this.#shown = text
  }

  /** Takes it away. */
  close(): void {
    this.#timer?.cancel()
    this.#closed = true
    this.show()
  }

  #above(write: () => void): void {
    if (this.#shown === '') return write()
    this.#streams.stdout(CLEAR)
    write()
    this.#streams.stdout(this.#shown)
  }
}
