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
    this.#at ??= now
    this.#tokens = Math.min(this.size, this.#tokens + (now - this.#at) * this.rate)
    this.#at = now
    return this.#tokens >= tokens
  }

  /** Uses up tokens that {@link has} has found. */
  take(tokens: number): void {
    this.#tokens -= tokens
  }
}
