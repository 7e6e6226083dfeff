/**
 * A flow that its client has opened, and that waits until it is accepted. What comes meanwhile is kept: no more than the
 * flow's first window, since nobody tells the client that any of it was consumed.
 */
import type { ErrorCode } from '../errors.js'
import { QueueNode } from '../util/queue.js'
import type { ByteFlow } from './byte-flow.js'

/** Bytes that are made room for at first; then twice as many each time. */
const FIRST_ROOM = 1024

export class HeldFlow {
  /** Where it waits. */
  readonly place = new QueueNode<HeldFlow>(this)
  /** Copies in one block: each of many small pieces could hold on to a network buffer of its own. */
  #kept = new Uint8Array(0)
  #size = 0
  #ended = false

  /**
   * @param accept sets the flow's events; returns a code to refuse it
   * @param ongone hears that the flow is over before it was accepted
   */
  constructor(
    readonly flow: ByteFlow,
    readonly accept: () => ErrorCode | null,
    ongone: (held: HeldFlow) => void
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

  /** Its time has come. */
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
