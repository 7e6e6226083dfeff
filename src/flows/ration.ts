/**
 * What one guest may use of a server in a second, over all sessions under its key. What costs most is bounded first:
 *
 *     datagram -> datagramsPerSecond, before it is opened: dropped -> UDP payloads -> udpPerSecond, guestBytesPerSecond: dropped
 *     frame -> framesPerSecond: waits -> OPEN -> flowsPerSecond: waits -> bytes -> guestBytesPerSecond: wait
 *
 * A flow that comes too soon waits and is not refused: a program that opens 1000 connections at once gets them all, a moment
 * later. What waits is bounded all the same, since a flow that waits counts among the session's flows.
 *
 * The rates are there for the others: a guest who is alone on the server may use a multiple of them, but for the bytes, which are
 * the owner's own limit, and the frames.
 */

import type { ErrorCode } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Clock } from '../util/clock.js'
import { FairQueue } from '../util/fair-queue.js'
import { TokenBucket } from '../util/token-bucket.js'
import { MAX_UDP_PAYLOAD } from '../wire/constants.js'
import type { ByteFlow } from './byte-flow.js'
import { HeldFlow } from './held-flow.js'
import { MeteredFlow } from './metered-flow.js'

export type RationLimits = Pick<
  Limits,
  | 'flowsPerSecond'
  | 'flowBurst'
  | 'framesPerSecond'
  | 'openFrames'
  | 'datagramsPerSecond'
  | 'udpPerSecond'
  | 'rateBurstMs'
  | 'aloneFactor'
  | 'guestBytesPerSecond'
  | 'quantum'
>

/** The limits that a guest can run into here. */
export type Exceeded =
  | 'flowsPerSecond'
  | 'framesPerSecond'
  | 'datagramsPerSecond'
  | 'udpPerSecond'
  | 'guestBytesPerSecond'

export class Ration {
  /** How often each limit has made a flow or the ordered stream wait, or dropped a datagram or a UDP payload. */
  readonly counts: Record<Exceeded, number> = {
    flowsPerSecond: 0,
    framesPerSecond: 0,
    datagramsPerSecond: 0,
    udpPerSecond: 0,
    guestBytesPerSecond: 0
  }
  readonly #clock: Clock
  readonly #onexceed: (limit: Exceeded) => void
  readonly #isAlone: () => boolean
  readonly #aloneFactor: number
  readonly #flows: FairQueue<HeldFlow> | null
  readonly #frames: TokenBucket | null
  readonly #openFrames: number
  readonly #datagrams: TokenBucket | null
  readonly #udpIn: TokenBucket | null
  readonly #udpOut: TokenBucket | null
  readonly #turns: FairQueue<MeteredFlow> | null
  /** UDP's bytes: those of TCP, which waits, may not use up what is for UDP, which cannot. */
  readonly #udpBytes: TokenBucket | null

  /**
   * @param onexceed hears of each limit that was reached, once
   * @param isAlone whether nobody else is on the server
   */
  constructor(
    clock: Clock,
    limits: RationLimits,
    onexceed: (limit: Exceeded) => void,
    isAlone: () => boolean = () => false
  ) {
    const { flowsPerSecond, flowBurst, datagramsPerSecond, udpPerSecond, guestBytesPerSecond } = limits
    const rate = (perSecond: number, least: number): TokenBucket | null =>
      bucket(perSecond, Math.max((perSecond * limits.rateBurstMs) / 1000, least))
    const flows = bucket(flowsPerSecond, flowBurst)
    const bytes = rate(guestBytesPerSecond, limits.quantum)
    this.#clock = clock
    this.#onexceed = onexceed
    this.#isAlone = isAlone
    this.#aloneFactor = limits.aloneFactor
    this.#flows =
      flows &&
      new FairQueue(
        clock,
        flows,
        () => this.#price,
        held => held.release()
      )
    this.#frames = rate(limits.framesPerSecond, 1)
    this.#openFrames = limits.openFrames
    this.#datagrams = rate(datagramsPerSecond, 1)
    this.#udpIn = rate(udpPerSecond, 1)
    this.#udpOut = rate(udpPerSecond, 1)
    this.#turns =
      bytes &&
      new FairQueue(
        clock,
        bytes,
        () => limits.quantum,
        flow => flow.proceed()
      )
    this.#udpBytes = rate(guestBytesPerSecond, MAX_UDP_PAYLOAD)
  }

  /**
   * The guest opens a flow.
   * @param accept gets the flow, now or later, and sets its events; returns a code to refuse it
   * @returns the code to refuse it with now
   */
  open(flow: ByteFlow, accept: (flow: ByteFlow) => ErrorCode | null): ErrorCode | null {
    const metered = this.#turns ? new MeteredFlow(flow, this.#turns) : flow
    if (!this.#flows || this.#flows.enter()) {
      this.#frames?.take(this.#openFrames * this.#price)
      return accept(metered)
    }
    this.#exceed('flowsPerSecond')
    const held = new HeldFlow(
      metered,
      () => accept(metered),
      ({ place }) => this.#flows?.leave(place)
    )
    this.#flows.wait(held.place)
    return null
  }

  /**
   * Whether one frame more may be read.
   * @param now when reading began: what is saved meanwhile is for the next go, or a backlog would be read in one, however long it takes
   * @returns 0, or how long to wait with it and all that follow, ms
   */
  frame(now: number): number {
    const frames = this.#frames
    if (!frames) return 0
    // Not more for who is alone: this bounds how long one go takes.
    if (frames.has(1, now)) {
      frames.take(1)
      return 0
    }
    this.#exceed('framesPerSecond')
    // Not for each frame alone.
    return Math.max(1, frames.wait(frames.size / 2, now))
  }

  /** Whether one sealed datagram of the guest more may be opened. */
  datagram(): boolean {
    return this.#pass(this.#datagrams, this.#price, 'datagramsPerSecond')
  }

  /** A datagram held so many records: each beyond the first costs as much as a datagram. */
  records(count: number): void {
    if (count > 1) this.#datagrams?.take((count - 1) * this.#price)
  }

  /** Whether a UDP payload of `size` bytes may go to its target. */
  udpIn(size: number): boolean {
    return this.#udp(this.#udpIn, size)
  }

  /** Whether a UDP payload of `size` bytes may go from a target to the guest. */
  udpOut(size: number): boolean {
    return this.#udp(this.#udpOut, size)
  }

  /** What one datagram, payload or flow costs now. */
  get #price(): number {
    return this.#isAlone() ? 1 / this.#aloneFactor : 1
  }

  #udp(count: TokenBucket | null, size: number): boolean {
    if (!this.#pass(count, this.#price, 'udpPerSecond')) return false
    if (!this.#pass(this.#udpBytes, size, 'guestBytesPerSecond')) return false
    // What UDP uses, TCP has to do without.
    this.#turns?.bucket.take(size)
    return true
  }

  #pass(bucket: TokenBucket | null, tokens: number, limit: Exceeded): boolean {
    if (!bucket) return true
    if (bucket.has(tokens, this.#clock.now())) {
      bucket.take(tokens)
      return true
    }
    this.#exceed(limit)
    return false
  }

  #exceed(limit: Exceeded): void {
    if (this.counts[limit]++ === 0) this.#onexceed(limit)
  }
}

/** @param perSecond 0 for no limit */
function bucket(perSecond: number, size: number): TokenBucket | null {
  return perSecond > 0 ? new TokenBucket(perSecond / 1000, size) : null
}
