/**
 * Decides which clients a server answers and lets in, and which sessions end when the rules change:
 *
 *     DHT handshake -> hides -> connection -> HELLO -> admit -> session -> review, on a change of the rules or of the time
 */
import b4a from 'b4a'
import { Access, type Grant, sameMaps } from '../access/access.js'
import { HandshakeLimiter } from '../access/handshakes.js'
import { HyperNatError } from '../errors.js'
import type { AccessRules } from '../identity/access-rules.js'
import { shortKey } from '../identity/encoding.js'
import type { KeyPair } from '../identity/keys.js'
import type { Deps } from '../network/deps.js'
import type { StreamLink } from '../network/stream-link.js'
import { reject, serverHandshake } from '../session/handshake.js'
import type { Timer } from '../util/clock.js'
import { TokenBucket } from '../util/token-bucket.js'
import type { Hello } from '../wire/handshake.js'
import type { Guest } from './guest.js'
import type { GuestTable } from './guests.js'

export interface AdmissionDeps extends Pick<Deps, 'clock' | 'limits' | 'log' | 'timeOfDay'> {
  readonly keyPair: KeyPair
  readonly access: AccessRules
  readonly guests: GuestTable
  /** Keys that were let in during an earlier run. */
  readonly former: readonly Uint8Array[]
}

/** A client that has proved to know the server's key and may have a session. */
export interface Admitted {
  readonly link: StreamLink
  readonly hello: Hello
  /** The session that it comes back to; undefined for a new one. */
  readonly resumed: Guest | undefined
  readonly grant: Grant
}

const SERVER_FULL = new HyperNatError(
  'TOO_MANY_SESSIONS',
  'The server has as many guests as it takes: try again later.'
)

/** Log lines about clients that were turned away, per millisecond and at once: strangers try as often as they like, and draw new keys. */
const TURNED_AWAY_RATE = 10 / 60_000
const TURNED_AWAY_BURST = 20

export class Admission {
  readonly #deps: AdmissionDeps
  readonly #limiter: HandshakeLimiter
  readonly #logged = new TokenBucket(TURNED_AWAY_RATE, TURNED_AWAY_BURST)
  /** Gives up a connection that has not sent its HELLO; in the order in which they were opened. */
  readonly #pending = new Map<() => void, { readonly known: boolean }>()
  /**
   * Keys, in hex, that were shut out while their guest could not be told, or may have been while this server was not running, and until
   * when they are answered, ms: the guest, whose programs wait, learns why it is not let in any more. All others get no answer.
   */
  readonly #untold = new Map<string, number>()
  #access: Access
  /** Armed until the next grant ends. */
  #reviewTimer: Timer | null = null
  #closed = false

  constructor(deps: AdmissionDeps) {
    this.#deps = deps
    this.#limiter = new HandshakeLimiter(deps.limits)
    this.#access = new Access(deps.access, deps.keyPair)
    for (const key of deps.former.slice(-deps.limits.sessions)) this.#tellLater(key)
  }

  /** Whether only clients named in the rules get in. */
  get isPrivate(): boolean {
    return this.#access.isPrivate
  }

  /** Replaces the rules. Sessions that they do not concern go on; those that are no longer allowed end at once. */
  update(rules: AccessRules): void {
    this.#access = new Access(rules, this.#deps.keyPair)
    this.review()
  }

