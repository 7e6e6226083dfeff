/** Lets so many in at a time; the others wait in the order in which they came. */
export class Semaphore {
  #free: number
  readonly #waiting: (() => void)[] = []

  /** @param places 1 or more */
  constructor(places: number) {
    this.#free = places
  }

  /** Resolves when there is a place. @returns gives the place back; to be called once */
  async enter(): Promise<() => void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    return () => {
      const next = this.#waiting.shift()
      // The place passes to the next in line, so that a newcomer cannot take it.
      if (next) next()
      else this.#free++
    }
  }
}
