/** Repeats each message of the log at most once per interval, such as that a game is not running. */
import type { Clock } from '../util/clock.js'

export class LogThrottle {
  readonly #last = new Map<string, number>()

  /** @param restMs interval between two messages about the same thing, ms */
  constructor(
    readonly clock: Pick<Clock, 'now'>,
    readonly restMs: number
  ) {}

  /**
   * Whether to log a message now; if so, its interval begins.
   * @param what identifies the message; from a small set, as each is remembered
   */
  admits(what: string): boolean {
    const now = this.clock.now()
    const last = this.#last.get(what)
    if (last !== undefined && now - last < this.restMs) return false
    this.#last.set(what, now)
    return true
  }
}
