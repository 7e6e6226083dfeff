/** Token bucket: unused tokens are saved up to its size, so that bursts may exceed the rate. */
export class TokenBucket {
  #tokens: number
  #at: number | null = null

  /**
   * @param rate tokens per millisecond
   * @param size most tokens that can be saved
   */
  constructor(
    readonly rate: number,
    readonly size: number
  ) {
    this.#tokens = size
  }

  /** Whether `tokens` are available now. */
  has(tokens: number, now: number): boolean {
    this.#fill(now)
    return this.#tokens >= tokens
  }

  /** Spends tokens, if they are available now. @returns whether they were */
  tryTake(tokens: number, now: number): boolean {
    if (!this.has(tokens, now)) return false
    this.take(tokens)
    return true
  }

  /** Spends tokens; more than are available leave a debt. */
  take(tokens: number): void {
    this.#tokens -= tokens
  }

  /** Milliseconds until `tokens` are available; Infinity for more than the bucket can hold. */
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
