/**
 * A flow that the client has opened and the rate limiter delays. Received bytes are buffered; they cannot exceed the flow's
 * initial window, because nothing is reported as consumed. What is buffered is borrowed from a budget, and so is {@link PENDING_BYTES}
 * before; a flow that gets none is reset.
 */
import type { ErrorCode } from '../errors.js'
import type { Budget } from '../util/budget.js'
import { QueueNode } from '../util/queue.js'
import type { ByteFlow } from './byte-flow.js'

/**
 * Memory of a waiting flow without the data buffered here, bytes: over the ARQ that of its first window, beside what each of its flows is
 * charged anyway; otherwise its objects take less.
 */
export const PENDING_BYTES = 16 * 1024

/** Initial size of the buffer, bytes; it doubles. */
const FIRST_ROOM = 1024

export class PendingFlow {
  /** Position in the rate limiter's queue. */
  readonly place = new QueueNode<PendingFlow>(this)
  /** Received bytes, copied into one block: small views would each keep a whole network buffer alive. */
  #kept = new Uint8Array(0)
  #size = 0
  #borrowed = PENDING_BYTES
  #ended = false

  /**
   * @param accept sets the flow's events; returns a code to refuse it
   * @param ongone called when the flow ends before it is accepted
   * @param budget what the guest may have buffered; it has lent {@link PENDING_BYTES} already
   */
  constructor(
    readonly flow: ByteFlow,
    readonly accept: () => ErrorCode | null,
    readonly ongone: (pending: PendingFlow) => void,
    readonly budget?: Budget
  ) {
    flow.events = {
      data: bytes => this.#keep(bytes),
      end: () => {
        this.#ended = true
      },
      drain() {},
      reset: () => this.#drop(),
      close: () => this.#drop()
    }
  }

  /** Accepts the flow and delivers what was buffered. */
  release(): void {
    const kept = this.#kept.subarray(0, this.#size)
    // Its socket is counted in its place.
    this.#giveBack()
    const refused = this.accept()
    if (refused) return this.flow.reset(refused)
    const { events } = this.flow
    if (kept.byteLength > 0) events.data(kept)
    if (this.#ended) events.end()
  }

  #keep(bytes: Uint8Array): void {
    const size = this.#size + bytes.byteLength
    if (size > this.#kept.byteLength) {
      const room = Math.max(size, 2 * this.#kept.byteLength, FIRST_ROOM)
      if (this.budget && !this.budget.borrow(room - this.#kept.byteLength)) {
        this.flow.reset('TOO_MANY_FLOWS')
        return this.#drop()
      }
      this.#borrowed += room - this.#kept.byteLength
      const more = new Uint8Array(room)
      more.set(this.#kept.subarray(0, this.#size))
      this.#kept = more
    }
    this.#kept.set(bytes, this.#size)
    this.#size = size
  }

  #drop(): void {
    this.#giveBack()
    this.ongone(this)
  }

  #giveBack(): void {
    this.budget?.giveBack(this.#borrowed)
    this.#borrowed = 0
    this.#kept = new Uint8Array(0)
    this.#size = 0
  }
}
