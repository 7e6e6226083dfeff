/** Repeats each message of the log at most once per interval, such as that a game is not running. */
import type { Clock } from '../util/clock.js'

/** Messages that are remembered at most: beyond it, the one that was logged first may come again before its time. */
const MOST = 1000

export class LogThrottle {
  /** When each was logged last, the oldest first; of those whose interval is over, nothing is kept. */
  readonly #last = new Map<string, number>()

  /** @param restMs interval between two messages about the same thing, ms */
  constructor(
    readonly clock: Pick<Clock, 'now'>,
    readonly restMs: number
  ) {}

  /**
   * Whether to log a message now; if so, its interval begins.
   * @param what identifies the message
   */
  admits(what: string): boolean {
    const now = this.clock.now()
    for (const [old, at] of this.#last) {
      if (now - at < this.restMs && this.#last.size < MOST) break
      this.#last.delete(old)
    }
    if (this.#last.has(what)) return false
    this.#last.set(what, now)
    return true
  }

  /** Messages that are remembered now. */
  get size(): number {
    return this.#last.size
  }
}
