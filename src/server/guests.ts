/** All sessions that one server has with its guests, and how they share it: places, and the rate limiter of each key. */
import b4a from 'b4a'
import { type Grant, refuseDevice } from '../access/access.js'
import type { HyperNatError } from '../errors.js'
import { RateLimiter } from '../flows/rate-limiter.js'
import { shortKey } from '../identity/encoding.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { Budget } from '../util/budget.js'
import type { Clock } from '../util/clock.js'
import type { Guest } from './guest.js'

export interface GuestsDeps {
  readonly clock: Clock
  readonly limits: Limits
  readonly log: Log
}

export class GuestTable {
  readonly #deps: GuestsDeps
  /** By the session's id, in hex. */
  readonly #bySession = new Map<string, Guest>()
  /** The same by key, in hex, each in the order in which they came. */
  readonly #byKey = new Map<string, Set<Guest>>()

  constructor(deps: GuestsDeps) {
    this.#deps = deps
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
    const key = hex(guest.key)
    const own = this.#byKey.get(key)
    if (own) own.add(guest)
    else this.#byKey.set(key, new Set([guest]))
  }

  delete(guest: Guest): void {
    this.#bySession.delete(hex(guest.session.id))
    const key = hex(guest.key)
    const own = this.#byKey.get(key)
    if (own?.delete(guest) && own.size === 0) this.#byKey.delete(key)
  }

  /** The session that a client comes back to; only the client whose key it was. */
  find(session: Uint8Array, key: Uint8Array): Guest | undefined {
    const guest = this.#bySession.get(hex(session))
    return guest && b4a.equals(guest.key, key) ? guest : undefined
  }

  /** The sessions under this key. */
  of(key: Uint8Array): Guest[] {
    return [...(this.#byKey.get(hex(key)) ?? [])]
  }

  /**
   * Makes room for one session more. When all places are taken, one that is lost gives up its place; for a guest with a name, a
   * session that is up without one does, too. A stranger never takes the place of a guest with a name.
   * @returns false if there is no room
   */
  makeRoom({ name }: Pick<Grant, 'name'>): boolean {
    if (this.size < this.#deps.limits.sessions) return true
    const all = this.all
    const strangers = all.filter(({ grant }) => grant.name === undefined)
    if (endLost(strangers)) return true
    if (name === undefined) return false
    const out = this.#greediest(strangers)
    if (!out) return endLost(all)
    this.#deps.log.info(
      { peer: out.label },
      'all places are taken: a stranger makes room for a guest with a name'
    )
    out.session.close('TOO_MANY_SESSIONS', 'An invited guest needed the place: try again later.')
    return true
  }

  /** The latest session of the key that has the most of these. */
  #greediest(guests: readonly Guest[]): Guest | undefined {
    const byKey = new Map<string, Guest[]>()
    for (const guest of guests) {
      const own = byKey.get(hex(guest.key))
      if (own) own.push(guest)
      else byKey.set(hex(guest.key), [guest])
    }
    let most: Guest[] = []
    for (const own of byKey.values()) if (own.length >= most.length) most = own
    return most.at(-1)
  }

  /** Why the holder of this key may not come with one device more; null when it may. */
  refuseDevice(key: Uint8Array, grant: Grant): HyperNatError | null {
    const own = this.of(key)
    const refusal = refuseDevice(grant, own.length, this.#deps.limits.guestSessions)
    return refusal && endLost(own) ? null : refusal
  }

  /** The sessions of each key beyond what its grant allows, which the rules may have lowered: the latest of those that are up. */
  get surplus(): { readonly guest: Guest; readonly refusal: HyperNatError }[] {
    return [...this.#byKey.values()].flatMap(own => {
      const isLost = ({ session }: Guest): number => (session.state === 'lost' ? 1 : 0)
      return [...own]
        .sort((a, b) => isLost(a) - isLost(b))
        .flatMap((guest, i) => {
          const refusal = refuseDevice(guest.grant, i, this.#deps.limits.guestSessions)
          return refusal ? [{ guest, refusal }] : []
        })
    })
  }

  /** The rate limiter of this key, shared by all of its sessions. */
  rateLimiterOf(key: Uint8Array, grant: Grant, memory?: Budget): RateLimiter {
    const { clock, limits, log } = this.#deps
    const peer = grant.name ?? shortKey(key)
    return (
      this.of(key)[0]?.session.deps.rateLimiter ??
      new RateLimiter(
        clock,
        limits,
        limit => log.warn({ peer, limit, perSecond: limits[limit] }, 'a guest is held to a limit'),
        () => this.#byKey.size <= 1,
        memory
      )
    )
  }

  /** Forgets UDP flows that have been idle for long enough. */
  sweep(now: number): void {
    for (const { udp } of this.#bySession.values()) udp.sweep(now)
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
