/** Where a session sends to: new destinations come at a rate, and are forgotten when they are not used. Pure. */
import type { TcpRelayLimits } from '../../limits.js'
import { TokenBucket } from '../../util/token-bucket.js'

type DestinationLimits = Pick<
  TcpRelayLimits,
  'destinationsPerSecond' | 'destinationBurst' | 'destinations' | 'destinationMs'
>

/** How old a note may be before it is renewed, ms: not with every packet. */
const RENEW_MS = 1000

export class Destinations {
  /** By address and port, when each was used last; the one used longest ago first. */
  readonly #used = new Map<number, number>()
  readonly #rate: TokenBucket
  readonly #limits: DestinationLimits
  readonly #admits: (host: number) => boolean

  /** @param admits whether packets may go to an address at all; asked for new destinations only */
  constructor(limits: DestinationLimits, admits: (host: number) => boolean = () => true) {
    this.#limits = limits
    this.#admits = admits
    this.#rate = new TokenBucket(limits.destinationsPerSecond / 1000, limits.destinationBurst)
  }

  get size(): number {
    return this.#used.size
  }

  /** Whether a packet may go there: it has been used recently, or there is room for a new one. */
  admit(host: number, port: number, now: number): boolean {
    const key = host * 65_536 + port
    const at = this.#used.get(key)
    if (at !== undefined && now - at < RENEW_MS) return true
    if (at === undefined) {
      if (!this.#admits(host) || !this.#rate.tryTake(1, now)) return false
      if (this.#used.size >= this.#limits.destinations) this.#used.delete(this.#used.keys().next().value!)
    } else this.#used.delete(key)
    this.#used.set(key, now)
    return true
  }

  /** Forgets what was not used for long. */
  sweep(now: number): void {
    for (const [key, at] of this.#used) {
      if (now - at < this.#limits.destinationMs) return
      this.#used.delete(key)
    }
  }
}
