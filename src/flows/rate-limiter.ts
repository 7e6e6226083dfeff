/**
 * Rate limits of one peer, shared by all sessions with it. A guest has all of them, a server's hosts those of frames and datagrams.
 * The most expensive work is limited first:
 *
 *     datagram -> datagramsPerSecond, before it is opened: dropped -> UDP payloads -> udpPerSecond, guestBytesPerSecond: dropped
 *     frame -> framesPerSecond: waits -> OPEN -> flowsPerSecond: waits -> bytes -> guestBytesPerSecond: wait
 *
 * A flow above the rate is delayed, not refused: a program that opens 1000 connections at once gets all of them a moment later.
 * The number of delayed flows is bounded, because each of them counts as a flow of its session.
 *
 * The limits protect the other guests, so a guest who is alone on the server gets a multiple of them. That does not apply to
 * bytes, which the owner limits, nor to frames.
 */

import type { ErrorCode } from '../errors.js'
import type { Limits } from '../limits.js'
import { Budget } from '../util/budget.js'
import type { Clock } from '../util/clock.js'
import { FairQueue } from '../util/fair-queue.js'
import { TokenBucket } from '../util/token-bucket.js'
import { MAX_UDP_PAYLOAD } from '../wire/constants.js'
import type { ByteFlow } from './byte-flow.js'
import { PENDING_BYTES, PendingFlow } from './pending-flow.js'
import { ThrottledFlow } from './throttled-flow.js'

export type RateLimits = Pick<
  Limits,
  | 'flowsPerSecond'
  | 'flowBurst'
  | 'framesPerSecond'
  | 'unreadBytes'
  | 'openFrames'
  | 'datagramsPerSecond'
  | 'smallDatagrams'
  | 'smallDatagramBytes'
  | 'arqFlowFactor'
  | 'udpPerSecond'
  | 'rateBurstMs'
  | 'aloneFactor'
  | 'guestBytesPerSecond'
  | 'quantum'
>

/** The limits that can apply here. */
export type RateLimit =
  | 'flowsPerSecond'
  | 'framesPerSecond'
  | 'datagramsPerSecond'
  | 'udpPerSecond'
  | 'guestBytesPerSecond'

/** A stream that is held up for this long, ms, is reported: after an outage, all that waited is opened at once, and takes a moment. */
const HELD_MS = 1000

/** After this long without a wait, ms, a stream is no longer held up. */
const REST_MS = 100

export class RateLimiter {
  /** How often each limit delayed a flow or the ordered stream, or dropped a datagram or UDP payload. */
  readonly counts: Record<RateLimit, number> = {
    flowsPerSecond: 0,
    framesPerSecond: 0,
    datagramsPerSecond: 0,
    udpPerSecond: 0,
    guestBytesPerSecond: 0
  }
  readonly #clock: Clock
  readonly #onexceed: (limit: RateLimit) => void
  readonly #isAlone: () => boolean
  readonly #aloneFactor: number
  readonly #flows: FairQueue<PendingFlow> | null
  /** Memory for frames that wait, beyond `framesPerSecond`. */
  readonly unread: Budget
  readonly #frames: TokenBucket | null
  readonly #openFrames: number
  /** Until when frames had to wait last, and since when that goes on. */
  #heldUntil = Number.NEGATIVE_INFINITY
  #heldSince = 0
  #isHeldTold = false
  readonly #datagrams: TokenBucket | null
  readonly #smallDatagrams: number
  readonly #smallDatagramBytes: number
  readonly #arqFlows: TokenBucket | null
  readonly #udpIn: TokenBucket | null
  readonly #udpOut: TokenBucket | null
  readonly #turns: FairQueue<ThrottledFlow> | null
  /** Byte budget of UDP alone: TCP can wait, UDP cannot, so TCP must not use it up. */
  readonly #udpBytes: TokenBucket | null

