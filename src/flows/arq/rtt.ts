/** Round-trip time: smoothed, varied, least; and the probe timeout that follows from it (RFC 6298, RFC 9002 6.2). */
import { GRANULARITY, PEER_ACK_DELAY, PERSISTENT_THRESHOLD, PTO_MAX, RTT_INITIAL } from './constants.js'

export class Rtt {
  /** Last sample in ms, less the peer's ack delay where that leaves no less than {@link least}. */
  latest = 0
  /** Smoothed round trip in ms; before the first sample a guess. */
  smoothed = RTT_INITIAL
  variation = RTT_INITIAL / 2
  /** Least sample of this path, ack delay included, in ms; Infinity before the first. */
  least = Number.POSITIVE_INFINITY
  private sampled = false
  /** Doublings of the probe timeout: one for each that expired in a row. */
  backoff = 0

  get known(): boolean {
    return this.least !== Number.POSITIVE_INFINITY
  }

  /**
   * Takes a sample (RFC 9002 5.2 and 5.3).
   * @param elapsed time from sending to ack
   * @param ackDelay how much of it the peer reports to have waited. It lowers neither the first sample nor the least one, so
   *   a peer cannot make the path look shorter than it is
   */
  sample(elapsed: number, ackDelay: number): void {
    const adjusted = elapsed - Math.min(ackDelay, PEER_ACK_DELAY)
    const rtt = this.known && adjusted >= this.least ? adjusted : elapsed
    this.latest = rtt
    if (!this.sampled) {
      this.sampled = true
      this.smoothed = rtt
      this.variation = rtt / 2
    } else {
      this.variation += (Math.abs(this.smoothed - rtt) - this.variation) / 4
      this.smoothed += (rtt - this.smoothed) / 8
    }
    if (elapsed < this.least) this.least = elapsed
  }

  /** Time in ms without an ack after which a probe is sent, doublings included. */
  get probeTimeout(): number {
    const base = this.smoothed + Math.max(4 * this.variation, GRANULARITY) + PEER_ACK_DELAY
    return Math.min(base * 2 ** Math.min(this.backoff, 16), PTO_MAX)
  }

  /** How long nothing must come through for persistent congestion, ms (RFC 9002 7.6.1). */
  get persistentDuration(): number {
    return PERSISTENT_THRESHOLD * (this.smoothed + Math.max(4 * this.variation, GRANULARITY) + PEER_ACK_DELAY)
  }

  /** The least round trip may be outdated: the next sample replaces it (RFC 9002 5.2). */
  forgetLeast(): void {
    this.least = Number.POSITIVE_INFINITY
  }

  /** Forgets the path. */
  reset(): void {
    this.latest = 0
    this.sampled = false
    this.smoothed = RTT_INITIAL
    this.variation = RTT_INITIAL / 2
    this.least = Number.POSITIVE_INFINITY
    this.backoff = 0
  }
}
