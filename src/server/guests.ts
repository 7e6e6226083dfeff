/** All sessions that one server has with its guests, and how they share it: places, and the rate limiter of each key. */
import b4a from 'b4a'
import { refuseDevice, type Visitor } from '../access/access.js'
import type { HyperNatError } from '../errors.js'
import { RateLimiter } from '../flows/rate-limiter.js'
import { shortKey } from '../identity/encoding.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { Clock } from '../util/clock.js'
import type { Guest } from './guest.js'

export interface GuestsOutside {
  readonly clock: Clock
  readonly limits: Limits
  readonly log: Log
}

export class Guests {
  readonly #outside: GuestsOutside
  /** By the session's name, in hex. */
  readonly #bySession = new Map<string, Guest>()
  /** Whether all sessions, if there are any, are of one key. */
  #isOneKey = true

  constructor(outside: GuestsOutside) {
    this.#outside = outside
  }

  /** A copy: guests may go while it is walked. */
  get all(): Guest[] {
    return [...this.#bySession.values()]
  }

  get size(): number {
    return this.#bySession.size
  }

  add(guest: Guest): void {
    this.#bySession.set(hex(guest.session.id), guest)
    this.#countKeys()
  }

  delete(guest: Guest): void {
    this.#bySession.delete(hex(guest.session.id))
    this.#countKeys()
  }

  /** The session that a client comes back to; only the client whose key it was. */
  find(session: Uint8Array, key: Uint8Array): Guest | undefined {
    const guest = this.#bySession.get(hex(session))
    return guest && b4a.equals(guest.key, key) ? guest : undefined
  }

  /** The sessions under this key. */
  of(key: Uint8Array): Guest[] {
    return this.all.filter(guest => b4a.equals(guest.key, key))
  }

  /** Whether there is a place for one session more, if need be that of a guest who is lost. */
  hasRoom(): boolean {
    return this.size < this.#outside.limits.sessions || endLost(this.#bySession.values())
  }

  /** Why the holder of this key may not come with one device more; null when it may. */
  refuseDevice(key: Uint8Array, visitor: Visitor): HyperNatError | null {
    const own = this.of(key)
    const refusal = refuseDevice(visitor, own.length, this.#outside.limits.guestSessions)
    return refusal && endLost(own) ? null : refusal
  }

  /** The rate limiter of this key, shared by all of its sessions. */
  rateLimiterOf(key: Uint8Array, visitor: Visitor): RateLimiter {
    const { clock, limits, log } = this.#outside
    const peer = visitor.name ?? shortKey(key)
    return (
      this.of(key)[0]?.session.deps.rateLimiter ??
      new RateLimiter(
        clock,
        limits,
        limit => log.warn({ peer, limit, perSecond: limits[limit] }, 'a guest is held to a limit'),
        () => this.#isOneKey
      )
    )
  }

  /** Forgets UDP flows that have been idle for long enough. */
  sweep(now: number): void {
    for (const { udp } of this.#bySession.values()) udp.sweep(now)
  }

  #countKeys(): void {
    this.#isOneKey = new Set(this.all.map(({ key }) => hex(key))).size <= 1
  }
}

/** Gives up a session that waits for its client: one that lost its connection may not keep others out. */
function endLost(guests: Iterable<Guest>): boolean {
  for (const { session } of guests) {
    if (session.state !== 'lost') continue
    session.close('SESSION_EXPIRED')
    return true
  }
  return false
}

function hex(bytes: Uint8Array): string {
  return b4a.toString(bytes, 'hex')
}
