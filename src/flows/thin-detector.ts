/**
 * Notices a thin flow: small writes at regular times and little else, in both directions together, as of a game or a shell. A
 * transfer whose receiver answers with small messages is none, since its bytes count as well.
 */
import type { Limits } from '../limits.js'

export type ThinLimits = Pick<Limits, 'gameDatagrams' | 'thinWriteBytes' | 'thinBytesPerSecond'>

const WINDOW_MS = 1000
/** Small writes in one of these count once: a burst is not regular. */
const SLOT_MS = 100

export class ThinDetector {
  #since = Number.NEGATIVE_INFINITY
  #slot = Number.NEGATIVE_INFINITY
  #slots = 0
  #bytes = 0

  /** @param onthin called once a second while the flow is thin */
  constructor(
    readonly limits: ThinLimits,
    readonly onthin: () => void
  ) {}

  /** `size` bytes were sent or received at once. */
  add(size: number, now: number): void {
    const { gameDatagrams, thinWriteBytes, thinBytesPerSecond } = this.limits
    if (now - this.#since >= WINDOW_MS) {
      const wasThin = this.#slots >= gameDatagrams && this.#bytes <= thinBytesPerSecond
      this.#since = now
      this.#slots = 0
      this.#bytes = 0
      if (wasThin) this.onthin()
    }
    this.#bytes += size
    if (size > thinWriteBytes) return
    const slot = Math.floor(now / SLOT_MS)
    if (slot === this.#slot) return
    this.#slot = slot
    this.#slots++
  }
}