  /**
   * @param onexceed called the first time that each limit is reached; for frames, the first time that they are held up for long
   * @param isAlone whether the server has no other guest
   * @param memory the guest's budget, for flows and frames that wait
   */
  constructor(
    clock: Clock,
    limits: RateLimits,
    onexceed: (limit: RateLimit) => void,
    isAlone: () => boolean = () => false,
    readonly memory?: Budget
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
        pending => pending.release()
      )
    this.unread = new Budget(limits.unreadBytes, memory)
    this.#frames = rate(limits.framesPerSecond, 1)
    // Flows over the ARQ spend its tokens, too, maybe long before the first frame: time counts from now on.
    this.#frames?.has(0, clock.now())
    this.#openFrames = limits.openFrames
    this.#datagrams = rate(datagramsPerSecond, 1)
    this.#smallDatagrams = limits.smallDatagrams
    this.#smallDatagramBytes = limits.smallDatagramBytes
    this.#arqFlows = bucket(flowsPerSecond * limits.arqFlowFactor, flowBurst * limits.arqFlowFactor)
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
   * Handles a flow that the guest opens.
   * @param accept receives the flow, now or later, and sets its events; returns a code to refuse it
   * @returns the code to refuse the flow with now
   */
  open(flow: ByteFlow, accept: (flow: ByteFlow) => ErrorCode | null): ErrorCode | null {
    const throttled = this.#turns ? new ThrottledFlow(flow, this.#turns) : flow
    if (!this.#flows || this.#flows.enter()) {
      this.#frames?.take(this.#openFrames * this.#price)
      return accept(throttled)
    }
    this.#exceed('flowsPerSecond')
    if (this.memory && !this.memory.borrow(PENDING_BYTES)) return 'TOO_MANY_FLOWS'
    const pending = new PendingFlow(
      throttled,
      () => accept(throttled),
      ({ place }) => this.#flows?.leave(place),
      this.memory
    )
    this.#flows.wait(pending.place)
    return null
  }

  /**
   * Whether one more frame may be read.
   * @param now when this round of reading began. Tokens that accrue during the round count for the next one; otherwise a
   *   backlog would be read in one go, however long that takes
   * @returns 0, or how long to wait before reading this frame and those behind it, ms
   */
  frame(now: number): number {
    const frames = this.#frames
    if (!frames) return 0
    // No multiple for a lone guest: this limit bounds how long one round takes.
    if (frames.tryTake(1, now)) return 0
    // Wait for several frames' worth instead of setting a timer per frame.
    const wait = Math.max(1, frames.wait(frames.size / 2, now))
    this.#onHeld(now, wait)
    return wait
  }

  #onHeld(now: number, wait: number): void {
    if (now - this.#heldUntil > REST_MS) this.#heldSince = now
    this.#heldUntil = now + wait
    this.counts.framesPerSecond++
    if (this.#isHeldTold || now - this.#heldSince < HELD_MS) return
    this.#isHeldTold = true
    this.#onexceed('framesPerSecond')
  }

  /** Whether one more sealed datagram of the guest may be opened. */
  datagram(): boolean {
    return this.#pass(this.#datagrams, this.#price, 'datagramsPerSecond')
  }

  /**
   * Charges what an opened datagram costs beyond one of full size with one record: each further record as much as a datagram.
   * @param bytes its size, sealed
   */
  records(count: number, bytes: number): void {
    const small = bytes < this.#smallDatagramBytes ? this.#smallDatagrams - 1 : 0
    const more = Math.max(0, count - 1) + small
    if (more > 0) this.#datagrams?.take(more * this.#price)
  }

  /** Whether the guest may begin one more flow over the ARQ; it may have to wait then. */
  arqFlow(): boolean {
    return this.#pass(this.#arqFlows, this.#price, 'flowsPerSecond')
  }

  /** Whether a UDP payload of `size` bytes may go to its target. */
  udpIn(size: number): boolean {
    return this.#udp(this.#udpIn, size)
  }

  /** Whether a UDP payload of `size` bytes may go from a target to the guest. */
  udpOut(size: number): boolean {
    return this.#udp(this.#udpOut, size)
  }

  /** Tokens that one datagram, payload or flow costs now. */
  get #price(): number {
    return this.#isAlone() ? 1 / this.#aloneFactor : 1
  }

  #udp(count: TokenBucket | null, size: number): boolean {
    if (!this.#pass(count, this.#price, 'udpPerSecond')) return false
    if (!this.#pass(this.#udpBytes, size, 'guestBytesPerSecond')) return false
    // UDP traffic also counts against TCP's share.
    this.#turns?.bucket.take(size)
    return true
  }

  #pass(bucket: TokenBucket | null, tokens: number, limit: RateLimit): boolean {
    if (!bucket || bucket.tryTake(tokens, this.#clock.now())) return true
    this.#exceed(limit)
    return false
  }

  #exceed(limit: RateLimit): void {
    if (this.counts[limit]++ === 0) this.#onexceed(limit)
  }
}

/** @param perSecond 0 for no limit */
function bucket(perSecond: number, size: number): TokenBucket | null {
  return perSecond > 0 ? new TokenBucket(perSecond / 1000, size) : null
}
