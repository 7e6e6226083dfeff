/**
 * A flow that the client has opened and the rate limiter delays. Received bytes are buffered; they cannot exceed the flow's
 * initial window, because nothing is reported as consumed.
 */
import type { ErrorCode } from '../errors.js'
import { QueueNode } from '../util/queue.js'
import type { ByteFlow } from './byte-flow.js'

/** Initial size of the buffer, bytes; it doubles. */
const FIRST_ROOM = 1024

export class PendingFlow {
  /** Position in the rate limiter's queue. */
  readonly place = new QueueNode<PendingFlow>(this)
  /** Received bytes, copied into one block: small views would each keep a whole network buffer alive. */
  #kept = new Uint8Array(0)
  #size = 0
  #ended = false

  /**
   * @param accept sets the flow's events; returns a code to refuse it
   * @param ongone called when the flow ends before it is accepted
   */
  constructor(
    readonly flow: ByteFlow,
    readonly accept: () => ErrorCode | null,
    ongone: (pending: PendingFlow) => void
  ) {
    flow.events = {
      data: bytes => this.#keep(bytes),
      end: () => {
        this.#ended = true
      },
      drain() {},
      reset: () => ongone(this),
      close: () => ongone(this)
    }
  }

  /** Accepts the flow and delivers what was buffered. */
  release(): void {
    const refused = this.accept()
    if (refused) return this.flow.reset(refused)
    const { events } = this.flow
    if (this.#size > 0) events.data(this.#kept.subarray(0, this.#size))
    if (this.#ended) events.end()
  }

  #keep(bytes: Uint8Array): void {
    const size = this.#size + bytes.byteLength
    if (size > this.#kept.byteLength) {
      const more = new Uint8Array(Math.max(size, 2 * this.#kept.byteLength, FIRST_ROOM))
      more.set(this.#kept.subarray(0, this.#size))
      this.#kept = more
    }
    this.#kept.set(bytes, this.#size)
    this.#size = size
  }
}
