/**
 * Knows whether the programs behind a server's port maps are running. It probes them: often while one is closed, so that it is
 * soon known when the game starts, and rarely once it answers. A TCP probe is a connection that is closed at once, which some
 * programs log or count as a failure; so targets on other computers are probed only until they answer, and after that, failed
 * connections of guests tell.
 */
import type { TargetState } from '../events.js'
import { TARGET_WATCH } from '../limits.js'
import { type ProbedTarget, probeTarget } from '../sockets/probe.js'
import { isIPv4Loopback } from '../text/address.js'
import type { Clock, Timer } from '../util/clock.js'
import type { SharedMap } from './shared-maps.js'

export interface TargetWatchParts {
  readonly clock: Clock
  /** The maps that are shared now. */
  readonly maps: () => readonly SharedMap[]
  /** Called when a target is found closed, and when it answers again. */
  readonly onchange: (map: SharedMap, state: 'answers' | 'closed') => void
  /** Called once for a UDP map on whose port a program listens for TCP, which no map shares. */
  readonly ontcp: (map: SharedMap) => void
  /** Probes a target; tests have their own. */
  readonly probe?: (target: ProbedTarget) => Promise<TargetState>
}

export class TargetWatch {
  readonly #parts: TargetWatchParts
  /** By the numbers of maps. */
  readonly #states = new Map<number, TargetState>()
  /** UDP maps that were looked at for TCP. */
  readonly #asked = new Set<number>()
  /** Armed by the end of each round of probes. */
  #timer: Timer | null = null
  #probing = false
  #closed = false

  constructor(parts: TargetWatchParts) {
    this.#parts = parts
  }

  of(map: SharedMap): TargetState {
    return this.#states.get(map.id) ?? 'unknown'
  }

  /** Probes all targets now, and goes on watching them. Called at the start, and when maps have changed. */
  check(): void {
    const maps = this.#watched()
    for (const id of this.#states.keys()) if (!maps.some(map => map.id === id)) this.#states.delete(id)
    void this.#round(maps)
    void this.#lookForTcp(maps)
  }

  /** Takes over what a guest's connection has shown. */
  learn(map: SharedMap, state: 'answers' | 'closed'): void {
    if (this.#closed || !this.#watched().some(({ id }) => id === map.id)) return
    this.#set(map, state)
    if (state === 'closed') this.#arm()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** A long range of ports is not one game's: only its first ports are watched. */
  #watched(): readonly SharedMap[] {
    return this.#parts.maps().slice(0, TARGET_WATCH.maps)
  }

  async #round(maps: readonly SharedMap[]): Promise<void> {
    if (this.#closed || this.#probing) return
    this.#probing = true
    await Promise.all(
      maps.map(async map => {
        const state = await this.#probe({ ...map, query: queryOf(map) })
        // It may have gone meanwhile.
        if (!this.#closed && this.#watched().includes(map)) this.#set(map, state)
      })
    )
    this.#probing = false
    this.#arm()
  }

  #probe(target: ProbedTarget): Promise<TargetState> {
    return this.#parts.probe?.(target) ?? probeTarget(target, TARGET_WATCH.probeMs)
  }

  /** A port that is shared over UDP by mistake: UDP is the default, and most programs need TCP. */
  async #lookForTcp(maps: readonly SharedMap[]): Promise<void> {
    for (const map of maps) {
      const { proto, host, port } = map
      if (proto !== 'udp' || map.lobby || this.#asked.has(map.id)) continue
      this.#asked.add(map.id)
      if (maps.some(other => other.proto !== 'udp' && other.host === host && other.port === port)) continue
      const state = await this.#probe({ proto: 'tcp', host, port })
      if (state === 'answers' && !this.#closed) this.#parts.ontcp(map)
    }
  }

  #arm(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (this.#closed || this.#probing) return
    const maps = this.#watched()
    const closed = maps.filter(map => this.of(map) === 'closed')
    const due = closed.length > 0 ? closed : maps.filter(({ host }) => isIPv4Loopback(host))
    if (due.length === 0) return
    const ms = closed.length > 0 ? TARGET_WATCH.closedMs : TARGET_WATCH.answeringMs
    this.#timer = this.#parts.clock.after(ms, () => void this.#round(due))
  }

  #set(map: SharedMap, state: TargetState): void {
    const before = this.of(map)
    this.#states.set(map.id, state)
    if (state === 'closed' && before !== 'closed') this.#parts.onchange(map, state)
    if (state === 'answers' && before === 'closed') this.#parts.onchange(map, state)
  }
}

/** A datagram that asks a game whether it is there, from its recipe. */
function queryOf({ lobby }: SharedMap): Uint8Array | undefined {
  const { discovery } = lobby ?? {}
  const start = discovery?.how === 'client-queries' ? discovery.starts?.[0] : undefined
  return start === undefined ? undefined : Buffer.from(start, 'latin1')
}
