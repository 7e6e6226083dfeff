/**
 * Memory that many share, the flows of a session or the queues of a relay: each has a little that is always its own, and what it
 * has beyond that is taken from here, so that hundreds together stay within one bound while a few get all that they can use.
 */
export class Budget {
  #used = 0

  /** @param size bytes in all; Infinity for no bound */
  constructor(readonly size: number) {}

  get used(): number {
    return this.#used
  }

  /** Bytes that nobody uses; never below 0. */
  get free(): number {
    return Math.max(0, this.size - this.#used)
  }

  /** Lends `bytes`; false if there are not so many. */
  borrow(bytes: number): boolean {
    if (bytes > this.free) return false
    this.#used += bytes
    return true
  }

  /** Counts `bytes` that are there already, within the bound or not. */
  charge(bytes: number): void {
    this.#used += bytes
  }

  /** Takes back what was lent or charged. */
  giveBack(bytes: number): void {
    this.#used -= bytes
  }
}
