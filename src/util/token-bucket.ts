/** A rate that may be exceeded for a moment: what was not used is saved, up to a limit. */
export class TokenBucket {
  #tokens: number
  #at: number | null = null

  /**
   * @param rate tokens per millisecond
   * @param size tokens that can be saved
   */
  constructor(
    readonly rate: number,
    readonly size: number
  ) {
    this.#tokens = size
  }

  /** Whether there are `tokens` now. */
  has(tokens: number, now: number): boolean {
    this.#fill(now)
    return this.#tokens >= tokens
  }

  /** Uses up tokens; more than {@link has} has found leave a debt. */
  take(tokens: number): void {
    this.#tokens -= tokens
  }

  /** Milliseconds until there are `tokens`, 0 if there are. Infinity for more than can be saved. */
  wait(tokens: number, now: number): number {
    this.#fill(now)
    if (tokens > this.size) return Number.POSITIVE_INFINITY
    return Math.max(0, (tokens - this.#tokens) / this.rate)
  }

  #fill(now: number): void {
    this.#at ??= now
    this.#tokens = Math.min(this.size, this.#tokens + (now - this.#at) * this.rate)
    this.#at = now
  }
}
