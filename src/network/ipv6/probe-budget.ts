/** How many probes a node may send to addresses that have not answered. Peers with a session keep a part of it from those without. */
import type { Limits } from '../../limits.js'
import type { Clock } from '../../util/clock.js'
import { TokenBucket } from '../../util/token-bucket.js'

export class ProbeBudget {
  readonly #bucket: TokenBucket

  constructor(
    readonly clock: Pick<Clock, 'now'>,
    readonly limits: Pick<Limits, 'ipv6PacketsPerSecond' | 'ipv6ReservedPackets'>
  ) {
    const { ipv6PacketsPerSecond } = limits
    this.#bucket = new TokenBucket(ipv6PacketsPerSecond / 1000, ipv6PacketsPerSecond)
  }

  /** Whether one more may be sent for a session. */
  readonly admit = (): boolean => this.#take(1)

  /** The same for a peer that has no session yet. */
  readonly admitNew = (): boolean => this.#take(1 + this.limits.ipv6ReservedPackets)

  #take(least: number): boolean {
    if (!this.#bucket.has(least, this.clock.now())) return false
    this.#bucket.take(1)
    return true
  }
}
