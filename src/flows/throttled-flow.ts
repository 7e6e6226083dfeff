/**
 * A flow that shares a byte rate with other flows, both directions together. Nothing is dropped: sending pauses the local
 * socket, receiving delays window updates. A flow that has used up its quantum waits for its next turn, so a keystroke waits
 * for at most one quantum of each other flow.
 */
import type { ErrorCode } from '../errors.js'
import type { FairQueue } from '../util/fair-queue.js'
import { QueueNode } from '../util/queue.js'
import { type ByteFlow, type ByteFlowEvents, ignoreEvents } from './byte-flow.js'

export class ThrottledFlow implements ByteFlow {
  /** Position in the queue for the next quantum. */
  readonly place = new QueueNode<ThrottledFlow>(this)
  readonly #inner: ByteFlow
  readonly #turns: FairQueue<ThrottledFlow>
  #events: ByteFlowEvents = ignoreEvents
  /** Bytes left of its quantum; below 0 the flow waits. */
  #left = 0
  #waiting = false
  /** Whether the local socket is paused at all, and whether the inner flow asked for it. */
  #paused = false
  #full = false
  /** Bytes that the local socket has consumed and that have not been reported to the inner flow. */
  #untold = 0
  #over = false

  /** @param turns whose cost is the quantum, bytes */
  constructor(inner: ByteFlow, turns: FairQueue<ThrottledFlow>) {
    this.#inner = inner
    this.#turns = turns
    inner.events = {
      data: bytes => this.#events.data(bytes),
      end: () => this.#events.end(),
      drain: () => {
        this.#full = false
        this.#unpause()
      },
      finish: () => this.#events.finish?.(),
      reset: code => {
        this.#leave()
        this.#events.reset(code)
      },
      close: () => {
        this.#leave()
        this.#events.close()
      }
    }
  }

  get id(): number {
    return this.#inner.id
  }

  get map(): number {
    return this.#inner.map
  }

  get events(): ByteFlowEvents {
    return this.#events
  }

  set events(events: ByteFlowEvents) {
    this.#events = events
  }

  write(bytes: Uint8Array): boolean {
    this.#full = !this.#inner.write(bytes)
    this.#use(bytes.byteLength)
    this.#paused = this.#full || this.#waiting
    return !this.#paused
  }

  end(): void {
    this.#inner.end()
  }

  reset(code: ErrorCode): void {
    this.#leave()
    this.#inner.reset(code)
  }

  consumed(size: number): void {
    this.#untold += size
    this.#use(size)
    if (!this.#waiting) this.#tell()
  }

  /** The next quantum is available. */
  proceed(): void {
    this.#left += this.#turns.cost()
    if (this.#left < 0) return this.#turns.wait(this.place)
    this.#waiting = false
    this.#tell()
    this.#unpause()
  }

  #use(size: number): void {
    if (this.#over) return
    this.#left -= size
    if (this.#waiting) return
    while (this.#left < 0 && this.#turns.enter()) this.#left += this.#turns.cost()
    if (this.#left >= 0) return
    this.#waiting = true
    this.#turns.wait(this.place)
  }

  #tell(): void {
    const size = this.#untold
    this.#untold = 0
    if (size > 0) this.#inner.consumed(size)
  }

  #unpause(): void {
    if (!this.#paused || this.#full || this.#waiting) return
    this.#paused = false
    this.#events.drain()
  }

  /** Stops waiting. Consumed bytes are still reported, because the inner flow ends only when all of them are. */
  #leave(): void {
    this.#over = true
    this.#waiting = false
    this.#turns.leave(this.place)
    this.#tell()
  }
}
