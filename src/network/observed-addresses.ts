import { Counts } from './counts.js'

/** An IPv4 address and a UDP port. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** Number of witnesses that must see us at the same other address: one may be wrong, or lie. */
const WITNESSES = 2

/** Number of nodes that are remembered. */
const REMEMBERED = 32

/** What a node observed last. */
interface Observation {
  readonly node: Endpoint
  readonly seen: Endpoint
  readonly at: number
  /** It has not answered since. */
  silent: boolean
}

/** A node that observes another address than before. */
interface Change {
  readonly node: Endpoint
  /** The new address, without the port: a NAT may have one for each partner. */
  readonly to: string
  readonly at: number
}

/**
 * This machine's address as other nodes observe it. When they observe another one, our router has got a new address, or has dropped its
 * mapping and given us another port: what we announced leads nowhere then.
 *
 * Nodes at the same address are one witness, since anyone can run two on one machine. Only where no other machine answers, as in a private
 * DHT on one, each of them is a witness.
 */
export class ObservedAddresses {
  readonly #last = new Map<string, Observation>()
  readonly #changed = new Map<string, Change>()

  /** @param recentMs how long a NAT keeps the port of an idle peer at least, ms */
  constructor(readonly recentMs: number) {}

  /** The nodes that answered last: one of each machine, the latest first, then the others. */
  nodes(count: number): Endpoint[] {
    const latest = [...this.#last.values()].reverse().map(({ node }) => node)
    const ofEach = new Map<string, Endpoint>()
    for (const node of latest) if (!ofEach.has(node.host)) ofEach.set(node.host, node)
    return [...new Set([...ofEach.values(), ...latest])].slice(0, count)
  }

  /** Records what a node observes. @returns true when enough of them observe another address than before */
  note(node: Endpoint, seen: Endpoint, now: number): boolean {
    const name = nameOf(node)
    const before = this.#last.get(name)
    this.#last.delete(name)
    this.#last.set(name, { node, seen, at: now, silent: false })
    if (this.#last.size > REMEMBERED) this.#forgetOne()
    if (!before || !this.#differ(before, seen, now)) return false
    this.#changed.set(name, { node, to: seen.host, at: now })
    for (const [witness, { at }] of this.#changed) {
      if (now - at >= this.recentMs) this.#changed.delete(witness)
    }
    const agreeing = [...this.#changed.values()].filter(({ to }) => to === seen.host)
    const isAlone = this.#answering().size === 1
    const witnesses = new Set(agreeing.map(({ node }) => (isAlone ? nameOf(node) : node.host)))
    if (witnesses.size < WITNESSES) return false
    this.#changed.clear()
    return true
  }

  /** A node does not answer. */
  missed(node: Endpoint): void {
    const last = this.#last.get(nameOf(node))
    if (last) last.silent = true
  }

  /** The addresses whose nodes answered when they were asked last. */
  #answering(): Set<string> {
    return new Set([...this.#last.values()].flatMap(({ node, silent }) => (silent ? [] : [node.host])))
  }

  /** The oldest node of the address that has the most: those of one machine do not displace all others. */
  #forgetOne(): void {
    const counts = new Counts()
    for (const { node } of this.#last.values()) counts.add(node.host)
    const most = Math.max(...[...this.#last.values()].map(({ node }) => counts.of(node.host)))
    for (const [name, { node }] of this.#last) {
      if (counts.of(node.host) === most) return void this.#last.delete(name)
    }
  }

  #differ(before: Observation, seen: Endpoint, now: number): boolean {
    if (before.seen.host !== seen.host) return true
    return before.seen.port !== seen.port && now - before.at < this.recentMs
  }

  /** Packets leave from another socket now. */
  clear(): void {
    this.#last.clear()
    this.#changed.clear()
  }
}

function nameOf({ host, port }: Endpoint): string {
  return `${host}:${port}`
}
