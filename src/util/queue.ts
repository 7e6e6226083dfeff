/**
 * Who waits for a turn, each once, in the order in which they came. Links, not a Set: one that flows enter and leave with every
 * message makes a new table every few times, each old table points to the next, and once one of them has grown old, the
 * garbage collector keeps all that follow until it collects the old generation, which may be 100 MB later.
 */
export class Queue<T> {
  #first: Place<T> | null = null
  #last: Place<T> | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The first one, who stays; null if nobody waits. */
  get first(): T | null {
    return this.#first?.item ?? null
  }

  has(place: Place<T>): boolean {
    return place.queue === this
  }

  /** Puts it last; if it waits here already, it keeps its place. One that waits elsewhere leaves there. */
  add(place: Place<T>): void {
    if (place.queue === this) return
    place.queue?.delete(place)
    place.queue = this
    place.before = this.#last
    if (this.#last) this.#last.behind = place
    else this.#first = place
    this.#last = place
    this.#size++
  }

  delete(place: Place<T>): void {
    if (place.queue !== this) return
    const { before, behind } = place
    if (before) before.behind = behind
    else this.#first = behind
    if (behind) behind.before = before
    else this.#last = before
    place.queue = place.before = place.behind = null
    this.#size--
  }

  /** The first one, who leaves; null if nobody waits. */
  take(): T | null {
    const place = this.#first
    if (!place) return null
    this.delete(place)
    return place.item
  }

  clear(): void {
    while (this.#first) this.delete(this.#first)
  }
}

/** What somebody needs to wait in a {@link Queue}, in one at a time. */
export class Place<T> {
  queue: Queue<T> | null = null
  before: Place<T> | null = null
  behind: Place<T> | null = null

  constructor(readonly item: T) {}
}
