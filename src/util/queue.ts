/**
 * FIFO without duplicates: a doubly linked list whose nodes belong to one queue at a time. Not a Set: V8 rebuilds the table of
 * a Set that items enter and leave with every message, each old table keeps a reference to the next, and once one of them is
 * in the old generation, all that follow stay until that is collected, perhaps 100 MB later.
 */
export class Queue<T> {
  #first: QueueNode<T> | null = null
  #last: QueueNode<T> | null = null
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The first item, which stays in the queue; null if the queue is empty. */
  get first(): T | null {
    return this.#first?.item ?? null
  }

  has(node: QueueNode<T>): boolean {
    return node.queue === this
  }

  /** Appends a node. One that is queued here keeps its position; one in another queue is removed there first. */
  add(node: QueueNode<T>): void {
    if (node.queue === this) return
    node.queue?.delete(node)
    node.queue = this
    node.previous = this.#last
    if (this.#last) this.#last.next = node
    else this.#first = node
    this.#last = node
    this.#size++
  }

  delete(node: QueueNode<T>): void {
    if (node.queue !== this) return
    const { previous, next } = node
    if (previous) previous.next = next
    else this.#first = next
    if (next) next.previous = previous
    else this.#last = previous
    node.queue = node.previous = node.next = null
    this.#size--
  }

  /** Removes and returns the first item; null if the queue is empty. */
  take(): T | null {
    const node = this.#first
    if (!node) return null
    this.delete(node)
    return node.item
  }

  clear(): void {
    while (this.#first) this.delete(this.#first)
  }
}

/** An item of a {@link Queue}, and its neighbours there. */
export class QueueNode<T> {
  queue: Queue<T> | null = null
  previous: QueueNode<T> | null = null
  next: QueueNode<T> | null = null

  constructor(readonly item: T) {}
}
