/** Numbers of streams, from 1 to 2^32 - 1: random ones, each with low bits of its own, by which libudx finds its stream. */
export class StreamIds {
  readonly #taken = new Set<number>()
  /** Which bits differ from those of all others; at least half of the values that they have are free. */
  #mask = 15

  /** @param chance numbers from 0 to below 1 */
  constructor(readonly chance = Math.random) {}

  take(): number {
    if (2 * this.#taken.size >= this.#mask) this.#mask = 2 * this.#mask + 1
    const low = new Set([...this.#taken].map(id => (id & this.#mask) >>> 0))
    for (;;) {
      const id = Math.floor(this.chance() * 0xffffffff) + 1
      if (low.has((id & this.#mask) >>> 0)) continue
      this.#taken.add(id)
      return id
    }
  }

  giveBack(id: number): void {
    this.#taken.delete(id)
  }
}
