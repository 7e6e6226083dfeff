/**
 * Which packets arrived and which are lost: ack ranges, time-based loss detection (RACK, RFC 8985), the queue of lost
 * ranges to send again.
 */
import { HyperNatError } from '../../errors.js'
import type { Budget } from '../../util/budget.js'
import { LOSS_MEMORY, REORDER_MEMORY_ROUNDS, REORDER_PACKETS, REORDER_SHARE } from './constants.js'
import { Delivery } from './delivery.js'
import type { Rtt } from './rtt.js'
import type { Segment } from './segment.js'
import { ACKED, FLYING, HAS_OPEN, HAS_WINDOW, IS_COPY, LOST, REPLACED, Sent } from './sent.js'

/** Lost packets that there is room for at first; doubles as needed. */
const QUEUE_START = 64

export class Recovery {
  readonly sent: Sent
  delivery = new Delivery()
  /** All units before this offset are acknowledged. */
  acknowledged = 0
  /**
   * Nothing came through for a long time (RFC 9002 7.6): two lost packets lie further apart than the persistent congestion
   * duration, and none between them was acked. Stays true until cleared.
   */
  persistentCongestion = false
  /** When the first packet left of the run of lost ones that ends with the last lost packet, and the number of that. */
  private lostSince = 0
  private lastLost = -1
  /** When the first round-trip sample was taken: losses of packets that left before say nothing about congestion. */
  private firstSampleAt = Number.POSITIVE_INFINITY
  /** When the oldest packet that may be lost is to be looked at again; Infinity for never. */
  lossAt = Number.POSITIVE_INFINITY
  /** Flags of lost packets whose news must be sent again: HAS_OPEN, HAS_WINDOW. */
  lostFlags = 0
  /** Packets taken for lost, those that came late included. */
  losses = 0
  private largestAcked = -1
  private lastLossAt = Number.NEGATIVE_INFINITY
  /** Share of packets lost lately, 0 to 1; moves by 1/64 with each packet. */
  lossRate = 0
  /** How much later than expected a packet was seen to come, in ms; 0 while no reordering has been seen. */
  private lateness = 0
  private latenessUntil = 0
  /** Numbers of packets to send again: a ring that grows. */
  private queue = new Float64Array(QUEUE_START)
  private queueHead = 0
  private queueTail = 0

  constructor(
    private readonly rtt: Rtt,
    budget: Budget
  ) {
    this.sent = new Sent(budget)
  }

  /** Loss was seen within the last LOSS_MEMORY. */
  isLossy(now: number): boolean {
    return now - this.lastLossAt < LOSS_MEMORY
  }

  /** Oldest packet whose slot is still needed for a retransmission, or -1. */
  get oldestQueued(): number {
    return this.queueHead === this.queueTail ? -1 : this.queue[this.queueHead]!
  }

  /** A packet can be noted as sent. */
  get hasRoom(): boolean {
    return this.sent.hasRoom(this.oldestQueued)
  }

  /** A packet with new bytes can be. */
  get hasRoomForNew(): boolean {
    return this.sent.hasRoomForNew(this.oldestQueued)
  }

  /** Gives back memory for packets in flight, down to so many, unless some are to be sent again. */
  shrink(slots: number): void {
    if (this.peek() >= 0) return
    if (this.queue.length > QUEUE_START) {
      this.queue = new Float64Array(QUEUE_START)
      this.queueHead = this.queueTail = 0
    }
    this.sent.shrink(slots)
  }

  /** Notes that the packet `sent.next` leaves. */
  onSent(offset: number, length: number, size: number, flags: number, now: number): void {
    const flying = this.sent.bytesInFlight
    const slot = this.sent.add(offset, length, size, flags, now)
    this.delivery.onSent(this.sent, slot, flying, now)
  }

