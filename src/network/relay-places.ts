/**
 * How users of a relay share it. An address has a part of the connections, and an address or a server a part of the sessions, so that
 * one cannot keep out the others. Where only some servers are served, these have half of the connections to themselves: each session has
 * one of its server, and one of a client, whom the relay cannot know.
 */
import type { RelayLimits } from '../limits.js'
import { Counts } from './counts.js'

/** The share of the connections that one address may have, and of the sessions where it is known to be that of clients. */
const ADDRESS_SHARE = 1 / 4

/** The share of the sessions that one server may have where all servers are served: either side of a session may be one there. */
const SERVER_SHARE = 3 / 4

/** A small relay is not divided further than this. */
const LEAST_SHARE = 4

/** The share of the connections that is reserved for servers in `--allow`. */
const NAMED_SHARE = 1 / 2

/** Someone with a connection to the relay. */
export interface RelayUser {
  readonly key: string
  readonly address: string
}

export class RelayPlaces {
  readonly #limits: Pick<RelayLimits, 'connections' | 'sessions'>
  readonly #named: ReadonlySet<string> | null
  readonly #byAddress = new Counts()
  /** Sessions of those that are not named, by address and by key. */
  readonly #sessionsOfAddress = new Counts()
  readonly #sessionsOfKey = new Counts()
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

  /** Whether a connection more may come. */
  hasRoom({ key, address }: RelayUser): boolean {
    const { connections, sessions } = this.#limits
    if (this.#connections >= connections || this.#sessions >= sessions) return false
    if (this.#named?.has(key)) return true
    if (this.#named && this.#strangers >= Math.ceil(connections * (1 - NAMED_SHARE))) return false
    return this.#byAddress.of(address) < shareOf(connections, ADDRESS_SHARE)
  }

  /** A connection has come. @returns what to call when it is over */
  connect({ key, address }: RelayUser): () => void {
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
  serves(a: RelayUser, b: RelayUser): boolean {
    const { sessions } = this.#limits
    if (this.#sessions >= sessions) return false
    const strangers = this.#strangersOf(a, b)
    if (this.#named && strangers.length === 2) return false
    const most = shareOf(sessions, this.#named ? ADDRESS_SHARE : SERVER_SHARE)
    return strangers.every(
      ({ key, address }) => this.#sessionsOfKey.of(key) < most && this.#sessionsOfAddress.of(address) < most
    )
  }

  /** A session begins. @returns what to call when it is over */
  begin(a: RelayUser, b: RelayUser): () => void {
    const strangers = this.#strangersOf(a, b)
    this.#sessions++
    for (const { key, address } of strangers) {
      this.#sessionsOfKey.add(key)
      this.#sessionsOfAddress.add(address)
    }
    return () => {
      this.#sessions--
      for (const { key, address } of strangers) {
        this.#sessionsOfKey.remove(key)
        this.#sessionsOfAddress.remove(address)
      }
    }
  }

  /** Those that are not named. */
  #strangersOf(...users: RelayUser[]): RelayUser[] {
    return users.filter(({ key }) => this.#named?.has(key) !== true)
  }
}

function shareOf(all: number, share: number): number {
  return Math.max(Math.ceil(all * share), LEAST_SHARE)
}
