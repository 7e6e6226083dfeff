/**
 * The search for an IPv6 path beside a connection that carries a session, and the second connection over it. The client decides:
 *
 *     client                                   server
 *       |-- ADDRESSES ------------------------>|      in the session
 *       |<------------------------ ADDRESSES --|
 *       |<== questions and answers ===========>|      over IPv6, until both firewalls are open
 *       |-- question, stream c --------------->|      this path is to be used
 *       |<------------------ answer, stream s -|
 *       |== UDX, Noise IK, HELLO (resume) ====>|      then the session moves, as to any connection
 *
 * Both sides are pure; {@link Ipv6Host} is the node.
 */
import type { Limits } from '../../limits.js'
import type { Clock, Timer } from '../../util/clock.js'
import type { Ipv6Address } from '../../wire/addresses.js'
import { type FinderLimits, type Pair, PathFinder, type ProbedPair } from './finder.js'
import { ProbeSeal } from './probe.js'

export type SearchLimits = FinderLimits &
  Pick<
    Limits,
    | 'ipv6RestMs'
    | 'ipv6CalmMs'
    | 'ipv6RetryMs'
    | 'ipv6RetryMaxMs'
    | 'ipv6SteadyMs'
    | 'ipv6Answers'
    | 'ipv6BetterShare'
    | 'ipv6BetterMs'
  >

/** One end of a second connection that is being opened. */
export interface Opening {
  /** The number of its stream, from 1. */
  readonly id: number
  /** Gives up, unless it has opened. */
  close(): void
}

/** What a search needs of the node. */
export interface Ipv6Host {
  readonly clock: Clock
  readonly limits: SearchLimits
  /** Where this machine is reached by IPv6, as far as it is told to peers. */
  readonly addresses: readonly Ipv6Address[]
  readonly allows: (local: string, remote: Ipv6Address) => boolean
  readonly admit: () => boolean
  readonly send: (local: string, remote: Ipv6Address, packet: Uint8Array) => void
}

export interface SearchOptions {
  /** The keys that seal the datagrams of the connection, ours and the peer's. */
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
  /** Sends ADDRESSES. */
  readonly tell: (addresses: readonly Ipv6Address[]) => void
}

export interface ClientSearchOptions extends SearchOptions {
  /** Whether packets go through a third machine now. */
  readonly isRelayed: () => boolean
  /** Measures the path in use once, ms; null without an answer. */
  readonly measure: (done: (rtt: number | null) => void) => void
  /** What came of earlier searches for the same server. */
  readonly history: SearchHistory
  /** A stream for the path, which waits until it is connected. */
  readonly prepare: () => Opening
  /** Connects it to the server's. Calls back with whether that worked. */
  readonly connect: (opening: Opening, pair: Pair, stream: number, done: (worked: boolean) => void) => void
}

export interface ServerSearchOptions extends SearchOptions {
  /** What this guest was told, kept from one connection to the next. */
  readonly told: ToldAddresses
  /** A stream that waits for that of the client's, which comes from `pair.remote`. Calls back when it is gone, or has opened. */
  readonly accept: (pair: Pair, stream: number, over: () => void) => Opening
}

/** The addresses that a peer was told last; null: none yet. */
export interface ToldAddresses {
  last: readonly Ipv6Address[] | null
}

/** State that outlives a search. */
export interface SearchHistory {
  /** Where the server was reached, as it has told last. */
  addresses: readonly Ipv6Address[]
  /** A search, or a connection, has come to nothing. */
  failed(): void
  /** What came to nothing before may work now. */
  clear(): void
  /** How long to rest before the next search, ms. */
  readonly waitMs: number
}

/** Makes searches for one server rarer when they, or the connections that they lead to, come to nothing. */
export class Ipv6History implements SearchHistory {
  addresses: readonly Ipv6Address[] = []
  #rest = 0
  #until = Number.NEGATIVE_INFINITY

  constructor(
    readonly clock: Pick<Clock, 'now'>,
    readonly limits: Pick<Limits, 'ipv6RetryMs' | 'ipv6RetryMaxMs' | 'ipv6SteadyMs'>
  ) {}

  failed(): void {
    const { ipv6RetryMs, ipv6RetryMaxMs } = this.limits
    this.#rest = Math.min(this.#rest * 2 || ipv6RetryMs, ipv6RetryMaxMs)
    this.#until = this.clock.now() + this.#rest
  }

