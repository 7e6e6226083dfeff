/** A node that others see, and where they see us: IPv4 address and UDP port. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** How many nodes must see us elsewhere: one may be wrong, or lie. */
const WITNESSES = 2

/** Nodes remembered. */
const REMEMBERED = 32

/**
 * Where other nodes see us. When they see us elsewhere than before, our router has another address, or has forgotten us and
 * given us another port: what we announced leads nowhere then.
 */
export class Sightings {
  readonly #last = new Map<string, { node: Place; seen: Place; at: number }>()
  readonly #elsewhere = new Map<string, number>()

  /** @param recentMs how long a NAT keeps the port of one partner at the least, ms */
  constructor(readonly recentMs: number) {}

  /** The nodes that we heard from last, the latest first. */
  nodes(count: number): Place[] {
    return [...this.#last.values()]
      .slice(-count)
      .reverse()
      .map(({ node }) => node)
  }

  /** A node tells where it sees us. @returns true when enough of them see us elsewhere than before */
  note(node: Place, seen: Place, now: number): boolean {
    const name = `${node.host}:${node.port}`
    const before = this.#last.get(name)
    this.#last.delete(name)
    this.#last.set(name, { node, seen, at: now })
    if (this.#last.size > REMEMBERED) this.#last.delete(this.#last.keys().next().value!)
    if (!before || !this.#differ(before, seen, now)) return false
    this.#elsewhere.set(name, now)
    for (const [witness, at] of this.#elsewhere) {
      if (now - at >= this.recentMs) this.#elsewhere.delete(witness)
    }
    if (this.#elsewhere.size < WITNESSES) return false
    this.#elsewhere.clear()
    return true
  }

  #differ(before: { seen: Place; at: number }, seen: Place, now: number): boolean {
    if (before.seen.host !== seen.host) return true
    return before.seen.port !== seen.port && now - before.at < this.recentMs
  }

  /** We send from another socket now. */
  clear(): void {
    this.#last.clear()
    this.#elsewhere.clear()
  }
}
