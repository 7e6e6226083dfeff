/**
 * How users of a relay share it. An address has a part of the connections, and a server a part of the sessions, so that one cannot keep
 * out the others. Where only some servers are served, these have half of the connections to themselves: each session has one of
 * its server, and one of a client, whom the relay cannot know.
 */
import type { RelayLimits } from '../limits.js'
import { Counts } from './counts.js'

/** The share of the connections that one address may have. */
const ADDRESS_SHARE = 1 / 4

/** The share of the sessions that one server may have where all servers are served. */
const SERVER_SHARE = 3 / 4

/** A small relay is not divided further than this. */
const LEAST_SHARE = 4

/** The share of the connections that is reserved for servers in `--allow`. */
const NAMED_SHARE = 1 / 2

export class RelayPlaces {
  readonly #limits: Pick<RelayLimits, 'connections' | 'sessions'>
  readonly #named: ReadonlySet<string> | null
  readonly #byAddress = new Counts()
  readonly #byServer = new Counts()
  #connections = 0
  /** Connections of those that are not named. */
  #strangers = 0
  #sessions = 0

  /** @param named the keys of servers that are served; null for all */
  constructor(limits: Pick<RelayLimits, 'connections' | 'sessions'>, named: ReadonlySet<string> | null) {
    this.#limits = limits
    this.#named = named
  }

  get sessions(): number {
    return this.#sessions
  }

  /** Whether a connection more may come, with this key from this address. */
  hasRoom(key: string, address: string): boolean {
    const { connections, sessions } = this.#limits
    if (this.#connections >= connections || this.#sessions >= sessions) return false
    if (this.#named?.has(key)) return true
    if (this.#named && this.#strangers >= Math.ceil(connections * (1 - NAMED_SHARE))) return false
    return this.#byAddress.of(address) < shareOf(connections, ADDRESS_SHARE)
  }

  /** A connection has come. @returns what to call when it is over */
  connect(key: string, address: string): () => void {
    const isStranger = this.#named?.has(key) !== true
    this.#connections++
    if (isStranger) {
      this.#strangers++
      this.#byAddress.add(address)
    }
    return () => {
      this.#connections--
      if (!isStranger) return
      this.#strangers--
      this.#byAddress.remove(address)
    }
  }

  /** Whether these two may have a session. */
  serves(a: string, b: string): boolean {
    const { sessions } = this.#limits
    if (this.#sessions >= sessions) return false
    if (this.#named) return this.#named.has(a) || this.#named.has(b)
    const most = shareOf(sessions, SERVER_SHARE)
    return [a, b].every(key => this.#byServer.of(key) < most)
  }

  /** A session begins. @returns what to call when it is over */
  begin(a: string, b: string): () => void {
    this.#sessions++
    for (const key of [a, b]) this.#byServer.add(key)
    return () => {
      this.#sessions--
      for (const key of [a, b]) this.#byServer.remove(key)
    }
  }
}

function shareOf(all: number, share: number): number {
  return Math.max(Math.ceil(all * share), LEAST_SHARE)
}