  /** A connection over IPv6 was lost. @param ms how long it has lasted */
  lost(ms: number): void {
    if (ms < this.limits.ipv6SteadyMs) this.failed()
    else this.clear()
  }

  clear(): void {
    this.#rest = 0
    this.#until = Number.NEGATIVE_INFINITY
  }

  get waitMs(): number {
    return Math.max(0, this.#until - this.clock.now())
  }
}

/** What both sides have in common. */
abstract class Search {
  protected readonly finder: PathFinder
  /** What tells the peer's probes from others. */
  readonly name: string
  protected theirs: readonly Ipv6Address[] = []
  protected closed = false
  #searchedAt = Number.NEGATIVE_INFINITY
  #timer: Timer | null = null

  protected constructor(
    protected readonly host: Ipv6Host,
    private readonly options: SearchOptions
  ) {
    const theirs = new ProbeSeal(options.receiveKey)
    this.name = theirs.name
    this.finder = new PathFinder(host, new ProbeSeal(options.sendKey), theirs, {
      answered: (pair, stream) => this.answered(pair, stream),
      asked: (pair, stream) => this.asked(pair, stream),
      round: () => this.round(),
      over: () => this.over()
    })
  }

  protected answered(_pair: ProbedPair, _stream: number): void {}
  protected asked(_pair: Pair, _stream: number): number {
    return 0
  }
  protected round(): void {}
  protected over(): void {}

  /** A packet that names this search. */
  receive(packet: Uint8Array, local: string, from: Ipv6Address): void {
    this.finder.receive(packet, local, from)
  }

  protected tell(): void {
    this.options.tell(this.host.addresses)
  }

  /** Runs `search` now, or when a search may follow the last one. @param restMs how long to wait at the least */
  protected soon(search: () => void, restMs = 0): void {
    const { clock, limits } = this.host
    this.#timer?.cancel()
    const wait = Math.max(restMs, this.#searchedAt + limits.ipv6RestMs - clock.now())
    this.#timer = clock.after(wait, () => {
      this.#searchedAt = clock.now()
      if (!this.closed) search()
    })
  }

  protected find(): void {
    this.finder.find(
      this.host.addresses.map(({ host }) => host),
      this.theirs
    )
  }

  close(): void {
    this.closed = true
    this.#timer?.cancel()
    this.finder.close()
  }
}

/** The client's side. */
export class ClientSearch extends Search {
  readonly #options: ClientSearchOptions
  #timer: Timer | null = null
  #told = false
  /** Round trips of the path in use, measured beside those of the pairs. */
  #measured: number[] = []
  #opening: { readonly end: Opening; readonly pair: ProbedPair; asked: number; connecting: boolean } | null =
    null

  constructor(host: Ipv6Host, options: ClientSearchOptions) {
    super(host, options)
    this.#options = options
  }

  /** Begins; in a while where a search has just failed, or there is a direct path. */
  start(): void {
    const { limits } = this.host
    const calm = this.#options.isRelayed() ? 0 : limits.ipv6CalmMs
    this.#later(Math.max(calm, this.#options.history.waitMs))
  }

