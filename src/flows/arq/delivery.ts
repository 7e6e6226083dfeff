/** Delivery-rate samples: what the congestion control knows of the path (draft-ietf-ccwg-bbr 4.1). */
import { APP_LIMITED, IS_SLOW, type Sent } from './sent.js'

/** What one ack told. One object serves for all acks. */
export interface RateSample {
  /** Bytes delivered per ms while the newest acked packet was under way; 0 when there is none. */
  rate: number
  /** The sender had nothing more to send then: the rate is a lower bound. */
  appLimited: boolean
  /** Round trip of the newest acked packet in ms, the peer's ack delay taken off; 0 when there is none. */
  rtt: number
  /** Bytes newly delivered and newly lost. */
  acked: number
  lost: number
  /** Of those, bytes that were sent more slowly than the path delivers (see `IS_SLOW`). */
  slowAcked: number
  slowLost: number
  /** Total delivered when the newest acked packet left. */
  priorDelivered: number
  /** Bytes in flight when the newest acked packet left, and bytes lost since. */
  flightThen: number
  lostSince: number
  /** Bytes in flight now. */
  inFlight: number
}

/** Counts what the path delivers and loses. Bytes include headers. */
export class Delivery {
  delivered = 0
  lost = 0
  readonly sample: RateSample = {
    rate: 0,
    appLimited: false,
    rtt: 0,
    acked: 0,
    lost: 0,
    slowAcked: 0,
    slowLost: 0,
    priorDelivered: 0,
    flightThen: 0,
    lostSince: 0,
    inFlight: 0
  }
  private deliveredAt = 0
  private firstSentAt = 0
  /** `delivered` at which the path will have drained of what was sent while app-limited; 0 when it has. */
  private limitedUntil = 0
  private lostBefore = 0
  private deliveredBefore = 0
  private slowAcked = 0
  private slowLost = 0
  private newest = -1

  /** Fills in the delivery fields of the packet just noted in `slot`. `flying`: bytes in flight before it. */
  onSent(sent: Sent, slot: number, flying: number, now: number): void {
    if (flying === 0) {
      this.firstSentAt = now
      this.deliveredAt = now
    }
    sent.delivered[slot] = this.delivered
    sent.deliveredAt[slot] = this.deliveredAt
    sent.firstSentAt[slot] = this.firstSentAt
    sent.lost[slot] = this.lost
    sent.inFlight[slot] = sent.bytesInFlight
    if (this.limitedUntil > 0) sent.flags[slot]! |= APP_LIMITED
  }

  /** The sender has sent all it had, with room left in the window. */
  onAppLimited(inFlight: number): void {
    this.limitedUntil = Math.max(1, this.delivered + inFlight)
  }

  begin(): void {
    this.newest = -1
  }

  /** The packet in `slot` is acked; of those of one ack, the newest gives the sample. */
  onAcked(number: number, size: number, flags: number): void {
    this.delivered += size
    if ((flags & IS_SLOW) !== 0) this.slowAcked += size
    if (number > this.newest) this.newest = number
  }

  onLost(size: number, flags: number): void {
    this.lost += size
    if ((flags & IS_SLOW) !== 0) this.slowLost += size
  }

  /** A packet counted as lost has arrived after all. */
  onRevived(size: number, flags: number): void {
    this.lost -= size
    this.delivered += size
    if ((flags & IS_SLOW) !== 0) {
      this.slowLost -= size
      this.slowAcked += size
    }
  }

  /** Completes the sample of one ack. `leastRtt`: shorter intervals would give rates that cannot be. */
  finish(sent: Sent, rtt: number, leastRtt: number, now: number): RateSample {
    const s = this.sample
    s.acked = this.delivered - this.deliveredBefore
    s.lost = Math.max(0, this.lost - this.lostBefore)
    this.deliveredBefore = this.delivered
    this.lostBefore = this.lost
    s.slowAcked = this.slowAcked
    s.slowLost = this.slowLost
    this.slowAcked = 0
    this.slowLost = 0
    s.inFlight = sent.bytesInFlight
    s.rtt = rtt
    s.rate = 0
    if (this.limitedUntil > 0 && this.delivered > this.limitedUntil) this.limitedUntil = 0
    if (this.newest >= 0) {
      const slot = this.newest & sent.mask
      this.deliveredAt = now
      this.firstSentAt = sent.sentAt[slot]!
      s.priorDelivered = sent.delivered[slot]!
      s.flightThen = sent.inFlight[slot]!
      s.lostSince = this.lost - sent.lost[slot]!
      s.appLimited = (sent.flags[slot]! & APP_LIMITED) !== 0
      const sendTime = sent.sentAt[slot]! - sent.firstSentAt[slot]!
      const ackTime = now - sent.deliveredAt[slot]!
      const interval = Math.max(sendTime, ackTime)
      if (interval >= leastRtt * 0.9 && interval > 0) s.rate = (this.delivered - s.priorDelivered) / interval
    }
    return s
  }
}