  /** Whether a DHT handshake gets no answer: the key is not allowed in, or too many have come. */
  hides(key: Uint8Array, address: string): boolean {
    const { clock, log, timeOfDay } = this.#deps
    const source = this.#isKnown(key) ? { key: b4a.toString(key, 'hex') } : { address }
    if (!this.#limiter.admits(source, clock.now())) {
      log.debug({ peer: shortKey(key), address }, 'too many handshakes: got no answer')
      return true
    }
    const hidden = this.#access.hides(key, timeOfDay()) && !this.#isUntold(key)
    if (hidden) log[this.#logLevel]({ peer: shortKey(key) }, 'not invited: got no answer')
    return hidden
  }

  /** Waits for the HELLO of a new connection; calls `onadmitted` if the client may have a session. */
  handshake(link: StreamLink, onadmitted: (admitted: Admitted) => void): void {
    const { clock, limits, log, keyPair } = this.#deps
    if (this.#closed) return link.destroy()
    if (this.#pending.size >= limits.greetings) this.#dropPending()
    const giveUp = serverHandshake(
      { link, sharedKey: keyPair.publicKey, clock, timeoutMs: limits.greetingMs },
      hello => {
        this.#pending.delete(giveUp)
        if (hello instanceof HyperNatError) {
          log[this.#logLevel]({ peer: shortKey(link.remoteKey), code: hello.code }, 'client turned away')
          return
        }
        const admitted = this.#admit(link, hello)
        if (admitted === null) return link.destroy()
        if (!(admitted instanceof HyperNatError)) return onadmitted(admitted)
        log[this.#logLevel]({ peer: shortKey(link.remoteKey), code: admitted.code }, 'client turned away')
        reject(link, admitted.code, admitted.message)
      }
    )
    this.#pending.set(giveUp, { known: this.#isKnown(link.remoteKey) })
  }

  /** Checks every session against the rules, and again when the next grant ends. */
  review(): void {
    this.#reviewTimer?.cancel()
    this.#reviewTimer = null
    const { clock, guests, limits, log, timeOfDay } = this.#deps
    const now = timeOfDay()
    let next = Number.POSITIVE_INFINITY
    for (const guest of guests.all) {
      const verdict = this.#access.judge(guest.key, now)
      if (verdict instanceof HyperNatError) {
        log.info({ peer: guest.label, code: verdict.code }, 'session ended: no longer let in')
        this.#remember(guest)
        guest.session.close(verdict.code, verdict.message)
      } else if (guest.grant.name !== undefined && verdict.name === undefined) {
        // The server is open to everybody, but this invite is gone.
        guest.session.close('NOT_INVITED', 'The host has taken back this invite.')
      } else if (!sameMaps(verdict, guest.grant)) {
        guest.session.close('ACCESS_CHANGED', 'The host has changed what this invite is for.')
      } else {
        guest.grant = verdict
        next = Math.min(next, verdict.expires - now)
      }
    }
    for (const { guest, refusal } of guests.surplus) guest.session.close(refusal.code, refusal.message)
    if (this.#closed || next === Number.POSITIVE_INFINITY) return
    // The time of day may be set, and it runs on while the machine sleeps.
    this.#reviewTimer = clock.after(Math.min(next, limits.expiryLookMs), () => this.review())
  }

  /** Notes that a guest that is shut out has to be told later, unless it hears now. */
  #remember({ key, session }: Guest): void {
    const { clock, limits } = this.#deps
    const now = clock.now()
    if (session.state === 'up' && now - session.lastReceived < limits.unsteadyMs) return
    for (const [name, until] of this.#untold) if (until <= now) this.#untold.delete(name)
    if (this.#untold.size >= limits.sessions) this.#untold.delete(this.#untold.keys().next().value!)
    this.#tellLater(key)
  }

  #tellLater(key: Uint8Array): void {
    const { clock, limits } = this.#deps
    // So long its programs may wait, and so long it may take to greet.
    const until = clock.now() + limits.resumeSeconds * 1000 + limits.greetingMs
    this.#untold.set(b4a.toString(key, 'hex'), until)
  }

  #isUntold(key: Uint8Array): boolean {
    return (this.#untold.get(b4a.toString(key, 'hex')) ?? 0) > this.#deps.clock.now()
  }

  close(): void {
    this.#closed = true
    this.#reviewTimer?.cancel()
    for (const giveUp of [...this.#pending.keys()]) giveUp()
  }

  /** @returns null where the client is to come again */
  #admit(link: StreamLink, hello: Hello): Admitted | HyperNatError | null {
    const { guests, timeOfDay } = this.#deps
    const key = link.remoteKey
    const grant = this.#access.judge(key, timeOfDay())
    if (grant instanceof HyperNatError) return grant
    for (const session of hello.over ?? []) guests.find(session, key)?.session.close('SESSION_EXPIRED')
    const resumed = hello.resume ? guests.find(hello.resume.session, key) : undefined
    if (resumed) return resumed.usage.takeResumption() ? { link, hello, resumed, grant: resumed.grant } : null
    const tooMany = guests.refuseDevice(key, grant)
    if (tooMany) return tooMany
    return guests.makeRoom(grant) ? { link, hello, resumed, grant } : SERVER_FULL
  }

  /** Of a line about a client that was turned away. */
  get #logLevel(): 'info' | 'debug' {
    return this.#logged.tryTake(1, this.#deps.clock.now()) ? 'info' : 'debug'
  }

  /** Whether the key is in the rules or has a session: strangers cannot keep it out. */
  #isKnown(key: Uint8Array): boolean {
    return this.#access.knows(key) || this.#deps.guests.of(key).length > 0
  }

  /** Gives up the connection that has waited longest for its HELLO, which takes one round trip: a stranger's if there is one. */
  #dropPending(): void {
    let drop: (() => void) | undefined
    for (const [giveUp, { known }] of this.#pending) {
      drop ??= giveUp
      if (known) continue
      drop = giveUp
      break
    }
    drop?.()
  }
}
