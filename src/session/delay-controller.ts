/**
 * Delay-based cwnd cap that keeps bulk transfers from filling the bottleneck queue while a game plays. BBR in UDX keeps about two
 * bandwidth-delay products in flight, and the second one sits in the bottleneck's queue, in front of every datagram; the ARQ of
 * `tcpudp` keeps one and a half. While a game is played in any session of the node, and only then, this caps what the stream and each
 * ARQ flow of one session may have in flight, by the delay that pings in the datagram channel measure. Sessions that share the
 * bottleneck measure the same queue, and so keep it short together.
 *
 *              a transfer is limited            queueing delay above the target
 *     OFF ----------------------------> RISING ------------------------> HOLDING
 *      ^      while a game plays         x 2                              x (min RTT + target) / RTT
 *      |                                   |                                 |
 *      +-------- no game any more, or no transfer limited for a while -------+
 *
 * HOLDING is the rule of FAST TCP (Wei, Jin, Low, Hegde, 2006), with the queue measured as time. What delay remains when all sessions
 * have drained, and this one was at the least cap, is not of their making: others' traffic, a busy radio, a busy computer. The target
 * counts from there. Pure: time is an argument.
 */
import type { Limits } from '../limits.js'
import { Activity } from '../util/activity.js'

export type DelayLimits = Pick<
  Limits,
  | 'gameDatagrams'
  | 'gameMs'
  | 'delayPingMs'
  | 'delayTargetMs'
  | 'delayStartBytes'
  | 'delayMinBytes'
  | 'delayBaseMs'
  | 'delayIdleMs'
  | 'delayDrainEveryMs'
>

type Phase = 'off' | 'rising' | 'holding'

/** Limits of the factor of one decision. */
const STEP_MIN = 0.5
const STEP_MAX = 2

/** Least growth while the queueing delay is below half of the target: on a long path the rule alone is slow. */
const STEP_CLEAR = 1.1

/** The least length of a drain, ms, and its length in round trips: one until the queue is empty, one to measure. */
const DRAIN_MS = 100
const DRAIN_RTTS = 2
const DRAIN_FACTOR = 0.5

/** Decisions in a row at the least cap after which this session's own queue is gone, however long it was. */
const FLOOR_DECISIONS = 10

/** Weight of one drain in the round trip that is not of our making, where it tells of more, and where of less. */
const MORE_WEIGHT = 0.5
const LESS_WEIGHT = 0.9

/** Samples per decision, which uses the lowest: any single one may have waited for a busy process. */
const SAMPLES = 2

export class DelayController {
  #phase: Phase = 'off'
  #cwndCap = Number.POSITIVE_INFINITY
  /** Datagrams in the current second, and its start. */
  #datagrams = 0
  #secondAt = Number.NEGATIVE_INFINITY
  /** Until when the other side counts as playing a game. */
  #peerPlaysUntil = Number.NEGATIVE_INFINITY
  /** When a transfer was last limited, and last limited by the cap. */
  #limitedAt = Number.NEGATIVE_INFINITY
  #reachedAt = Number.NEGATIVE_INFINITY
  /** Minimum round trip in the current and in the previous `delayBaseMs`. */
  #base = Number.POSITIVE_INFINITY
  #baseBefore = Number.POSITIVE_INFINITY
  #baseSince = Number.NEGATIVE_INFINITY
  /** The cap that the previous transfer settled on, and when. */
  #found = 0
  #foundAt = Number.NEGATIVE_INFINITY
  #decidedAt = Number.NEGATIVE_INFINITY
  #samples = 0
  #least = Number.POSITIVE_INFINITY
  /** Decisions in a row at the least cap. */
  #floorDecisions = 0
  /** Round trip of an empty queue of ours, ms, where it is more than the minimum; 0: nothing but our queue adds to that. */
  #foreignRtt = 0
  /** Round trips of the pings that were sent while the queue was drained: their number, and sum in ms. */
  #drained = 0
  #drainedSum = 0

  /** @param games whether a game is played in any session of the node */
  constructor(
    readonly limits: DelayLimits,
    readonly games = new Activity()
  ) {}

  /** Bytes that the stream (its buffer included), and each flow, may have in flight; Infinity while there is no cap. */
  get cwndCap(): number {
    return this.#cwndCap
  }

