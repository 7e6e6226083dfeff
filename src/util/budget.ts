/**
 * Memory that many share, the flows of a session or the queues of a relay: each has a little that is always its own, and what it
 * has beyond that is taken from here, so that hundreds together stay within one bound while a few get all that they can use.
 * Budgets nest: what is taken from one is taken from its parents, too.
 */
export class Budget {
  #used = 0

  /** @param size bytes in all; Infinity for no bound */
  constructor(
    readonly size: number,
    readonly parent?: Budget
  ) {}

  get used(): number {
    return this.#used
  }

  /** Bytes that nobody uses, here and in every parent; never below 0. */
  get free(): number {
    const free = Math.max(0, this.size - this.#used)
    return this.parent ? Math.min(free, this.parent.free) : free
  }

  /** Lends `bytes`; false if there are not so many. */
  borrow(bytes: number): boolean {
    if (bytes > this.free) return false
    this.charge(bytes)
    return true
  }

  /** Counts `bytes` that are there already, within the bound or not. */
  charge(bytes: number): void {
    this.#used += bytes
    this.parent?.charge(bytes)
  }

  /** Takes back what was lent or charged. */
  giveBack(bytes: number): void {
    this.#used -= bytes
    this.parent?.giveBack(bytes)
  }
}

/** Budgets that all sessions of one peer share. */
export interface PeerBudgets {
  /** What its flows keep until it is acknowledged. */
  readonly kept: Budget
  /** What its flows are lent of window beyond the first. */
  readonly windows: Budget
  /** First windows of those of its ARQ flows that have bytes behind a gap. */
  readonly gaps: Budget
}
