/**
 * A flow whose bytes are held to a rate that it shares with others, both directions together. Nothing is dropped: towards the
 * client the local socket is paused, from the client no more is asked for. Whoever has used up its turn waits for the next,
 * so that a keystroke waits for one turn of each other flow at the most.
 */
import type { ErrorCode } from '../errors.js'
import type { FairQueue } from '../util/fair-queue.js'
import { QueueNode } from '../util/queue.js'
import { type ByteFlow, type ByteFlowEvents, deafEvents } from './byte-flow.js'

export class MeteredFlow implements ByteFlow {
  /** Where it waits for its turn. */
  readonly place = new QueueNode<MeteredFlow>(this)
  readonly #inner: ByteFlow
  readonly #turns: FairQueue<MeteredFlow>
  #events: ByteFlowEvents = deafEvents
  /** Bytes left of its turns; below 0 it waits for more. */
  #left = 0
  #waiting = false
  /** The local socket was told to pause, by us and by the flow inside. */
  #paused = false
  #full = false
  /** Bytes that the local socket has taken, and the other side does not know of. */
  #untold = 0
  #over = false

  /** @param turns each turn costs as many bytes as it lets pass */
  constructor(inner: ByteFlow, turns: FairQueue<MeteredFlow>) {
    this.#inner = inner
    this.#turns = turns
    inner.events = {
      data: bytes => this.#events.data(bytes),
      end: () => this.#events.end(),
      drain: () => {
        this.#full = false
        this.#unpause()
      },
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

  /** A turn has come that was waited for. */
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

  /** It needs no turn any more. What the socket has taken is told all the same: the flow inside goes when all of it is. */
  #leave(): void {
    this.#over = true
    this.#waiting = false
    this.#turns.leave(this.place)
    this.#tell()
  }
}
