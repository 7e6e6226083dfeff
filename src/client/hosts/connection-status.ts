/** Why there is no host to use: each cause is reported once, and the last is kept. */

import type { ErrorCode, HyperNatError } from '../../errors.js'
import type { Clock, Timer } from '../../util/clock.js'

export interface ConnectionStatusDeps {
  readonly clock: Clock
  /** Milliseconds since 1970, which a user may set back. */
  readonly timeOfDay: () => number
  /** How long a cause is held back while other hosts may answer, ms. */
  readonly holdMs: number
  readonly tell: (cause: HyperNatError) => void
}

/** The codes of a server that refuses this client. */
const TURNED_AWAY: readonly ErrorCode[] = ['NOT_INVITED', 'INVITE_EXPIRED']

/** What it looks like when no server answers. */
const SILENCE: ReadonlySet<ErrorCode> = new Set([
  'SERVER_NOT_FOUND',
  'SERVER_NOT_RUNNING',
  'SERVER_UNREACHABLE'
])

export class ConnectionStatus {
  readonly #deps: ConnectionStatusDeps
  /** The causes that were reported since a session was up last. */
  readonly #told = new Set<ErrorCode>()
  #timer: Timer | null = null
  #since: number | null
  #cause: HyperNatError | null = null

  constructor(deps: ConnectionStatusDeps) {
    this.#deps = deps
    this.#since = deps.timeOfDay()
  }

  /** Since when, milliseconds since 1970; null while there is a session. */
  get since(): number | null {
    return this.#since
  }

  /** The last cause, reported or not; null while none is known. */
  get cause(): HyperNatError | null {
    return this.#cause
  }

  /** There is no session, from now on or still. */
  begin(): void {
    this.#since ??= this.#deps.timeOfDay()
  }

  /**
   * No connection, for this cause.
   * @param hope whether another host may answer yet
   */
  failed(cause: HyperNatError, hope: boolean): void {
    if (this.#isSilence(cause)) return
    if (this.#told.has(cause.code)) this.#cause = cause
    else if (!hope) this.#tell(cause)
    else this.#timer ??= this.#deps.clock.after(this.#deps.holdMs, () => this.#tell(cause))
  }

  /** There is a session. */
  over(): void {
    this.stop()
    this.#told.clear()
    this.#since = null
    this.#cause = null
  }

  /** Reports nothing more of what happened so far. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
  }

  #tell(cause: HyperNatError): void {
    this.stop()
    if (this.#told.has(cause.code) || this.#isSilence(cause)) return
    this.#told.add(cause.code)
    this.#cause = cause
    this.#deps.tell(cause)
  }

  /** Whether this says nothing new: a private server does not answer a client that it has refused. */
  #isSilence({ code }: HyperNatError): boolean {
    return SILENCE.has(code) && TURNED_AWAY.some(reason => this.#told.has(reason))
  }
}
