/** The path's own loss rate: what it loses at any rate, and so no sign of a full queue. */
import * as C from './constants.js'

/**
 * Loss that follows the sending rate is congestion; loss that does not is the path's own. So the rate is measured on packets
 * that left more slowly than the path delivers, in batches. Other flows may fill a queue meanwhile, which is why the least of
 * the last batches counts.
 */
export class PathLoss {
  /** 0 to 1. */
  rate = 0
  private readonly batches: number[] = []
  private sent = 0
  private lost = 0

  /** Notes slow packets that were acked or lost. `pipe`: packets that fill the path. */
  note(sent: number, lost: number, pipe: number): void {
    this.sent += sent
    this.lost += lost
    if (this.sent < Math.min(C.SLOW_BATCH, Math.max(C.SLOW_BATCH_MIN, pipe / 2))) return
    this.batches.push(this.lost / this.sent)
    if (this.batches.length > C.SLOW_BATCHES) this.batches.shift()
    this.rate = Math.min(C.PATH_LOSS_MAX, ...this.batches)
    this.sent = 0
    this.lost = 0
  }

  /** The rate is known from elsewhere. */
  set(rate: number): void {
    this.batches.length = 0
    this.batches.push(rate)
    this.rate = Math.min(C.PATH_LOSS_MAX, rate)
  }

  /** Whether more packets of a round were lost than the path loses by itself, chance considered. */
  isCongestion(lost: number, sent: number): boolean {
    const seen = this.seen
    const expected = (this.rate + this.slack + 1 / seen) * sent
    const deviation = Math.sqrt(expected * (1 + sent / seen))
    return lost >= Math.max(C.LOST_MIN, expected + C.LOSS_CHANCE * deviation)
  }

  /** Whether a loss rate, of so many packets, is above the path's own by more than probing may cost. */
  isExcess(rate: number, packets: number): boolean {
    return rate - this.rate > Math.max(C.LOSS_EXCESS, this.slack + this.chance(packets))
  }

  /** By how much the loss rate of so many packets may differ from the path's own by chance. */
  private chance(packets: number): number {
    const rate = Math.max(this.rate, 1 / this.seen)
    return C.LOSS_CHANCE * Math.sqrt(rate * (1 - rate) * (1 / Math.max(1, packets) + 1 / this.seen))
  }

  /** Where much is lost at any rate, losses come in bursts: twice as many may be chance. */
  private get slack(): number {
    return this.rate * Math.min(1, this.rate / C.LOSS_MUCH)
  }

  /** Packets that the rate rests upon. */
  private get seen(): number {
    return Math.max(C.SLOW_SEEN_MIN, this.batches.length * C.SLOW_BATCH)
  }
}
