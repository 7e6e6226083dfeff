/**
 * Redundancy for thin flows: keystrokes, game moves, requests. A retransmission costs them a round trip, a repeated
 * small segment costs next to nothing; so new segments repeat the last unacknowledged ones, and a lone one is sent again.
 */
import {
  COPY_MAX,
  COPY_MAX_LOSSY,
  COPY_MIN,
  COPY_MIN_LOSSY,
  COPY_SHARE,
  COPY_SHARE_LOSSY,
  COPY_TWICE_LOSS,
  THIN_BUDGET_BURST,
  THIN_BUDGET_PER_MS,
  THIN_REPEATS,
  THIN_REPEATS_LOSSY,
  THIN_SEGMENTS
} from './constants.js'

const NEVER = Number.POSITIVE_INFINITY

export class Thin {
  /** When the last small segment is to be sent again; Infinity for never. */
  copyAt = NEVER
  /** Offset from which on a copy repeats. */
  copyFrom = 0
  private copiesLeft = 0
  /** Offsets at which the last new data started, newest first. */
  private starts: [number, number, number] = [0, 0, 0]
  private budget = THIN_BUDGET_BURST
  private budgetAt = Number.NEGATIVE_INFINITY

  /**
   * Where a new segment should start, so that it repeats what was sent before.
   * @param acknowledged offset before which all is acknowledged
   * @param next offset of the first new byte; the segment will have `length` of those
   * @param room bytes that fit in the segment
   */
  startOf(
    acknowledged: number,
    next: number,
    length: number,
    room: number,
    lossy: boolean,
    now: number
  ): number {
    const unacked = next - acknowledged
    const spare = room - length
    if (unacked === 0 || spare <= 0 || unacked > THIN_SEGMENTS * room) return next
    this.refill(now)
    const oldest = this.starts[(lossy ? THIN_REPEATS_LOSSY : THIN_REPEATS) - 1]!
    let from = Math.max(acknowledged, oldest, next - spare)
    if (from < acknowledged || from > next) from = next
    return next - from <= this.budget ? from : next
  }

  /** A segment with new bytes from `next` on left, and repeated `repeated` bytes before them. */
  onSent(
    next: number,
    repeated: number,
    acknowledged: number,
    end: number,
    room: number,
    rtt: number,
    lossRate: number,
    lossy: boolean,
    now: number
  ): void {
    const s = this.starts
    s[2] = s[1]
    s[1] = s[0]
    s[0] = next
    this.spend(repeated)
    if (end - acknowledged > room) {
      this.copyAt = NEVER
      return
    }
    this.copyFrom = next
    this.copiesLeft = lossRate > COPY_TWICE_LOSS ? 2 : 1
    this.copyAt = now + copyDelay(rtt, lossy)
  }

  /** The copy is due: may it go? Arms the next one, if any. `bytes`: what it costs. */
  takeCopy(bytes: number, rtt: number, lossy: boolean, now: number): boolean {
    this.refill(now)
    this.copyAt = NEVER
    if (bytes > this.budget) return false
    this.spend(bytes)
    if (--this.copiesLeft > 0) this.copyAt = now + copyDelay(rtt, lossy)
    return true
  }

  cancel(): void {
    this.copyAt = NEVER
  }

  private spend(bytes: number): void {
    this.budget -= bytes
  }

  private refill(now: number): void {
    if (this.budgetAt !== Number.NEGATIVE_INFINITY) {
      this.budget = Math.min(THIN_BUDGET_BURST, this.budget + (now - this.budgetAt) * THIN_BUDGET_PER_MS)
    }
    this.budgetAt = now
  }
}

function copyDelay(rtt: number, lossy: boolean): number {
  return lossy
    ? Math.min(Math.max(rtt * COPY_SHARE_LOSSY, COPY_MIN_LOSSY), COPY_MAX_LOSSY)
    : Math.min(Math.max(rtt * COPY_SHARE, COPY_MIN), COPY_MAX)
}