  #later(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.host.clock.after(ms, () => {
      this.#timer = null
      // Without an address there is nothing to be told; a later one begins the search.
      if (this.closed || this.host.addresses.length === 0) return
      this.#told = true
      this.tell()
    })
  }

  /** This machine's addresses are others now. */
  changed(): void {
    this.#options.history.clear()
    if (this.#opening) return
    if (this.host.addresses.length > 0 || this.#told) this.#later(0)
  }

  /** Packets of the connection take another path. */
  pathChanged(): void {
    // A direct path that was no worse than IPv6 may be one through a relay now, and the other way round.
    if (this.#options.isRelayed() && !this.#opening && !this.finder.busy) this.start()
  }

  /** The server has told its addresses. */
  onAddresses(addresses: readonly Ipv6Address[]): void {
    const { history } = this.#options
    const moved = history.addresses.length > 0 && !sameAddresses(history.addresses, addresses)
    history.addresses = addresses
    this.theirs = addresses
    if (this.#opening) return
    if (!this.#told) {
      if (!moved) return
      history.clear()
      return this.#later(0)
    }
    // What has just come to nothing is not tried again because the server says the same once more.
    if (moved) history.clear()
    this.soon(() => {
      if (this.#opening) return
      this.#measured = []
      this.find()
    }, history.waitMs)
  }

  protected override round(): void {
    if (this.#options.isRelayed() || !this.finder.pairs.some(({ answers }) => answers > 0)) return
    this.#options.measure(rtt => {
      if (rtt !== null) this.#measured.push(rtt)
    })
  }

  protected override answered(pair: ProbedPair, stream: number): void {
    const opening = this.#opening
    if (!opening) {
      if (this.#options.isRelayed()) this.#open(pair)
      return
    }
    if (opening.pair !== pair || stream === 0 || opening.connecting) return
    opening.connecting = true
    this.#timer?.cancel()
    this.#options.connect(opening.end, pair, stream, worked => {
      if (this.#opening !== opening) return
      this.#opening = null
      if (!worked) this.#failed()
    })
  }

  protected override over(): void {
    const { limits } = this.host
    const [best] = this.finder.pairs
    if (!best || best.answers === 0) {
      if (this.#options.isRelayed()) this.#failed()
      return
    }
    if (this.#options.isRelayed()) return this.#open(best)
    if (best.answers < limits.ipv6Answers || this.#measured.length < limits.ipv6Answers) return
    const now = Math.min(...this.#measured)
    const gain = now - best.rtt
    if (gain >= now * limits.ipv6BetterShare && gain >= limits.ipv6BetterMs) this.#open(best)
  }

  /** Asks the server for a stream over this pair. */
  #open(pair: ProbedPair): void {
    this.finder.stop()
    this.#opening = { end: this.#options.prepare(), pair, asked: 0, connecting: false }
    this.#ask()
  }

  #ask(): void {
    const opening = this.#opening
    if (!opening || this.closed) return
    const { clock, limits } = this.host
    if (opening.asked++ >= limits.ipv6Rounds) return this.#failed()
    this.#timer?.cancel()
    this.#timer = clock.after(limits.ipv6RoundMs, () => this.#ask())
    this.finder.ask(opening.pair, opening.end.id)
  }

  /** Tries again after a while. */
  #failed(): void {
    this.#opening?.end.close()
    this.#opening = null
    const { history } = this.#options
    if (!this.closed) history.failed()
    // The owner may have ended it.
    if (!this.closed) this.#later(history.waitMs)
  }

  override close(): void {
    super.close()
    this.#timer?.cancel()
    this.#opening?.end.close()
    this.#opening = null
  }
}

/** The server's side: it tells its addresses to a client that has told its own. */
export class ServerSearch extends Search {
  readonly #options: ServerSearchOptions
  #current: { readonly stream: number; end: Opening | null } | null = null
  #acceptedAt = Number.NEGATIVE_INFINITY

  constructor(host: Ipv6Host, options: ServerSearchOptions) {
    super(host, options)
    this.#options = options
  }

  /** Begins: a guest that was told other addresses before is told at once. */
  start(): void {
    const { last } = this.#options.told
    if (last && !sameAddresses(last, this.host.addresses)) this.changed()
  }

  /** This machine's addresses are others now. */
  changed(): void {
    if (this.theirs.length > 0) this.soon(() => this.#search())
    else if (this.#options.told.last && !this.closed) this.#tell()
  }

  /** The client has told its addresses; of many lists the latest counts. */
  onAddresses(addresses: readonly Ipv6Address[]): void {
    this.theirs = addresses
    this.soon(() => this.#search())
  }

  #search(): void {
    if (this.host.addresses.length === 0) return
    this.#tell()
    this.find()
  }

  #tell(): void {
    this.#options.told.last = this.host.addresses
    this.tell()
  }

  protected override asked(pair: Pair, stream: number): number {
    if (stream === 0 || this.closed) return 0
    if (this.#current?.stream === stream) return this.#current.end?.id ?? 0
    const { clock, limits } = this.host
    if (clock.now() - this.#acceptedAt < limits.ipv6RestMs / 2) return 0
    this.#acceptedAt = clock.now()
    this.#current?.end?.close()
    const current: { readonly stream: number; end: Opening | null } = { stream, end: null }
    this.#current = current
    current.end = this.#options.accept(pair, stream, () => {
      current.end = null
    })
    return current.end.id
  }

  override close(): void {
    super.close()
    this.#current?.end?.close()
    this.#current = null
  }
}

export function sameAddresses(a: readonly Ipv6Address[], b: readonly Ipv6Address[]): boolean {
  return a.length === b.length && a.every(({ host, port }, i) => host === b[i]!.host && port === b[i]!.port)
}
