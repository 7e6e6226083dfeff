/** The most that may be in flight after the queue has overflowed: CUBIC's curve (RFC 9438), which other flows follow too. */
import * as C from './constants.js'

/** Packets a round by which a window grows that is as aggressive as Reno's, but shrinks to BETA (RFC 9438 4.3). */
const RENO_GROWTH = (3 * (1 - C.BETA)) / (1 + C.BETA)

/** Keeps bytes. Each cut leaves BETA of what was in flight; the curve leads back to there, and probing goes on above it. */
export class CubicCeiling {
  /** Infinity while no queue has overflowed. */
  bytes = Number.POSITIVE_INFINITY
  /** Bytes in flight when the queue was full last (W_max), and those without fast convergence. */
  private full = 0
  private fullSeen = 0
  private cutAt = 0
  /** Time from the cut to W_max on CUBIC's curve (K), and on the faster of it and Reno's line, ms. */
  private cubicTime = 0
  private regrowTime = 0
  /** Rounds of probing since the last cut. */
  private probedRounds = 0
  private before: { bytes: number; full: number } = { bytes: this.bytes, full: 0 }

  /** The queue was full with `flight` bytes on the path. `rtt` in ms. */
  cut(flight: number, mtu: number, rtt: number, now: number): void {
    this.before = { bytes: this.bytes, full: this.fullSeen }
    const full = Math.min(flight, this.bytes)
    // Fast convergence (RFC 9438 4.7): who has less than before leaves room for newcomers.
    this.full = full < this.fullSeen ? (full * (1 + C.BETA)) / 2 : full
    this.fullSeen = full
    this.bytes = full * C.BETA
    this.cutAt = now
    this.probedRounds = 0
    const missing = Math.max(0, this.full - this.bytes) / mtu
    this.cubicTime = 1000 * Math.cbrt(missing / C.CUBIC)
    this.regrowTime = Math.min(this.cubicTime, (missing * rtt) / RENO_GROWTH)
  }

  /** The last cut was a mistake. */
  undo(): void {
    this.bytes = this.before.bytes
    this.full = this.fullSeen = this.before.full
  }

  /** Losses are no guide for now. */
  lift(): void {
    this.bytes = Number.POSITIVE_INFINITY
    this.full = this.fullSeen = 0
  }

  /** Rises with time, up to where the queue was full. */
  raise(mtu: number, rtt: number, now: number): void {
    if (this.bytes >= this.full) return
    const time = now - this.cutAt
    const cubic = this.full + C.CUBIC * ((time - this.cubicTime) / 1000) ** 3 * mtu
    const reno = this.fullSeen * C.BETA + RENO_GROWTH * (time / rtt) * mtu
    this.bytes = Math.max(this.bytes, Math.min(this.full, Math.max(cubic, reno)))
  }

  /** Rises while probing: by one packet in the first round after a cut, then by 2, 4 .. (BBR 5.3.3.6), a quarter at most. */
  probe(acked: number, mtu: number): void {
    if (this.bytes === Number.POSITIVE_INFINITY) return
    this.bytes += acked * Math.min(C.PROBE_GROWTH_MAX, (mtu / this.bytes) * 2 ** this.probedRounds)
  }

  /** Probing begins with one packet again: a short queue would not hold more. */
  restartProbing(): void {
    this.probedRounds = 0
  }

  /** A round of probing is over. */
  endProbeRound(): void {
    this.probedRounds++
  }

  /** Whether this share of the time has passed that the curve takes to regrow. */
  hasPassed(share: number, now: number): boolean {
    return now >= this.cutAt + share * this.regrowTime
  }
}
