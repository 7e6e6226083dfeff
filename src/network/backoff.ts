import type { Limits } from '../limits.js'

/**
 * How long to wait before dialling again: at once after a connection that worked, then longer each time, up to a few
 * seconds while the server may just be restarting, and up to a quarter of a minute once it has been away for long.
 */
export class Backoff {
  #wait = 0
  #since: number | null = null

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

  /** A dial failed: how many milliseconds to wait before the next. */
  next(now: number): number {
    this.#since ??= now
    const { redialMs, redialFactor, redialMaxMs, redialSlowMs, redialPatienceMs } = this.limits
    const max = now - this.#since < redialPatienceMs ? redialMaxMs : redialSlowMs
    this.#wait = this.#wait === 0 ? redialMs : Math.min(this.#wait * redialFactor, max)
    return this.#wait
  }
}
