/** FIFO that admits items at the rate of a token bucket. */
import type { Clock, Timer } from './clock.js'
import { Queue, type QueueNode } from './queue.js'
import type { TokenBucket } from './token-bucket.js'

/** Shortest delay of the timer, ms: a fraction of a tick would make no progress. */
const LEAST_WAIT_MS = 1

export class FairQueue<T> {
  readonly #queue = new Queue<T>()
  /** Armed by {@link wait} while the queue is not empty. */
  #timer: Timer | null = null

  /**
   * @param bucket pays for each item; it may be shared with other users
   * @param cost tokens for the next item, at most the bucket's size
   * @param pass called with each queued item once it is admitted; may queue it again
   */
  constructor(
    readonly clock: Clock,
    readonly bucket: TokenBucket,
    readonly cost: () => number,
    readonly pass: (item: T) => void
  ) {}

  /** Admits an item at once if nothing is queued and the bucket can pay. @returns false if it has to {@link wait} */
  enter(): boolean {
    return this.#queue.size === 0 && this.#pay()
  }

  wait(node: QueueNode<T>): void {
    this.#queue.add(node)
    this.#arm()
  }

  /** Removes an item from the queue. */
  leave(node: QueueNode<T>): void {
    this.#queue.delete(node)
    if (this.#queue.size > 0) return
    this.#timer?.cancel()
    this.#timer = null
  }

  #pay(): boolean {
    return this.bucket.tryTake(this.cost(), this.clock.now())
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
