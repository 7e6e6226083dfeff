/** Time that passes only from event to event. Implements Clock, so that whatever takes one can be driven by it. */
import type { Clock, Timer } from '../../../src/util/clock.js'

interface Event {
  at: number
  order: number
  fn: (() => void) | null
}

export class VirtualClock implements Clock {
  private time = 0
  private order = 0
  private readonly heap: Event[] = []

  now(): number {
    return this.time
  }

  /** How many events are to come. */
  get pending(): number {
    return this.heap.filter(({ fn }) => fn !== null).length
  }

  after(ms: number, fn: () => void): Timer {
    return this.at(this.time + Math.max(0, ms), fn)
  }

  /** Runs `fn` at time `at`, or now if that has passed. Events of one time run in the order in which they were made. */
  at(at: number, fn: () => void): Timer {
    const event: Event = { at: Math.max(at, this.time), order: this.order++, fn }
    this.push(event)
    return {
      cancel: () => {
        event.fn = null
      }
    }
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
      event.fn?.()
    }
    return done()
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