  /** The cap to apply now: a lower one during a drain. */
  capAt(now: number): number {
    const { delayMinBytes } = this.limits
    if (!this.active || !this.#isDrain(now)) return this.#cwndCap
    // A delay that is taken for others' is measured without any of ours.
    return this.#foreignRtt > 0
      ? delayMinBytes
      : Math.max(delayMinBytes, Math.round(this.#cwndCap * DRAIN_FACTOR))
  }

  /** Minimum round trip of the current and the previous `delayBaseMs`, ms; Infinity before the first sample. */
  get minRtt(): number {
    return Math.min(this.#base, this.#baseBefore)
  }

  /** Whether the path should be measured. */
  get active(): boolean {
    return this.#phase !== 'off'
  }

  /** A datagram of a `udp` map was received or sent. */
  onDatagram(now: number): void {
    if (now - this.#secondAt >= 1000) {
      this.#secondAt = now
      this.#datagrams = 0
    }
    if (++this.#datagrams >= this.limits.gameDatagrams) this.onGame(now)
  }

  /** A game is played on this node. */
  onGame(now: number): void {
    this.games.extend(now + this.limits.gameMs)
  }

  /** A game is played at the other side, perhaps in another session. */
  onPeerGame(now: number): void {
    this.#peerPlaysUntil = now + this.limits.gameMs
  }

  #isGame(now: number): boolean {
    return now < this.#peerPlaysUntil || this.games.isOn(now)
  }

  /** Whether caps are lowered at this time: by the clock alone, so that all sessions of the node do it together. */
  #isDrain(at: number): boolean {
    return this.#leftOfSpan(at) <= this.#drainMs
  }

  /** Whether the queue is drained by now. */
  #isDrained(at: number): boolean {
    return this.#leftOfSpan(at) <= this.#drainMs / 2
  }

  /** Each span of {@link Limits.delayDrainEveryMs} ends with a drain. */
  #leftOfSpan(at: number): number {
    const { delayDrainEveryMs } = this.limits
    return delayDrainEveryMs - (at % delayDrainEveryMs)
  }

  get #drainMs(): number {
    return Math.min(Math.max(DRAIN_MS, DRAIN_RTTS * this.minRtt), this.limits.delayDrainEveryMs / 10)
  }

  /**
   * A transfer has more to send than it may.
   * @param byCap whether the cap is what limits it
   * @returns whether this call turned the cap on
   */
  onLimited(now: number, byCap: boolean): boolean {
    this.#limitedAt = now
    if (byCap) this.#reachedAt = now
    if (this.#phase !== 'off' || !this.#isGame(now)) return false
    this.#enter('rising', now)
    return true
  }

  /** Turns the cap off when the game or the transfer is over. */
  tick(now: number): void {
    if (this.#phase === 'off') return
    if (!this.#isGame(now) || now - this.#limitedAt >= this.limits.delayIdleMs) this.#enter('off', now)
  }

  /** A ping was answered after `rtt` ms. Samples without a transfer show the path without a queue. */
  onRtt(rtt: number, now: number): void {
    if (now - this.#baseSince >= this.limits.delayBaseMs) {
      this.#baseBefore = this.#base
      this.#base = Number.POSITIVE_INFINITY
      this.#baseSince = now
    }
    this.#base = Math.min(this.#base, rtt)
    // A ping sent before the cap changed measured the previous cap.
    if (this.#phase === 'off' || now - rtt < this.#decidedAt) return
    if (this.#isDrained(now - rtt)) {
      this.#drained++
      this.#drainedSum += rtt
    }
    if (this.#isDrain(now) || this.#isDrain(now - rtt)) return
    this.#endDrain()
    this.#least = Math.min(this.#least, rtt)
    if (++this.#samples >= SAMPLES) this.#decide(now)
  }

  #decide(now: number): void {
    const { delayTargetMs: target, delayMinBytes } = this.limits
    const base = Math.max(this.minRtt, this.#foreignRtt)
    const queue = this.#least - base
    if (this.#phase === 'rising' && queue > target) this.#phase = 'holding'
    let step = STEP_MAX
    if (this.#phase === 'holding') {
      // Half of the correction: its effect shows one round trip later.
      step = (1 + (base + target) / this.#least) / 2
      if (queue < target / 2) step = Math.max(step, STEP_CLEAR)
    }
    step = Math.min(Math.max(step, STEP_MIN), STEP_MAX)
    // A cap that does not limit anything must not grow: UDX drains the queue now and then to measure the path.
    if (step < 1 || this.#reachedAt >= this.#decidedAt) {
      this.#cwndCap = Math.max(delayMinBytes, Math.round(this.#cwndCap * step))
    }
    if (this.#cwndCap > delayMinBytes) this.#floorDecisions = 0
    else this.#floorDecisions++
    this.#begin(now)
  }

  /** After a drain: learns what delay there is without a queue of ours. */
  #endDrain(): void {
    if (this.#drained === 0) return
    const rtt = this.#drainedSum / this.#drained
    this.#drained = 0
    this.#drainedSum = 0
    const known = this.#foreignRtt
    if (known > 0) this.#foreignRtt += (rtt > known ? MORE_WEIGHT : LESS_WEIGHT) * (rtt - known)
    else if (this.#floorDecisions >= FLOOR_DECISIONS) this.#foreignRtt = rtt
    if (this.#foreignRtt <= this.minRtt + 1) this.#foreignRtt = 0
  }

  /** Changes the phase; only `rising` to `holding` happens elsewhere. */
  #enter(phase: 'off' | 'rising', now: number): void {
    const { delayStartBytes, delayBaseMs } = this.limits
    if (this.#phase === 'holding') {
      this.#found = this.#cwndCap
      this.#foundAt = now
    }
    this.#phase = phase
    const isFresh = now - this.#foundAt < delayBaseMs
    if (phase === 'off') this.#cwndCap = Number.POSITIVE_INFINITY
    else this.#cwndCap = isFresh ? this.#found : delayStartBytes
    this.#begin(now)
  }

  #begin(now: number): void {
    this.#decidedAt = now
    this.#samples = 0
    this.#least = Number.POSITIVE_INFINITY
  }
}
