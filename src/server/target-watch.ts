/**
 * Knows whether the programs behind a server's port maps are running, and disturbs them as little as it can: some programs log every
 * connection, and some serve a single one.
 *
 * | target | how it is known |
 * | --- | --- |
 * | on this computer, where the system has a table of sockets (Linux) | the table is read, often while one is closed |
 * | any other of a game | probed until it answers: over TCP a connection, over UDP the query of its recipe |
 * | any other | from what the flows of guests show |
 *
 * What flows of guests show counts for all of them.
 */
import type { TargetState } from '../events.js'
import { knownGames } from '../games/games.js'
import { TARGET_WATCH } from '../limits.js'
import { isOwnHost, type Listeners, listeners } from '../programs/listeners.js'
import { lanAddresses } from '../sockets/other-address.js'
import { type ProbedTarget, probeTarget } from '../sockets/probe.js'
import { LOCALHOST } from '../text/address.js'
import type { Clock, Timer } from '../util/clock.js'
import type { SharedMap } from './shared-maps.js'

export interface TargetWatchParts {
  readonly clock: Clock
  /** The maps that are shared now. */
  readonly maps: () => readonly SharedMap[]
  /** Called when a target is found closed, and when it answers again. */
  readonly onchange: (map: SharedMap, state: 'answers' | 'closed') => void
  /** Called once for a UDP map on whose port a program listens for TCP alone, which no map shares. */
  readonly ontcp: (map: SharedMap) => void
  /** Called once for a closed target at 127.0.0.1 whose port a program has at another address of this computer. */
  readonly onelsewhere: (map: SharedMap, address: string) => void
  /** The other addresses of this computer; tests have their own. */
  readonly addresses?: () => readonly string[]
  /** Reads the system's table of sockets; tests have their own. */
  readonly listeners?: () => Promise<Listeners | null>
  /** Probes a target; tests have their own. */
  readonly probe?: (target: ProbedTarget) => Promise<TargetState>
}

export class TargetWatch {
  readonly #parts: TargetWatchParts
  /** Those that are watched. */
  #maps: readonly SharedMap[] = []
  /** By the numbers of maps. */
  readonly #states = new Map<number, TargetState>()
  /** Maps whose targets were probed, or were in the table. */
  readonly #probed = new Set<number>()
  /** Maps whose targets answer although the table does not list them, such as those behind a port of Docker's or WSL's. */
  readonly #unlisted = new Set<number>()
  /** UDP maps that were looked at for TCP. */
  readonly #asked = new Set<number>()
  /** Closed maps whose ports were found at another address. */
  readonly #elsewhere = new Set<number>()
  /** Maps of which a flow has shown something since the table was read. */
  readonly #learned = new Set<number>()
  #hasTable = false
  /** Armed by the end of each round. */
  #timer: Timer | null = null
  #round: 'idle' | 'running' | 'again' = 'idle'
  #closed = false

  constructor(parts: TargetWatchParts) {
    this.#parts = parts
  }

  of({ id }: Pick<SharedMap, 'id'>): TargetState {
    return this.#states.get(id) ?? 'unknown'
  }

