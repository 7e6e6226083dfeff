/** Time that passes only from event to event. Implements Clock, so that whatever takes one can be driven by it. */
import type { Clock, Timer } from '../../../src/util/clock.js'

/** What is to run at a time, and the handle by which it is cancelled: a transfer makes hundreds of thousands. */
class Event implements Timer {
  constructor(
    readonly clock: VirtualClock,
    readonly at: number,
    readonly order: number,
    public fn: (() => void) | null
  ) {}

  cancel(): void {
    if (this.fn === null) return
    this.fn = null
    this.clock.onCancelled()
  }
}

/** Cancelled events are taken out together, when there are so many and more than half of all. */
const CANCELLED_MAX = 64

export class VirtualClock implements Clock {
  private time = 0
  private order = 0
  private heap: Event[] = []
  /** How many events in the heap have been cancelled. */
  private cancelled = 0

  now(): number {
    return this.time
  }

  /** How many events are to come. */
  get pending(): number {
    return this.heap.length - this.cancelled
  }

  after(ms: number, fn: () => void): Timer {
    return this.at(this.time + Math.max(0, ms), fn)
  }

  /** Runs `fn` at time `at`, or now if that has passed. Events of one time run in the order in which they were made. */
  at(at: number, fn: () => void): Timer {
    const event = new Event(this, Math.max(at, this.time), this.order++, fn)
    this.push(event)
    return event
  }

  /** Runs events until `until`, or until `done` is true, or until there are none. @returns false if time ran out */
  run(until: number, done: () => boolean = () => false): boolean {
    while (this.heap.length > 0) {
      if (done()) return true
      const event = this.heap[0]!
      if (event.at > until) {
        this.time = until
        return false
      }
      this.pop()
      this.time = event.at
      const { fn } = event
      if (fn === null) this.cancelled--
      event.fn = null
      fn?.()
    }
    return done()
  }

  /** One more of its events has been cancelled. */
  onCancelled(): void {
    if (++this.cancelled < CANCELLED_MAX || 2 * this.cancelled < this.heap.length) return
    // What is sorted is a heap.
    this.heap = this.heap.filter(({ fn }) => fn !== null).sort((a, b) => (before(a, b) ? -1 : 1))
    this.cancelled = 0
  }

  private push(event: Event): void {
    const heap = this.heap
    let i = heap.length
    heap.push(event)
    while (i > 0) {
      const up = (i - 1) >> 1
      if (!before(event, heap[up]!)) break
      heap[i] = heap[up]!
      i = up
    }
    heap[i] = event
  }

  private pop(): void {
    const heap = this.heap
    const last = heap.pop()!
    const size = heap.length
    if (size === 0) return
    let i = 0
    for (;;) {
      let down = 2 * i + 1
      if (down >= size) break
      if (down + 1 < size && before(heap[down + 1]!, heap[down]!)) down++
      if (!before(heap[down]!, last)) break
      heap[i] = heap[down]!
      i = down
    }
    heap[i] = last
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
