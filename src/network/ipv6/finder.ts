/**
 * Finds pairs of addresses, one of each side, between which packets pass in both directions. Both sides send questions from their own
 * addresses to those that the peer has told, a few in a second: each opens the firewall of its sender for the answers. A question is
 * answered at once by a packet of the same size.
 *
 * Pure: packets, time and the limits of the node come from outside.
 */
import { ReplayWindow } from '../../datagrams/replay.js'
import type { Limits } from '../../limits.js'
import type { Clock, Timer } from '../../util/clock.js'
import { TokenBucket } from '../../util/token-bucket.js'
import type { Ipv6Address } from '../../wire/addresses.js'
import type { Probe, ProbeSeal } from './probe.js'

export type FinderLimits = Pick<Limits, 'ipv6Rounds' | 'ipv6RoundMs' | 'ipv6Pairs' | 'ipv6AnswersPerSecond'>

/** An own address and one of the peer's. */
export interface Pair {
  readonly local: string
  readonly remote: Ipv6Address
}

/** A pair, and what has come over it. */
export interface ProbedPair extends Pair {
  /** Questions without an answer, by their numbers: when they were sent, ms. */
  readonly asked: Map<number, number>
  /** The lowest round trip, ms; Infinity while nothing was answered. */
  rtt: number
  answers: number
}

export interface FinderDeps {
  readonly clock: Clock
  readonly limits: FinderLimits
  /** Whether packets may go from an own address to one of the peer's. */
  readonly allows: (local: string, remote: Ipv6Address) => boolean
  /** Whether the node may send one more packet to an address that has not answered yet. */
  readonly admit: () => boolean
  readonly send: (local: string, remote: Ipv6Address, packet: Uint8Array) => void
}

export interface FinderEvents {
  /** The peer has answered over a pair; `stream` is its stream that waits there, 0 without one. */
  answered(pair: ProbedPair, stream: number): void
  /** The peer asks over a pair, and names its stream. @returns the own stream that waits there, 0 without one */
  asked(pair: Pair, stream: number): number
  /** A round of questions goes out. */
  round(): void
  /** The last round is over. */
  over(): void
}

/** Numbers of the peer's probes that are remembered. */
const WINDOW = 64

/** Questions of one pair whose answers are still of use. */
const ASKED = 16

export class PathFinder {
  readonly #deps: FinderDeps
  readonly #ours: ProbeSeal
  readonly #theirs: ProbeSeal
  readonly #events: FinderEvents
  readonly #seen = new ReplayWindow(WINDOW)
  readonly #answers: TokenBucket
  #pairs: ProbedPair[] = []
  #remotes: readonly Ipv6Address[] = []
  #number = 0
  #rounds = 0
  #timer: Timer | null = null
  #closed = false

  constructor(deps: FinderDeps, ours: ProbeSeal, theirs: ProbeSeal, events: FinderEvents) {
    this.#deps = deps
    this.#ours = ours
    this.#theirs = theirs
    this.#events = events
    const { ipv6AnswersPerSecond } = deps.limits
    this.#answers = new TokenBucket(ipv6AnswersPerSecond / 1000, ipv6AnswersPerSecond)
  }

  /** The pairs, the best one first. */
  get pairs(): readonly ProbedPair[] {
    return [...this.#pairs].sort((a, b) => a.rtt - b.rtt)
  }

  /** Whether rounds of questions are under way. */
  get busy(): boolean {
    return this.#timer !== null
  }

  /** Asks in a few rounds, from each of `locals` to each of `remotes`, as far as there may be pairs. */
  find(locals: readonly string[], remotes: readonly Ipv6Address[]): void {
    const { limits, allows } = this.#deps
    this.#timer?.cancel()
    this.#timer = null
    this.#remotes = remotes
    const pairs = locals.flatMap((local, i) =>
      remotes.flatMap((remote, j) => (allows(local, remote) ? [{ local, remote, order: i + j }] : []))
    )
    pairs.sort((a, b) => a.order - b.order)
    this.#pairs = pairs.slice(0, limits.ipv6Pairs).map(({ local, remote }) => newPair(local, remote))
    this.#rounds = 0
    if (this.#pairs.length > 0 && !this.#closed) this.#round()
  }

  /** Ends the rounds; questions are still answered. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  close(): void {
    this.#closed = true
    this.stop()
  }

  #round(): void {
    const { clock, limits, admit } = this.#deps
    if (this.#rounds++ >= limits.ipv6Rounds) {
      this.#timer = null
      return this.#events.over()
    }
    this.#timer = clock.after(limits.ipv6RoundMs, () => this.#round())
    for (const pair of this.#pairs) if (pair.answers > 0 || admit()) this.ask(pair, 0)
    this.#events.round()
  }

  /** Asks once over a pair. @param stream the own stream that waits there, 0 without one */
  ask(pair: ProbedPair, stream: number): void {
    if (this.#closed) return
    const number = ++this.#number
    pair.asked.set(number, this.#deps.clock.now())
    if (pair.asked.size > ASKED) pair.asked.delete(pair.asked.keys().next().value!)
    this.#send(pair, { number, echo: 0, stream })
  }

  #send({ local, remote }: Pair, probe: Probe): void {
    this.#deps.send(local, remote, this.#ours.seal(probe))
  }

  /** A packet that may be a probe of the peer's; it is ignored if it is not, or comes from elsewhere than the peer has told. */
  receive(packet: Uint8Array, local: string, from: Ipv6Address): void {
    if (this.#closed) return
    const remote = this.#remotes.find(({ host, port }) => host === from.host && port === from.port)
    if (!remote || !this.#deps.allows(local, remote)) return
    const probe = this.#theirs.open(packet)
    if (!probe || !Number.isSafeInteger(probe.number) || !this.#seen.accept(probe.number)) return
    if (probe.echo === 0) return this.#onQuestion({ local, remote }, probe)
    const now = this.#deps.clock.now()
    const pair = this.#pairs.find(one => one.local === local && one.remote === remote)
    const sentAt = pair?.asked.get(probe.echo)
    if (!pair || sentAt === undefined) return
    pair.asked.delete(probe.echo)
    pair.answers++
    pair.rtt = Math.min(pair.rtt, now - sentAt)
    this.#events.answered(pair, probe.stream)
  }

  #onQuestion(pair: Pair, { number, stream }: Probe): void {
    if (!this.#answers.tryTake(1, this.#deps.clock.now())) return
    const own = this.#events.asked(pair, stream)
    this.#send(pair, { number: ++this.#number, echo: number, stream: own })
  }
}

function newPair(local: string, remote: Ipv6Address): ProbedPair {
  return { local, remote, asked: new Map(), rtt: Number.POSITIVE_INFINITY, answers: 0 }
}
