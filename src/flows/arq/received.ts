/** Which packet numbers came, and when to say so. Decoder -> received -> ack block of the next segment. */
import {
  ACK_DELAY,
  ACK_DELAY_UNITS_PER_MS,
  ACK_EVERY,
  ACK_GAP,
  ACK_GAP_REORDER,
  ACK_RANGES,
  RANGES_MAX
} from './constants.js'
import { putVarint } from './segment.js'

/** Ranges of packet numbers, oldest first; when there are too many, the oldest is forgotten. */
export class Received {
  private readonly low: number[] = []
  private readonly high: number[] = []
  private largestAt = 0
  /** Packets that came since the last ack. */
  private pending = 0
  private pendingSince = 0
  private lastAckAt = Number.NEGATIVE_INFINITY
  private outOfOrder = false
  private urgent = false

  /** False until a packet has come: there is nothing to ack. */
  get any(): boolean {
    return this.low.length > 0
  }

  /** Notes a packet. `urgent`: ack it at once. */
  add(number: number, urgent: boolean, now: number): void {
    if (this.pending++ === 0) this.pendingSince = now
    if (urgent) this.urgent = true
    const last = this.low.length - 1
    if (last >= 0 && number === this.high[last]! + 1) {
      this.high[last] = number
      this.largestAt = now
      return
    }
    if (last < 0 || number > this.high[last]!) {
      if (last >= 0) this.outOfOrder = true
      this.makeRange(last + 1, number)
      this.largestAt = now
      return
    }
    this.outOfOrder = true
    this.fill(number)
  }

  /** Asks for an ack as soon as possible, though no packet came: for window updates. */
  demand(now: number): void {
    if (this.pending === 0) this.pendingSince = now
    this.pending++
    this.urgent = true
  }

  /** When an ack must go; Infinity when there is nothing new to tell. */
  dueAt(): number {
    if (this.pending === 0) return Number.POSITIVE_INFINITY
    if (this.urgent || this.pending >= ACK_EVERY) return this.pendingSince
    if (this.outOfOrder) return Math.max(this.pendingSince, this.lastAckAt + ACK_GAP_REORDER)
    const delayed = this.pendingSince + ACK_DELAY
    return this.pending === 1
      ? delayed
      : Math.min(delayed, Math.max(this.pendingSince, this.lastAckAt + ACK_GAP))
  }

  /** True if an ack has news, due or not: it may ride on other segments. */
  get hasNews(): boolean {
    return this.pending > 0
  }

  /**
   * Writes the ack block (any must be true) and counts it as sent.
   * @param room bytes that the ranges may take: there are fewer of them when the segment must carry data as well
   * @param cumulative all before it has come; `limit` the peer may send up to it
   * @returns the position after it
   */
  putAck(buf: Uint8Array, at: number, room: number, cumulative: number, limit: number, now: number): number {
    let i = this.low.length - 1
    const { low, high } = this
    const start = at
    at = putVarint(buf, at, high[i]!)
    at = putVarint(buf, at, Math.max(0, Math.round((now - this.largestAt) * ACK_DELAY_UNITS_PER_MS)))
    const countAt = at++
    at = putVarint(buf, at, high[i]! - low[i]!)
    let ranges = 1
    // A range takes mostly two bytes; 40 are kept for the other fields at their longest.
    const end = start + room - 40
    for (i--; i >= 0 && ranges < ACK_RANGES && at < end; i--, ranges++) {
      at = putVarint(buf, at, low[i + 1]! - high[i]! - 2)
      at = putVarint(buf, at, high[i]! - low[i]!)
    }
    buf[countAt] = ranges
    at = putVarint(buf, at, cumulative)
    at = putVarint(buf, at, Math.max(0, limit - cumulative))
    this.pending = 0
    this.outOfOrder = false
    this.urgent = false
    this.lastAckAt = now
    return at
  }

  private makeRange(i: number, number: number): void {
    const { low, high } = this
    if (low.length === RANGES_MAX) {
      if (i === 0) return // older than all that is remembered: it stays unacked
      low.shift()
      high.shift()
      i--
    }
    low.splice(i, 0, number)
    high.splice(i, 0, number)
  }

  /** Puts in a number below the largest. */
  private fill(number: number): void {
    const { low, high } = this
    let i = this.low.length - 1
    while (i >= 0 && low[i]! > number) i--
    // i: the last range that starts at or before number, or -1.
    if (i >= 0 && number <= high[i]!) return
    const joinsLower = i >= 0 && high[i]! + 1 === number
    const joinsUpper = low[i + 1] === number + 1
    if (joinsLower && joinsUpper) {
      high[i] = high[i + 1]!
      low.splice(i + 1, 1)
      high.splice(i + 1, 1)
    } else if (joinsLower) high[i] = number
    else if (joinsUpper) low[i + 1] = number
    else this.makeRange(i + 1, number)
  }
}
