/** Lets through what is said often only so often: one line of the log for a game that is not running, not one for each try. */
import type { Clock } from '../util/clock.js'

export class Seldom {
  readonly #last = new Map<string, number>()

  /** @param restMs how long something that was said rests, milliseconds */
  constructor(
    readonly clock: Pick<Clock, 'now'>,
    readonly restMs: number
  ) {}

  /**
   * Whether something is to be said now: it is then taken to have been.
   * @param what from a small set, as all of it is remembered
   */
  admits(what: string): boolean {
    const now = this.clock.now()
    const last = this.#last.get(what)
    if (last !== undefined && now - last < this.restMs) return false
    this.#last.set(what, now)
    return true
  }
}
