/**
 * Says of each authenticated counter whether it is seen for the first time: a sliding bitmap as in RFC 6479, so that
 * moving on clears whole words and no bits are shifted.
 */
export class ReplayWindow {
  readonly #words: Uint32Array
  readonly #size: number
  #newest = -1

  /** @param size how far behind the newest a counter may be, in counters; a multiple of 32 */
  constructor(size: number) {
    this.#size = size
    this.#words = new Uint32Array(size / 32 + 1)
  }

  /** True the first time that `counter` comes, if it is not too old; false for a copy. */
  accept(counter: number): boolean {
    const words = this.#words
    if (counter > this.#newest) {
      const from = Math.floor(this.#newest / 32)
      const to = Math.floor(counter / 32)
      const clear = Math.min(to - from, words.length)
      for (let i = 1; i <= clear; i++) words[(from + i) % words.length] = 0
      this.#newest = counter
    } else if (this.#newest - counter >= this.#size) {
      return false
    }
    const word = Math.floor(counter / 32) % words.length
    const bit = 1 << (counter % 32)
    if (words[word]! & bit) return false
    words[word]! |= bit
    return true
  }
}
