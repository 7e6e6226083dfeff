/** Chooses the relay to use next: the first of the list that has not failed recently. */
export class RelayChoice {
  readonly #failed = new Map<Uint8Array, number>()

  /**
   * @param keys in the order in which they are preferred
   * @param restMs how long a relay that failed is avoided while there are others
   */
  constructor(
    readonly keys: readonly Uint8Array[],
    readonly restMs: number
  ) {}

  /** The relay to use; if all have failed recently, the one whose failure is oldest; null if there are none. */
  pick(now: number): Uint8Array | null {
    let best: Uint8Array | null = null
    let bestSince = Number.POSITIVE_INFINITY
    for (const key of this.keys) {
      const since = this.#failed.get(key)
      if (since === undefined || now - since >= this.restMs) return key
      if (since < bestSince) [best, bestSince] = [key, since]
    }
    return best
  }

  failed(key: Uint8Array, now: number): void {
    this.#failed.set(key, now)
  }

  worked(key: Uint8Array): void {
    this.#failed.delete(key)
  }
}
