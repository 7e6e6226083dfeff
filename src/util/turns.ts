/** A tree of queues that take turns: at each step of a path, the branches that begin alike are served in turn. */
export class Turns<T> {
  /** Items on this path, in the order in which they came. */
  readonly #items: T[] = []
  /** Longer paths, the one whose turn is next first. */
  readonly #branches = new Map<string, Turns<T>>()
  #size = 0

  /** Number of items, over all paths. */
  get size(): number {
    return this.#size
  }

  add([step, ...rest]: readonly string[], item: T): void {
    this.#size++
    if (step === undefined) return void this.#items.push(item)
    const branch = this.#branches.get(step) ?? new Turns<T>()
    this.#branches.set(step, branch)
    branch.add(rest, item)
  }

  /** Removes and returns the next item; undefined when there is none. */
  take(): T | undefined {
    for (const [step, branch] of this.#branches) {
      this.#size--
      this.#branches.delete(step)
      const item = branch.take()
      if (branch.size > 0) this.#branches.set(step, branch)
      return item
    }
    return this.#remove(this.#items.shift())
  }

  /** Removes and returns the latest item of the fullest branch, at each step; undefined when there is none. */
  dropFromLongest(): T | undefined {
    let longest: readonly [string, Turns<T>] | undefined
    for (const branch of this.#branches) {
      if (!longest || branch[1].size >= longest[1].size) longest = branch
    }
    if (!longest) return this.#remove(this.#items.pop())
    const [step, branch] = longest
    this.#size--
    const item = branch.dropFromLongest()
    if (branch.size === 0) this.#branches.delete(step)
    return item
  }

  #remove(item: T | undefined): T | undefined {
    if (item !== undefined) this.#size--
    return item
  }
}