  /**
   * Takes the ack block of a segment. `unitsSent`: the offset up to which we ever sent.
   * @returns true if it acked a packet for the first time
   * @throws HyperNatError `PROTOCOL_ERROR` when it acks what was never sent
   */
  onAck(segment: Segment, unitsSent: number, now: number): boolean {
    const sent = this.sent
    const ranges = segment.ranges
    const largest = ranges[0]!
    if (largest >= sent.next || segment.cumulative > unitsSent) {
      throw new HyperNatError('PROTOCOL_ERROR', 'The peer acknowledged what was never sent.')
    }
    if (segment.cumulative > this.acknowledged) this.acknowledged = segment.cumulative
    const delivery = this.delivery
    delivery.begin()
    const floor = sent.floor
    let newest = -1
    let low = 0
    for (let i = 0; i < segment.rangeCount; i++) {
      const high = ranges[2 * i]!
      low = ranges[2 * i + 1]!
      if (high < floor) break
      if (low < floor) low = floor
      for (let n = high; n >= low; ) {
        const slot = n & sent.mask
        const state = sent.state[slot]!
        if (state === ACKED) {
          n = sent.runStartOf(n) - 1
          continue
        }
        if (state === FLYING) {
          if (n > newest) newest = n
          sent.land(n, ACKED)
          delivery.onAcked(n, sent.size[slot]!, sent.flags[slot]!)
          this.lossRate -= this.lossRate / 64
        } else this.revive(n, now)
        n--
      }
      sent.noteRun(low, high)
    }
    // Ranges too old to be reported any more: what is covered by the cumulative offset has arrived.
    for (let n = sent.head; n >= 0 && n < low; ) {
      const slot = n & sent.mask
      if (sent.offset[slot]! + sent.length[slot]! > this.acknowledged) break
      const following = sent.following(n)
      sent.land(n, ACKED)
      delivery.delivered += sent.size[slot]!
      n = following
    }
    if (newest < 0) return false
    let rtt = 0
    if (newest > this.largestAcked) {
      this.largestAcked = newest
      if (newest === largest) {
        if (this.firstSampleAt === Number.POSITIVE_INFINITY) this.firstSampleAt = now
        this.rtt.sample(now - sent.sentAt[newest & sent.mask]!, segment.ackDelay)
        rtt = this.rtt.latest
      }
      this.rtt.backoff = 0
    }
    this.roundTrip = rtt
    return true
  }

  /** Round trip measured by the last ack, or 0. */
  roundTrip = 0

  /** Finds packets that are lost by now, and sets {@link lossAt} for those that are not yet. */
  detect(now: number): void {
    const sent = this.sent
    this.lossAt = Number.POSITIVE_INFINITY
    if (sent.head < 0 || sent.head > this.largestAcked) return
    if (this.lateness > 0 && now > this.latenessUntil) this.lateness = 0
    const patience = Math.max(this.rtt.latest, this.rtt.smoothed) + this.reorderWindow
    for (let n = sent.head; n >= 0 && n < this.largestAcked; ) {
      const slot = n & sent.mask
      const deadline = sent.sentAt[slot]! + patience
      const byCount = this.lateness === 0 && this.largestAcked - n >= REORDER_PACKETS
      if (!byCount && now < deadline) {
        this.lossAt = deadline
        return
      }
      const following = sent.following(n)
      this.lose(n, now)
      n = following
    }
  }

  /** How late a packet may be, after a round trip, before it is lost; in ms. */
  get reorderWindow(): number {
    const least = this.rtt.known ? this.rtt.least * REORDER_SHARE : 0
    return Math.min(Math.max(least, this.lateness), Math.max(this.rtt.smoothed, least))
  }

  /** Takes everything in flight for lost, without a word to the congestion control: the path was replaced. */
  abandon(now: number): void {
    const sent = this.sent
    for (let n = sent.head; n >= 0; ) {
      const following = sent.following(n)
      sent.sentAt[n & sent.mask] = Number.NEGATIVE_INFINITY
      this.queueLost(n)
      n = following
    }
    // The next congestion control counts from nothing, too: with the old total, each ack would end one of its rounds.
    this.delivery = new Delivery()
    this.lateness = 0
    this.lossAt = Number.POSITIVE_INFINITY
    this.lastLossAt = now
    this.lastLost = -1
    this.firstSampleAt = Number.POSITIVE_INFINITY
  }

