/** Keys that are not dialled for a while: those of strangers, and of hosts that closed their session. */
import type { Limits } from '../../limits.js'

export class IgnoredKeys {
  /** Until when each is ignored, ms; the oldest first. */
  readonly #until = new Map<string, number>()

  constructor(readonly limits: Pick<Limits, 'strangers' | 'strangerRestMs'>) {}

  /** @param key in hex */
  add(key: string, now: number): void {
    this.#until.delete(key)
    if (this.#until.size >= this.limits.strangers) this.#until.delete(this.#until.keys().next().value!)
    this.#until.set(key, now + this.limits.strangerRestMs)
  }

  has(key: string, now: number): boolean {
    return now < (this.#until.get(key) ?? Number.NEGATIVE_INFINITY)
  }

  delete(key: string): void {
    this.#until.delete(key)
  }
}
