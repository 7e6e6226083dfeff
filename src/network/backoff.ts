import type { Limits } from '../limits.js'
import { TokenBucket } from '../util/token-bucket.js'

/** How often in a row, and how often a second, the next dial starts at once though the connection died young. */
const EAGER = 30
const EAGER_PER_SECOND = 1

/**
 * How long to wait before dialling again: at once after a connection that worked, then longer each time, up to a few
 * seconds while the server may just be restarting, and up to a quarter of a minute once it has been away for long.
 */
export class Backoff {
  #wait = 0
  #since: number | null = null
  readonly #eager = new TokenBucket(EAGER_PER_SECOND / 1000, EAGER)

  constructor(
    readonly limits: Pick<
      Limits,
      'redialMs' | 'redialFactor' | 'redialMaxMs' | 'redialSlowMs' | 'redialPatienceMs'
    >
  ) {}

  /** The dial worked: the next one starts at once. */
  reset(): void {
    this.#wait = 0
    this.#since = null
  }

  /**
   * A connection is gone: how many milliseconds to wait before the next dial. One that died young may have had a bad network, or a
   * server that ends each: it is dialled at once now and then, and no more often than one that never comes up.
   * @param held whether it had held for some seconds
   */
  lost(held: boolean, now: number): number {
    if (held) this.reset()
    return held || this.#eager.tryTake(1, now) ? 0 : this.next(now)
  }

  /** A dial failed: how many milliseconds to wait before the next. */
  next(now: number): number {
    this.#since ??= now
    const { redialMs, redialFactor, redialMaxMs, redialSlowMs, redialPatienceMs } = this.limits
    const max = now - this.#since < redialPatienceMs ? redialMaxMs : redialSlowMs
    this.#wait = this.#wait === 0 ? redialMs : Math.min(this.#wait * redialFactor, max)
    return this.#wait
  }
}
