/** Looks up a server's topic: soon while a host is missed, then less and less often. */

import type { Limits } from '../../limits.js'
import type { Log } from '../../log/log.js'
import type { Found } from '../../network/topic.js'
import type { Clock, Timer } from '../../util/clock.js'

export interface TopicLookupDeps {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'firstLookUpMs' | 'hostHoldMs' | 'lookUpMs' | 'lookUpMaxMs'>
  readonly log: Log
  /** Asks the DHT once. */
  readonly lookUp: () => Promise<readonly Found[]>
  readonly found: (found: readonly Found[]) => void
}

export class TopicLookup {
  readonly #deps: TopicLookupDeps
  #timer: Timer | null = null
  /** Between the last look-up and the next, ms; 0 while a host is missed and nobody has been asked since. */
  #wait = 0
  #at = Number.NEGATIVE_INFINITY
  #busy = false
  #closed = false

  constructor(deps: TopicLookupDeps) {
    this.#deps = deps
  }

  /** Whether a look-up is under way. */
  get busy(): boolean {
    return this.#busy
  }

  /** The first connection goes first, unless there is none: {@link hurry}. */
  start(): void {
    const { clock, limits } = this.#deps
    this.#timer = clock.after(limits.firstLookUpMs, () => this.#look())
  }

  /** What was planned is due now, if nobody was asked since a host was missed. */
  hurry(): void {
    if (this.#wait === 0) this.#look()
  }

  /** A host is missed: others are asked for, again and again for a while. */
  soon(): void {
    const { clock, limits } = this.#deps
    this.#wait = 0
    this.#timer?.cancel()
    const now = clock.now()
    const due = this.#at + limits.hostHoldMs
    if (due <= now) this.#look()
    else this.#timer = clock.after(due - now, () => this.#look())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #look(): void {
    this.#timer?.cancel()
    if (this.#closed) return
    const { clock, limits, log, lookUp, found } = this.#deps
    this.#wait = Math.min(this.#wait * 2 || limits.lookUpMs, limits.lookUpMaxMs)
    this.#timer = clock.after(this.#wait, () => this.#look())
    if (this.#busy) return
    this.#busy = true
    this.#at = clock.now()
    lookUp()
      .then(
        all => {
          if (!this.#closed) found(all)
        },
        err => log.debug({ err }, 'the topic could not be looked up')
      )
      .finally(() => {
        this.#busy = false
      })
  }
}
