/** One line at the foot of a terminal that says how it stands now, while events scroll by above it. */
import type { DaemonEvent, PathKind, ServiceEvent } from '../events.js'
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
  path: PathKind
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
  /** Who has begun to connect. */
  readonly #connecting = new Set<string>()

  note(event: DaemonEvent | ServiceEvent): void {
    switch (event.event) {
      case 'ready':
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
        this.#connecting.add(event.peer)
        break
      case 'connected': {
        const { publicKey, peer, name, host, path } = event
        this.#connecting.delete(peer)
        if (peer === publicKey) this.#hostsOf(publicKey).set(host, path)
        else {
          const label = name === undefined ? shortKey(peer) : quoteName(name)
          this.#guests.set(`${publicKey} ${peer}`, { name: label, path })
        }
        break
      }
      case 'disconnected':
        if (event.peer === event.publicKey) this.#hostsOf(event.publicKey).delete(event.host)
        else this.#guests.delete(`${event.publicKey} ${event.peer}`)
        break
      case 'target':
        if (event.state === 'closed') this.#idle.add(`${event.proto} ${event.port}`)
        else this.#idle.delete(`${event.proto} ${event.port}`)
        break
      case 'reloaded':
        for (const { publicKey, mode, proto, port } of event.removed) {
          if (mode === 'server') this.#idle.delete(`${proto} ${port}`)
          const others = event.added.some(one => one.publicKey === publicKey)
          if (!others && mode === 'server') this.#servers.delete(publicKey)
        }
    }
  }

  /** Nobody is connecting any more, as far as can be told. */
  settle(): void {
    this.#connecting.clear()
  }

  get isConnecting(): boolean {
    return this.#connecting.size > 0
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
      ...(this.isConnecting ? ['a guest is connecting ...'] : [])
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

type Streams = Pick<CliContext, 'stdout' | 'stderr'>

/** To the start of the line, and erases it (ECMA-48). */
const CLEAR = '\r\u001b[K'

/** Keeps the line below what else is written. */
export class LiveLine {
  readonly #streams: Streams
  readonly #columns: () => number
  readonly #clock: Clock
  readonly #status = new LiveStatus()
  #timer: Timer | null = null
  #shown = ''
  #closed = false

  /** @param columns of the terminal, which may change */
  constructor(streams: Streams, columns: () => number, clock: Clock) {
    this.#streams = streams
    this.#columns = columns
    this.#clock = clock
  }

  /** What others write with, so that the line makes way. */
  readonly streams: Streams = {
    stdout: text => this.#above(() => this.#streams.stdout(text)),
    stderr: text => this.#above(() => this.#streams.stderr(text))
  }

  /** Shows how it stands after an event. */
  note(event: DaemonEvent | ServiceEvent): void {
    this.#status.note(event)
    this.#timer?.cancel()
    this.#timer = this.#status.isConnecting ? this.#clock.after(CONNECTING_MS, () => this.#settle()) : null
    this.show()
  }

  show(): void {
    // The last column would wrap some terminals.
    const text = this.#closed ? '' : this.#status.text.slice(0, Math.max(0, this.#columns() - 1))
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

  #settle(): void {
    this.#status.settle()
    this.show()
  }

  #above(write: () => void): void {
    if (this.#shown === '') return write()
    this.#streams.stdout(CLEAR)
    write()
    this.#streams.stdout(this.#shown)
  }
}
