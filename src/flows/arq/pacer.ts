/** Spreads packets over time at the rate that the congestion control allows: a token bucket kept as a time. */
import { PACE_BURST, PACE_LATE, PACE_PACKETS, PACE_QUANTUM } from './constants.js'

export class Pacer {
  /** Bytes per ms. */
  private rate = Number.POSITIVE_INFINITY
  /** Time at which the bytes sent so far are paid for. */
  private paidUntil = Number.NEGATIVE_INFINITY
  private burst = PACE_BURST
  private lastSentAt = Number.NEGATIVE_INFINITY
  /** Something was held back: being woken late is then no reason to send less. */
  private waiting = false

  /** Sets the rate in bytes per ms, above 0. */
  setRate(rate: number, mtu: number): void {
    this.rate = rate
    this.burst = Math.max(PACE_BURST, (PACE_PACKETS * mtu) / rate)
  }

  /** May a packet leave now? A refusal is remembered, so that the waiter is woken. */
  mayLeave(now: number): boolean {
    if (this.paidUntil <= now) return true
    this.waiting = true
    return false
  }

  /** A packet of `bytes` left, allowed or not. */
  onSent(bytes: number, now: number): void {
    const saved = this.waiting ? Math.max(PACE_LATE, this.burst) : this.burst
    this.paidUntil = Math.max(this.paidUntil, now - saved) + bytes / this.rate
    this.lastSentAt = now
  }

  /** There was nothing more to send: time that passes from here on saves up no more than a burst. */
  onIdle(): void {
    this.waiting = false
  }

  /** When a packet that was held back may leave; never sooner than a quantum after the last one. */
  wakeAt(): number {
    return Math.max(this.paidUntil, this.lastSentAt + PACE_QUANTUM)
  }

  /** A new path: nothing is owed. */
  reset(): void {
    this.paidUntil = Number.NEGATIVE_INFINITY
    this.rate = Number.POSITIVE_INFINITY
  }
}
