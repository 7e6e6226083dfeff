/** Lets those who come through at a rate; who comes too soon waits, in the order in which they came. */
import type { Clock, Timer } from './clock.js'
import { type Place, Queue } from './queue.js'
import type { TokenBucket } from './token-bucket.js'

/** Between two looks at who may pass, ms: fractions of a timer's tick would be no progress. */
const LEAST_WAIT_MS = 1

export class Turnstile<T> {
  readonly #queue = new Queue<T>()
  /** Armed while somebody waits. */
  #timer: Timer | null = null

  /**
   * @param bucket what passing is paid from; others may take from it, too
   * @param cost tells the tokens for each who passes now, no more than the bucket can hold
   * @param pass hears of each who waited and may pass now; may let the same one wait again
   */
  constructor(
    readonly clock: Clock,
    readonly bucket: TokenBucket,
    readonly cost: () => number,
    readonly pass: (item: T) => void
  ) {}

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size
  }

  /** Lets somebody pass at once, unless others wait. @returns false for somebody who has to {@link wait} */
  enter(): boolean {
    return this.#queue.size === 0 && this.#pay()
  }

  wait(place: Place<T>): void {
    this.#queue.add(place)
    this.#arm()
  }

  /** Somebody waits no longer. */
  leave(place: Place<T>): void {
    this.#queue.delete(place)
    if (this.#queue.size > 0) return
    this.#timer?.cancel()
    this.#timer = null
  }

  #pay(): boolean {
    const cost = this.cost()
    if (!this.bucket.has(cost, this.clock.now())) return false
    this.bucket.take(cost)
    return true
  }

  #arm(): void {
    const ms = this.bucket.wait(this.cost(), this.clock.now())
    this.#timer ??= this.clock.after(Math.max(ms, LEAST_WAIT_MS), () => {
      this.#timer = null
      while (this.#queue.size > 0 && this.#pay()) this.pass(this.#queue.take()!)
      if (this.#queue.size > 0) this.#arm()
    })
  }
}