  /** Looks at all targets now, and goes on watching them. Called at the start, and when maps have changed. */
  check(): void {
    const all = this.#parts.maps()
    // A long range of ports is not one game's: only its first ports are watched. Announcements need those of games.
    this.#maps = [...all.filter(map => map.lobby), ...all.filter(map => !map.lobby)].slice(
      0,
      TARGET_WATCH.maps
    )
    const ids = new Set(this.#maps.map(({ id }) => id))
    for (const known of [this.#states, this.#probed, this.#unlisted, this.#asked, this.#elsewhere])
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    void this.#look()
    void this.#lookForTcp()
  }

  /** Takes over what a guest's flow has shown. */
  learn({ id }: SharedMap, state: 'answers' | 'closed'): void {
    const before = this.of({ id })
    if (this.#closed || before === state) return
    const map = this.#find(id)
    if (!map) return
    this.#learned.add(id)
    this.#set(map, state)
    if (state === 'closed') this.#arm()
    else if (before === 'closed') void this.#checkListed(map)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #find(id: number): SharedMap | undefined {
    return this.#maps.find(map => map.id === id)
  }

  async #look(): Promise<void> {
    if (this.#closed) return
    if (this.#round !== 'idle') {
      this.#round = 'again'
      return
    }
    do {
      this.#round = 'running'
      this.#learned.clear()
      const table = await this.#listeners()
      this.#hasTable = table !== null
      await Promise.all(
        this.#maps.map(async map => {
          const state = await this.#stateOf(map, table)
          if (!this.#learned.has(map.id)) this.#set(map, state)
        })
      )
      if (table) this.#lookElsewhere(table)
    } while (this.#isAgain && !this.#closed)
    this.#round = 'idle'
    this.#arm()
  }

  /** Some games listen at the address of the LAN alone, or on IPv6. */
  #lookElsewhere(table: Listeners): void {
    const closed = this.#maps.filter(
      map => this.of(map) === 'closed' && map.host === LOCALHOST && !this.#elsewhere.has(map.id)
    )
    if (closed.length === 0 || this.#closed) return
    const addresses = this.#parts.addresses?.() ?? [...lanAddresses(), '::1']
    for (const map of closed) {
      const address = addresses.find(host => isListed({ ...map, host }, table))
      if (address === undefined) continue
      this.#elsewhere.add(map.id)
      this.#parts.onelsewhere(map, address)
    }
  }

  get #isAgain(): boolean {
    return this.#round === 'again'
  }

  async #stateOf(map: SharedMap, table: Listeners | null): Promise<TargetState> {
    const before = this.of(map)
    const isFirst = !this.#probed.has(map.id)
    if (table && this.#isListable(map)) {
      if (isListed(map, table)) {
        this.#probed.add(map.id)
        return 'answers'
      }
      // A closed port of this computer says so, and no program notices.
      if (!isFirst || (await this.#probe(map)) !== 'answers') return 'closed'
      this.#unlisted.add(map.id)
      return 'answers'
    }
    const isDue = before === 'closed' || (before === 'unknown' && isFirst)
    return isDue && isGame(map) ? this.#probe(map) : before
  }

  /** Whether the table shows whether the target is there. */
  #isListable({ id, host }: SharedMap): boolean {
    return this.#hasTable && !this.#unlisted.has(id) && isOwnHost(host)
  }

  /** A guest has reached a target that was closed: was it started, or does the table not show it? */
  async #checkListed(map: SharedMap): Promise<void> {
    if (!this.#isListable(map)) return
    const table = await this.#listeners()
    if (table && this.#find(map.id) && !isListed(map, table)) this.#unlisted.add(map.id)
  }

  #listeners(): Promise<Listeners | null> {
    return (this.#parts.listeners ?? listeners)()
  }

  #probe(map: SharedMap): Promise<TargetState> {
    this.#probed.add(map.id)
    return this.#ask({ ...map, query: queryOf(map) })
  }

  #ask(target: ProbedTarget): Promise<TargetState> {
    return this.#parts.probe?.(target) ?? probeTarget(target, TARGET_WATCH.probeMs)
  }

  /** A port that is shared over UDP by mistake: UDP is the default, and most programs need TCP. */
  async #lookForTcp(): Promise<void> {
    const maps = this.#maps
    for (const map of maps) {
      const { proto, host, port, id } = map
      if (proto !== 'udp' || this.#asked.has(id)) continue
      this.#asked.add(id)
      if (isGame(map)) continue
      if (maps.some(other => other.proto !== 'udp' && other.host === host && other.port === port)) continue
      if ((await this.#isTcpOnly(map)) && !this.#closed) this.#parts.ontcp(map)
    }
  }

  async #isTcpOnly({ host, port }: SharedMap): Promise<boolean> {
    const table = isOwnHost(host) ? await this.#listeners() : null
    if (table) return table('tcp', host, port) && !table('udp', host, port)
    return (await this.#ask({ proto: 'tcp', host, port })) === 'answers'
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#closed || this.#round !== 'idle') return
    const watched = this.#maps.filter(
      map => this.#isListable(map) || (this.of(map) === 'closed' && isGame(map))
    )
    if (watched.length === 0) return
    const isClosed = watched.some(map => this.of(map) === 'closed')
    const ms = isClosed ? TARGET_WATCH.closedMs : TARGET_WATCH.answeringMs
    this.#timer = this.#parts.clock.after(ms, () => void this.#look())
  }

  #set({ id }: SharedMap, state: TargetState): void {
    const map = this.#find(id)
    const before = this.of({ id })
    // It may have gone meanwhile; and a probe without an answer does not contradict what is known.
    if (this.#closed || !map || state === before || state === 'unknown') return
    this.#states.set(id, state)
    if (state === 'answers') this.#elsewhere.delete(id)
    if (state === 'closed' || before === 'closed') this.#parts.onchange(map, state)
  }
}

function isListed({ proto, host, port }: SharedMap, table: Listeners): boolean {
  return table(proto === 'udp' ? 'udp' : 'tcp', host, port)
}

/** Whether the owner says which game it is: its server may be asked whether it is there. */
function isGame({ lobby, name }: SharedMap): boolean {
  return lobby !== undefined || (name !== undefined && knownGames().ofMap(name) !== undefined)
}

/** A datagram that asks a game whether it is there, from its recipe. */
function queryOf({ lobby }: SharedMap): Uint8Array | undefined {
  const { discovery } = lobby ?? {}
  const start = discovery?.how === 'client-queries' ? discovery.starts?.[0] : undefined
  return start === undefined ? undefined : Buffer.from(start, 'latin1')
}
