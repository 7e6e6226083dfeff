/**
 * Sessions that are over here while their host may not know it: a CLOSE gets lost with its connection, and a session that expires
 * has none. The next HELLO that reaches the host names them, so that it keeps neither them nor their flows.
 */
import b4a from 'b4a'
import { MAX_OVER } from '../../wire/constants.js'

interface OverSession {
  readonly id: Uint8Array
  /** The key of its host. */
  readonly host: Uint8Array
}

export class OverSessions {
  /** The oldest first. */
  #sessions: OverSession[] = []

  /** A session with this host has ended. The oldest makes room when there are too many. */
  add(host: Uint8Array, id: Uint8Array): void {
    this.#sessions.push({ id, host })
    if (this.#sessions.length > MAX_OVER) this.#sessions.shift()
  }

  /** What to name in a HELLO to this host; to any one of them for null. */
  of(host: Uint8Array | null): Uint8Array[] {
    return this.#sessions.filter(one => host === null || b4a.equals(one.host, host)).map(({ id }) => id)
  }

  /** This host has answered a HELLO that named these. */
  told(host: Uint8Array, named: readonly Uint8Array[]): void {
    this.#sessions = this.#sessions.filter(one => !b4a.equals(one.host, host) || !named.includes(one.id))
  }

  /** This host is gone. */
  forget(host: Uint8Array): void {
    this.#sessions = this.#sessions.filter(one => !b4a.equals(one.host, host))
  }
}
