/** An IPv4 address and a UDP port. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Number of nodes that must see another address: one may be wrong, or lie. */
const WITNESSES = 2

/** Number of nodes that are remembered. */
const REMEMBERED = 32

/**
 * This machine's address as other nodes observe it. When they observe another one, our router has got a new address, or has dropped its
 * mapping and given us another port: what we announced leads nowhere then.
 */
export class ObservedAddresses {
  readonly #last = new Map<string, { node: Endpoint; seen: Endpoint; at: number }>()
  readonly #changed = new Map<string, number>()

  /** @param recentMs how long a NAT keeps the port of an idle peer at least, ms */
  constructor(readonly recentMs: number) {}

  /** The nodes that answered last, the latest first. */
  nodes(count: number): Endpoint[] {
    return [...this.#last.values()]
      .slice(-count)
      .reverse()
      .map(({ node }) => node)
  }

  /** Records what a node observes. @returns true when enough of them observe another address than before */
  note(node: Endpoint, seen: Endpoint, now: number): boolean {
    const name = `${node.host}:${node.port}`
    const before = this.#last.get(name)
    this.#last.delete(name)
    this.#last.set(name, { node, seen, at: now })
    if (this.#last.size > REMEMBERED) this.#last.delete(this.#last.keys().next().value!)
    if (!before || !this.#differ(before, seen, now)) return false
    this.#changed.set(name, now)
    for (const [witness, at] of this.#changed) {
      if (now - at >= this.recentMs) this.#changed.delete(witness)
    }
    if (this.#changed.size < WITNESSES) return false
    this.#changed.clear()
    return true
  }

  #differ(before: { seen: Endpoint; at: number }, seen: Endpoint, now: number): boolean {
    if (before.seen.host !== seen.host) return true
    return before.seen.port !== seen.port && now - before.at < this.recentMs
  }

  /** Packets leave from another socket now. */
  clear(): void {
    this.#last.clear()
    this.#changed.clear()
  }
}
