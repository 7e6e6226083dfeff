/**
 * Memory shared by many users, such as the flows of a session or the queues of a relay. Each user has a small reserve of its own
 * and borrows the rest here, so that hundreds together stay within one limit while a few can use all of it.
 */
export class Budget {
  #used = 0

  /** @param size bytes in total; Infinity for no limit */
  constructor(readonly size: number) {}

  get used(): number {
    return this.#used
  }

  /** Unused bytes, never below 0. */
  get free(): number {
    return Math.max(0, this.size - this.#used)
  }

  /** Reserves `bytes`; false if fewer are free. */
  borrow(bytes: number): boolean {
    if (bytes > this.free) return false
    this.#used += bytes
    return true
  }

  /** Counts bytes that are in use already, even beyond the limit. */
  charge(bytes: number): void {
    this.#used += bytes
  }

  /** Releases bytes that were borrowed or charged. */
  giveBack(bytes: number): void {
    this.#used -= bytes
  }
}
