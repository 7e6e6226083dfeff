/** Round trips of the last rounds: whether another flow keeps a long queue, whatever we do. */
import * as C from './constants.js'

interface Span {
  rounds: number
  long: number
  sum: number
  least: number
}

const emptySpan = (): Span => ({ rounds: 0, long: 0, sum: 0, least: Number.POSITIVE_INFINITY })

export class QueueMonitor {
  private current = emptySpan()
  private last = emptySpan()

  /** Notes the mean round trip of a round. `minRtt`: without any queue. */
  note(mean: number, minRtt: number): void {
    if (this.current.rounds === C.COMPETING_ROUNDS) {
      this.last = this.current
      this.current = emptySpan()
    }
    const span = this.current
    span.rounds++
    span.sum += mean
    if (mean > minRtt * C.COMPETING_QUEUE) span.long++
    if (mean < span.least) span.least = mean
  }

  /** Least mean round trip of a round: what others leave, whatever we do. */
  get least(): number {
    return Math.min(this.current.least, this.last.least)
  }

  get mean(): number {
    return (this.current.sum + this.last.sum) / Math.max(1, this.rounds)
  }

  /** A long queue stands nearly all the time. */
  get stands(): boolean {
    return this.last.rounds > 0 && this.current.long + this.last.long >= C.COMPETING_SHARE * this.rounds
  }

  private get rounds(): number {
    return this.current.rounds + this.last.rounds
  }
}
