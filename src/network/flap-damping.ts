/**
 * Flap damping: passes on the first change at once, and those that follow at growing intervals. Acting on a change is expensive, and
 * a peer can cause changes endlessly.
 */
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'

/** The longest rest between two changes, ms; a rest without a change that is followed by as long a one makes the next change the first. */
export const LONGEST_REST_MS = 60_000

export class FlapDamping {
  readonly #clock: Clock
  readonly #limits: Pick<Limits, 'changeRestMs'>
  readonly #onchange: () => void
  #passedAt = Number.NEGATIVE_INFINITY
  #restMs = 0
  /** Runs while a change waits. */
  #waiting: Timer | null = null

  constructor(clock: Clock, limits: Pick<Limits, 'changeRestMs'>, onchange: () => void) {
    this.#clock = clock
    this.#limits = limits
    this.#onchange = onchange
  }

  /** There is a change. */
  report(): void {
    if (this.#waiting) return
    const rested = this.#clock.now() - this.#passedAt - this.#restMs
    if (rested >= LONGEST_REST_MS) this.#restMs = 0
    if (rested >= 0) return this.#pass()
    this.#waiting = this.#clock.after(-rested, () => this.#pass())
  }

  /** What waits is not needed any more. */
  drop(): void {
    this.#waiting?.cancel()
    this.#waiting = null
  }

  #pass(): void {
    this.drop()
    this.#passedAt = this.#clock.now()
    this.#restMs = Math.min(this.#restMs * 2 || this.#limits.changeRestMs, LONGEST_REST_MS)
    this.#onchange()
  }
}