  /**
   * The packet whose bytes are next to be sent again, or -1; stays first until {@link shift}. Skips those that have
   * arrived meanwhile.
   */
  peek(): number {
    const { sent, queue } = this
    while (this.queueHead !== this.queueTail) {
      const n = queue[this.queueHead]!
      const slot = n & sent.mask
      if (sent.state[slot] === LOST) {
        if (sent.offset[slot]! + sent.length[slot]! > this.acknowledged) return n
        sent.state[slot] = REPLACED
      }
      this.queueHead = (this.queueHead + 1) & (queue.length - 1)
    }
    return -1
  }

  /** The packet that peek() gave is sent again. */
  shift(): void {
    this.sent.state[this.queue[this.queueHead]! & this.sent.mask] = REPLACED
    this.queueHead = (this.queueHead + 1) & (this.queue.length - 1)
  }

  /** Forgets what is to be sent again: the flow was reset. */
  clear(): void {
    this.queueHead = this.queueTail
    this.lossAt = Number.POSITIVE_INFINITY
    for (let n = this.sent.head; n >= 0; n = this.sent.head) this.sent.land(n, REPLACED)
    this.sent.shrink()
  }

  private lose(n: number, now: number): void {
    const slot = n & this.sent.mask
    this.delivery.onLost(this.sent.size[slot]!, this.sent.flags[slot]!)
    this.losses++
    this.lossRate += (1 - this.lossRate) / 64
    this.lastLossAt = now
    this.noteRun(n)
    this.queueLost(n)
  }

  /** Whether the packet continues a run of lost ones, and for how long that has lasted. */
  private noteRun(n: number): void {
    const { sent, rtt } = this
    const sentAt = sent.sentAt[n & sent.mask]!
    let continues = this.lastLost >= sent.floor && this.lastLost < n
    for (let i = this.lastLost + 1; continues && i < n; i++) continues = sent.state[i & sent.mask] !== ACKED
    if (!continues || this.lostSince < this.firstSampleAt) this.lostSince = sentAt
    this.lastLost = n
    if (sentAt - this.lostSince > rtt.persistentDuration) this.persistentCongestion = true
  }

  private queueLost(n: number): void {
    const sent = this.sent
    const slot = n & sent.mask
    this.lostFlags |= sent.flags[slot]! & (HAS_OPEN | HAS_WINDOW)
    const covered =
      (sent.flags[slot]! & IS_COPY) !== 0 || sent.offset[slot]! + sent.length[slot]! <= this.acknowledged
    sent.land(n, covered ? REPLACED : LOST)
    if (covered) return
    const next = (this.queueTail + 1) & (this.queue.length - 1)
    if (next === this.queueHead) {
      this.growQueue()
      this.queue[this.queueTail++] = n
      return
    }
    this.queue[this.queueTail] = n
    this.queueTail = next
  }

  private growQueue(): void {
    const old = this.queue
    const queue = new Float64Array(old.length * 2)
    let count = 0
    for (let i = this.queueHead; i !== this.queueTail; i = (i + 1) & (old.length - 1))
      queue[count++] = old[i]!
    this.queue = queue
    this.queueHead = 0
    this.queueTail = count
  }

  /** A packet taken for lost has arrived: packets overtake each other, so be more patient for a while. */
  private revive(n: number, now: number): void {
    const sent = this.sent
    const slot = n & sent.mask
    sent.revive(n)
    const late = now - sent.sentAt[slot]! - this.rtt.smoothed
    if (late === Number.POSITIVE_INFINITY) return // abandoned with its path, not lost
    this.lastLost = -1
    this.delivery.onRevived(sent.size[slot]!, sent.flags[slot]!)
    this.lossRate -= this.lossRate / 32
    this.lateness = Math.max(this.lateness, late * 1.1 + 1)
    this.latenessUntil = now + REORDER_MEMORY_ROUNDS * this.rtt.smoothed
  }
}
