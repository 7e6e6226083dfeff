/**
 * How much may be under way on a TCP connection, so that what is sent next arrives soon. A kernel takes megabytes before it
 * says that it is full, and every one of them delays what comes after it.
 *
 * The window follows FAST TCP: once per round trip it becomes `window * (least round trip + target) / round trip`, so that it settles
 * where queues on the way hold `target` milliseconds. Before a queue has been seen it doubles. The least round trip is measured
 * again every 5 s with the queue drained.
 *
 *              a queue            least round trip is old            each a round trip later
 *     starting -------> steady -------------------------> draining -> measuring -> settling -> steady
 *
 * Pure: time is an argument.
 */

/** What queues on the way may hold, ms. */
const TARGET_MS = 30

const FIRST_BYTES = 32 * 1024
const LEAST_BYTES = 8 * 1024
const MOST_BYTES = 2 * 1024 * 1024

/** From here on a queue is seen, ms. */
const QUEUE_MS = 20

/** How long a least round trip holds, ms. */
const BASE_MS = 5000

/** Of what would fill the path without a queue: less, so that the queue drains within a round trip. */
const DRAIN_SHARE = 0.75

/** Sends that are remembered; the oldest go first, which makes a round trip look shorter at the most. */
const MARKS = 4096

interface Mark {
  readonly end: number
  readonly at: number
}

export class DelayWindow {
  #window = FIRST_BYTES
  #sent = 0
  #arrived = 0
  #marks: Mark[] = []
  #base = Number.POSITIVE_INFINITY
  #baseAt = 0
  /** Since the last change of the window: where it ends, the least round trip, whether the window held anything back. */
  #round = { end: 0, least: Number.POSITIVE_INFINITY, limited: false }
  #phase: 'starting' | 'steady' | 'draining' | 'measuring' | 'settling' = 'starting'
  /** Round trips with a queue, one after the other, while starting. */
  #late = 0
  /** The window to go back to after measuring. */
  #before = FIRST_BYTES

  get bytes(): number {
    return this.#window
  }

  /** Bytes that were sent and have not arrived, as far as is known. */
  get underWay(): number {
    return this.#sent - this.#arrived
  }

  /** The least round trip, ms; Infinity while it is not known. */
  get base(): number {
    return this.#base
  }

  /** Asks for room to send more. A refusal is remembered: only what is used to the full tells where the limit is. */
  ask(): boolean {
    if (this.underWay < this.#window) return true
    this.#round.limited = true
    return false
  }

  sent(bytes: number, now: number): void {
    this.#sent += bytes
    this.#marks.push({ end: this.#sent, at: now })
    if (this.#marks.length > MARKS) this.#marks.shift()
  }

  /**
   * The other side has received this many bytes, modulo 2^32.
   * @returns false when it says more than was sent
   */
  arrived(count: number, now: number): boolean {
    const bytes = (count - this.#arrived) >>> 0
    if (bytes > this.underWay) return false
    this.#arrived += bytes
    let sentAt: number | null = null
    while (this.#marks.length > 0 && this.#marks[0]!.end <= this.#arrived) sentAt = this.#marks.shift()!.at
    if (sentAt !== null) this.#measure(now - sentAt, now)
    return true
  }

  #measure(trip: number, now: number): void {
    const round = this.#round
    round.least = Math.min(round.least, trip)
    if (trip <= this.#base) {
      this.#base = trip
      this.#baseAt = now
    }
    if (this.#arrived < round.end) return
    this.#adjust(round.least, round.limited, now)
    this.#round = { end: this.#sent, least: Number.POSITIVE_INFINITY, limited: false }
  }

  /** The one place that changes the window and the phase, once per round trip. */
  #adjust(trip: number, limited: boolean, now: number): void {
    const old = now - this.#baseAt > BASE_MS
    const queued = trip - this.#base
    switch (this.#phase) {
      case 'draining':
        // What was measured in this round trip was sent before the queue drained.
        this.#phase = 'measuring'
        return
      case 'measuring':
        this.#setBase(trip, now)
        this.#window = this.#before
        this.#phase = 'settling'
        return
      case 'settling':
        this.#phase = 'steady'
        return
      case 'starting':
        // One late round trip may be anything.
        if (queued <= QUEUE_MS) this.#late = 0
        else if (++this.#late === 2) this.#phase = 'steady'
        if (limited && this.#late === 0) this.#window = clamp(2 * this.#window)
        return
      case 'steady':
        if (old && limited) {
          this.#phase = 'draining'
          this.#before = this.#window
          this.#window = clamp(this.#window * DRAIN_SHARE * ((this.#base + 1) / (trip + 1)))
        } else if (old) this.#setBase(trip, now)
        // What was not used to the full says nothing about the queue, which others fill.
        else if (limited) {
          const fitting = this.#window * ((this.#base + TARGET_MS) / Math.max(trip, 0.1))
          this.#window = clamp((this.#window + Math.min(fitting, 2 * this.#window)) / 2)
        }
    }
  }

  /** Measured while no queue of ours stood. */
  #setBase(trip: number, now: number): void {
    this.#base = trip
    this.#baseAt = now
  }
}

function clamp(bytes: number): number {
  return Math.min(Math.max(bytes, LEAST_BYTES), MOST_BYTES)
}
