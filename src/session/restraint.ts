/**
 * Keeps bulk transfers from filling the queue of the path's slowest link while a game plays beside them. The ordered stream's
 * congestion control (UDX's, a BBR) keeps about twice the path in flight, and the second half lies in that queue, before every
 * datagram; that of `tcpudp` half a path more. So while datagrams of `udp` maps come often, and only then, what the stream and each
 * `tcpudp` flow may have in flight is bounded here: by the delay, which pings of the datagram channel measure as the game meets it.
 *
 *              a transfer is held up            queue above the target
 *     OFF ----------------------------> RISING ------------------------> HOLDING
 *      ^      while a game plays         x 2                              x (least round trip + target) / round trip
 *      |                                   |                                 |
 *      +-------- no game any more, or nothing was held up for a while -------+
 *
 * HOLDING is FAST TCP's rule (Wei, Jin, Low, Hegde: FAST TCP, 2006), with the queue's size as a time. Pure: time is an argument.
 */
import type { Limits } from '../limits.js'

export type RestraintLimits = Pick<
  Limits,
  | 'gameDatagrams'
  | 'gameMs'
  | 'restraintPingMs'
  | 'restraintQueueMs'
  | 'restraintStartBytes'
  | 'restraintMinBytes'
  | 'restraintBaseMs'
  | 'restraintIdleMs'
>

type Phase = 'off' | 'rising' | 'holding'

/** What one decision may multiply the bound with. */
const STEP_MIN = 0.5
const STEP_MAX = 2

/** With less than half of the target in the queue, the bound grows at least so much: on a long path the rule alone is slow. */
const STEP_CLEAR = 1.1

/** Answers that a decision is made on: the quickest of them, since any may have waited for a busy process. */
const SAMPLES = 2

export class Restraint {
  #phase: Phase = 'off'
  #bytes = Number.POSITIVE_INFINITY
  /** Datagrams in this second, when it began, and until when a game counts as playing. */
  #datagrams = 0
  #secondAt = Number.NEGATIVE_INFINITY
  #gameUntil = Number.NEGATIVE_INFINITY
  /** When a transfer had more to say than it might, and when that was for the bound. */
  #heldAt = Number.NEGATIVE_INFINITY
  #reachedAt = Number.NEGATIVE_INFINITY
  /** Least round trip in this span of `restraintBaseMs` and in the last. */
  #base = Number.POSITIVE_INFINITY
  #baseBefore = Number.POSITIVE_INFINITY
  #baseSince = Number.NEGATIVE_INFINITY
  /** What was found good for the transfer before, and when. */
  #found = 0
  #foundAt = Number.NEGATIVE_INFINITY
  #decidedAt = Number.NEGATIVE_INFINITY
  #samples = 0
  #least = Number.POSITIVE_INFINITY

  constructor(readonly limits: RestraintLimits) {}

  /** Bytes that the stream, with those that it holds itself, or a flow may have in flight; Infinity while they are not bounded. */
  get bytes(): number {
    return this.#bytes
  }

  /** Least round trip of this span of `restraintBaseMs` and the last, in ms; Infinity before the first. */
  get leastRtt(): number {
    return Math.min(this.#base, this.#baseBefore)
  }

  /** Whether the path is to be measured. */
  get active(): boolean {
    return this.#phase !== 'off'
  }

  /** A datagram of a `udp` map came or went. */
  datagram(now: number): void {
    if (now - this.#secondAt >= 1000) {
      this.#secondAt = now
      this.#datagrams = 0
    }
    if (++this.#datagrams >= this.limits.gameDatagrams) this.#gameUntil = now + this.limits.gameMs
  }

  /**
   * A transfer has more to say than it may.
   * @param byBound whether it has in flight what the bound allows
   * @returns whether it is bounded from now on, and was not
   */
  held(now: number, byBound: boolean): boolean {
    this.#heldAt = now
    if (byBound) this.#reachedAt = now
    if (this.#phase !== 'off' || now >= this.#gameUntil) return false
    this.#enter('rising', now)
    return true
  }

  /** Time has passed: is there still a game, and something to bound? */
  tick(now: number): void {
    if (this.#phase === 'off') return
    if (now >= this.#gameUntil || now - this.#heldAt >= this.limits.restraintIdleMs) this.#enter('off', now)
  }

  /** A ping was answered after `rtt` ms; those without a transfer tell what the path is like without a queue. */
  sample(rtt: number, now: number): void {
    if (now - this.#baseSince >= this.limits.restraintBaseMs) {
      this.#baseBefore = this.#base
      this.#base = Number.POSITIVE_INFINITY
      this.#baseSince = now
    }
    this.#base = Math.min(this.#base, rtt)
    // What was under way when the bound changed tells of the one before.
    if (this.#phase === 'off' || now - rtt < this.#decidedAt) return
    this.#least = Math.min(this.#least, rtt)
    if (++this.#samples >= SAMPLES) this.#decide(now)
  }

  #decide(now: number): void {
    const { restraintQueueMs: target, restraintMinBytes } = this.limits
    const queue = this.#least - this.leastRtt
    if (this.#phase === 'rising' && queue > target) this.#phase = 'holding'
    let step = STEP_MAX
    if (this.#phase === 'holding') {
      // Halfway: the path answers one round trip late.
      step = (1 + (this.leastRtt + target) / this.#least) / 2
      if (queue < target / 2) step = Math.max(step, STEP_CLEAR)
    }
    step = Math.min(Math.max(step, STEP_MIN), STEP_MAX)
    // A bound that bounds nothing shall not grow: UDX lets the queue run empty now and then, to see the path without.
    if (step < 1 || this.#reachedAt >= this.#decidedAt) {
      this.#bytes = Math.max(restraintMinBytes, Math.round(this.#bytes * step))
    }
    this.#begin(now)
  }

  /** The one place that changes the phase, but for rising to holding. */
  #enter(phase: 'off' | 'rising', now: number): void {
    const { restraintStartBytes, restraintBaseMs } = this.limits
    if (this.#phase === 'holding') {
      this.#found = this.#bytes
      this.#foundAt = now
    }
    this.#phase = phase
    const isFresh = now - this.#foundAt < restraintBaseMs
    if (phase === 'off') this.#bytes = Number.POSITIVE_INFINITY
    else this.#bytes = isFresh ? this.#found : restraintStartBytes
    this.#begin(now)
  }

  #begin(now: number): void {
    this.#decidedAt = now
    this.#samples = 0
    this.#least = Number.POSITIVE_INFINITY
  }
}
