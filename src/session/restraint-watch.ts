/**
 * Applies the {@link Restraint} of one session: while there is one it measures the path, and tells the bound of what may be in
 * flight. The timer is armed when a transfer is first held up, and re-armed by itself until there is no reason any more.
 */
import type { Clock, Timer } from '../util/clock.js'
import { Restraint, type RestraintLimits } from './restraint.js'

export interface RestraintEvents {
  /** Measures the path once; `done` hears the round trip in ms, or null without an answer. */
  ask(done: (rtt: number | null) => void): void
  /** Bytes that the stream, or a flow, may have in flight from now on; Infinity: no bound. May call {@link RestraintWatch.held}. */
  bound(bytes: number): void
}

export class RestraintWatch {
  #restraint: Restraint
  #timer: Timer | null = null

  constructor(
    readonly clock: Clock,
    readonly limits: RestraintLimits,
    readonly events: RestraintEvents
  ) {
    this.#restraint = new Restraint(limits)
  }

  /** Whether transfers are bounded now. */
  get active(): boolean {
    return this.#restraint.active
  }

  /** Of the path without a queue, as far as it was seen lately on this connection, in ms; null before the first answer. */
  get leastRtt(): number | null {
    const { leastRtt } = this.#restraint
    return leastRtt === Number.POSITIVE_INFINITY ? null : leastRtt
  }

  /** A datagram of a `udp` map came or went. */
  datagram(): void {
    this.#restraint.datagram(this.clock.now())
  }

  /** A ping that was not sent from here was answered after `rtt` ms. */
  sample(rtt: number): void {
    this.#restraint.sample(rtt, this.clock.now())
  }

  /**
   * A transfer has more to say than it may.
   * @param byBound whether it has in flight what the bound allows
   */
  held(byBound: boolean): void {
    if (this.#restraint.held(this.clock.now(), byBound)) this.#apply()
  }

  /** The connection is gone, and what was found of its path with it. */
  reset(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#restraint = new Restraint(this.limits)
    this.events.bound(this.#restraint.bytes)
  }

  #apply(): void {
    const { clock, limits, events } = this
    const restraint = this.#restraint
    this.#timer?.cancel()
    this.#timer = null
    restraint.tick(clock.now())
    // A wider bound lets the transfer go on, which may be held up, and bounded, anew at once; or find the connection gone.
    events.bound(restraint.bytes)
    if (this.#timer || this.#restraint !== restraint || !restraint.active) return
    this.#timer = clock.after(limits.restraintPingMs, () => this.#apply())
    // Not to this.sample: an answer may come when there is another path.
    events.ask(rtt => {
      if (rtt !== null) restraint.sample(rtt, clock.now())
    })
  }
}
