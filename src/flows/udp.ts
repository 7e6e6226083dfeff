/**
 * The table of a session's UDP flows, for either end: found by key, forgotten when idle, and bounded. The one idle longest makes
 * room, but none that is in use does.
 */
import type { Limits } from '../limits.js'

export type ForgetCause = 'idle' | 'full' | 'closed'

interface Row<V> {
  readonly value: V
  activeAt: number
  /** When it was last moved to the end of the order. */
  movedAt: number
}

/** Activity within this time does not move a flow in the order of idleness: moving costs more than it tells. */
const ORDER_GRAIN_MS = 1000

/** Until the next {@link UdpFlows.sweep}, ms: no flow outlives its time by more than half of it. */
export function udpSweepMs({
  udpIdleSeconds,
  udpSweepMs
}: Pick<Limits, 'udpIdleSeconds' | 'udpSweepMs'>): number {
  return Math.min(udpSweepMs, udpIdleSeconds * 500)
}

export class UdpFlows<K, V> {
  /** In the order of last activity, oldest first. */
  readonly #rows = new Map<K, Row<V>>()

  /** @param onforget called with every flow that ends, and why */
  constructor(
    readonly limits: Pick<Limits, 'udpFlows' | 'udpEvictMs' | 'udpIdleSeconds'>,
    readonly onforget: (key: K, value: V, cause: ForgetCause) => void
  ) {}

  get size(): number {
    return this.#rows.size
  }

  /** The flow, marked as active now. */
  touch(key: K, now: number): V | undefined {
    const row = this.#rows.get(key)
    if (!row) return undefined
    row.activeAt = now
    if (now - row.movedAt >= ORDER_GRAIN_MS) {
      this.#rows.delete(key)
      this.#rows.set(key, row)
      row.movedAt = now
    }
    return row.value
  }

  /**
   * Makes room for a flow where the table is full, at the cost of the one idle longest.
   * @returns false if that one is still in use
   */
  makeRoom(now: number): boolean {
    if (this.#rows.size < this.limits.udpFlows) return true
    const [key, oldest] = this.#rows.entries().next().value!
    if (now - oldest.activeAt < this.limits.udpEvictMs) return false
    this.#forget(key, 'full')
    return true
  }

  /** Adds a flow, for which there must be room. */
  add(key: K, value: V, now: number): void {
    this.#rows.set(key, { value, activeAt: now, movedAt: now })
  }

  delete(key: K): void {
    this.#rows.delete(key)
  }

  /** Forgets the flows that have been idle for long enough. */
  sweep(now: number): void {
    const idleMs = this.limits.udpIdleSeconds * 1000
    for (const [key, row] of this.#rows) {
      if (now - row.activeAt < idleMs) break
      this.#forget(key, 'idle')
    }
  }

  /** Forgets those that belong to something that is gone. */
  drop(gone: (value: V) => boolean): void {
    for (const [key, { value }] of [...this.#rows]) if (gone(value)) this.#forget(key, 'closed')
  }

  /** Forgets all. */
  clear(): void {
    this.drop(() => true)
  }

  values(): V[] {
    return [...this.#rows.values()].map(row => row.value)
  }

  #forget(key: K, cause: ForgetCause): void {
    const row = this.#rows.get(key)!
    this.#rows.delete(key)
    this.onforget(key, row.value, cause)
  }
}
