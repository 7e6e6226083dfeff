/**
 * A host's side of games whose servers announce themselves: receives the announcement of a shared game and forwards it to the guests.
 * For a server that sends none, it makes one, if the recipe has a template.
 */

import type { Announces } from '../games/discovery.js'
import type { Lobby } from '../games/lobby.js'
import type { Limits } from '../limits.js'
import type { Proto } from '../proto.js'
import { isIPv4Loopback } from '../text/address.js'
import type { Timer } from '../util/clock.js'
import { type GameListenerDeps, gameListener, type OpenLanListener } from './lan-listener.js'
import { announcedPort, announcementOf } from './port-field.js'

/** A shared map, as far as this matters. */
export interface AnnouncedMap {
  readonly id: number
  readonly proto: Proto
  readonly port: number
  readonly host: string
  readonly lobby?: Lobby | undefined
}

export interface AnnouncerParts extends GameListenerDeps {
  readonly maps: readonly AnnouncedMap[]
  readonly limits: Pick<Limits, 'announceMinMs' | 'announceFreshMs' | 'gamesElsewhere' | 'lanLookMs'>
  /** Whether there are guests. */
  readonly isHeard: () => boolean
  /** Sends an announcement to the guests. */
  readonly announce: (map: number, payload: Uint8Array) => void
  /** Whether the program behind a map runs. */
  readonly answers: (map: AnnouncedMap) => boolean
  /** Whether a server of this node shares the port, this one or another. */
  readonly isShared: (port: number) => boolean
}

/** A map whose game announces. */
interface Row {
  readonly map: AnnouncedMap
  readonly lobby: Lobby
  readonly discovery: Announces
  /** When an announcement was last sent to guests, and when the game itself last announced, ms. */
  sentAt: number
  receivedAt: number
}

export class Announcer {
  readonly #parts: AnnouncerParts
  readonly #rows: readonly Row[]
  readonly #listeners: OpenLanListener[] = []
  readonly #timers = new Map<Row, Timer>()
  /** Games and ports that are announced and not shared: each is reported once. */
  readonly #elsewhere = new Set<string>()
  #closed = false

  constructor(parts: AnnouncerParts) {
    this.#parts = parts
    const never = Number.NEGATIVE_INFINITY
    this.#rows = parts.maps.flatMap(map => {
      const { lobby } = map
      if (lobby?.discovery.how !== 'server-announces') return []
      const times = { sentAt: never, receivedAt: never }
      return [{ map, lobby, discovery: lobby.discovery, ...times }]
    })
  }

  /** Begins to listen, if there is a game that announces. */
  async start(): Promise<void> {
    if (this.#closed) return
    const games = new Map(this.#rows.map(row => [row.lobby.game, row]))
    for (const [game, { discovery, lobby }] of games) {
      const { port, group } = discovery
      const one = gameListener(
        this.#parts,
        {
          port,
          group,
          others: this.#rows.flatMap(({ map }) => (isIPv4Loopback(map.host) ? [] : [map.host])),
          onmessage: (payload, from) => this.#onAnnouncement(game, discovery, payload, from)
        },
        code =>
          `The announcements of ${lobby.title} do not arrive yet, as another program has UDP port ${port} (${code}): friends join by address until it is closed.`
      )
      this.#listeners.push(one)
    }
    await Promise.all(this.#listeners.map(one => one.open()))
    if (this.#closed) return
    // A game that announces itself does so before.
    for (const row of this.#rows) if (row.discovery.template !== undefined) this.#makeUpSoon(row)
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const timer of this.#timers.values()) timer.cancel()
    await Promise.all(this.#listeners.map(one => one.close()))
  }

  #onAnnouncement(
    game: string,
    discovery: Announces,
    payload: Uint8Array,
    from: { address: string; port: number }
  ): void {
    const port = announcedPort(discovery, payload, from.port)
    if (port === null) return
    const row = this.#rows.find(({ lobby, map }) => lobby.game === game && map.port === port)
    if (!row) return this.#onElsewhere(game, port, from.address)
    row.receivedAt = this.#parts.clock.now()
    this.#tell(row, payload)
  }

  /** The game is open on a port that nobody shares: most likely the one that should be. */
  #onElsewhere(game: string, port: number, address: string): void {
    // On loopback it is one that a guest of another server receives here.
    if (isIPv4Loopback(address) || this.#parts.isShared(port) || this.#elsewhere.has(`${game} ${port}`))
      return
    if (this.#elsewhere.size >= this.#parts.limits.gamesElsewhere) return
    this.#elsewhere.add(`${game} ${port}`)
    const rows = this.#rows.filter(({ lobby }) => lobby.game === game)
    const { title } = rows[0]!.lobby
    const shared = rows.map(({ map }) => map.port)
    this.#parts.emit({
      event: 'warning',
      code: 'GAME_ELSEWHERE',
      port,
      maps: rows.map(({ map: { proto, port, host } }) => ({ proto, port, host })),
      message: `${title} is open on port ${port}, but port ${shared.join(', ')} is shared: open it there, or start again with: hyper-nat host ${game} --port ${port}`
    })
  }

  #tell(row: Row, payload: Uint8Array): void {
    const { clock, limits, announce } = this.#parts
    const now = clock.now()
    if (now - row.sentAt < limits.announceMinMs) return
    row.sentAt = now
    announce(row.map.id, payload)
  }

  /** Sends what the game would announce, while its server answers and announces nothing. */
  #makeUp(row: Row): void {
    const { clock, limits, answers, isHeard } = this.#parts
    const { map, lobby, discovery } = row
    const isSilent = clock.now() - row.receivedAt >= limits.announceFreshMs
    if (isHeard() && isSilent && answers(map))
      this.#tell(row, announcementOf(discovery.template!, lobby.title, map.port))
    this.#makeUpSoon(row)
  }

  #makeUpSoon(row: Row): void {
    const timer = this.#parts.clock.after(row.discovery.everyMs, () => this.#makeUp(row))
    this.#timers.set(row, timer)
  }
}
