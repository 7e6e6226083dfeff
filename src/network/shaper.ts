/**
 * Holds sessions to a rate each, and all of them to one. What comes too fast waits for a moment, as in the queue before a slow
 * line; what finds the queue full is dropped.
 *
 *     packet -> queue of its direction -> rate of its session -> rate of all -> on
 *                  in turns within a session       in turns among sessions
 *
 * Pure: a clock comes from outside.
 */

import type { RelayLimits } from '../limits.js'
import { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { Queue, QueueNode } from '../util/queue.js'
import { TokenBucket } from '../util/token-bucket.js'

export type ShaperLimits = Pick<
  RelayLimits,
  'sessionBits' | 'totalBits' | 'burstMs' | 'queueMs' | 'queuedBytes'
>

/** What a bucket and a queue hold at the least: with room for no more than a few packets hardly any would get through. */
const LEAST_BYTES = 16 * 1024

/** A packet is never larger than a link's; what is would wait for ever for a small bucket. */
const PACKET_MAX = 4 * 1024

export class Shaper {
  /** What may wait, of all sessions. */
  readonly queued: Budget
  /** What may wait in one direction of a session. */
  readonly queueBytes: number
  readonly #total: TokenBucket
  /** Sessions whose next packet is within their rate. */
  readonly #turns = new Queue<ShapedSession>()
  #timer: Timer | null = null
  #running = false

  constructor(
    readonly clock: Clock,
    readonly limits: ShaperLimits
  ) {
    const { sessionBits, totalBits, burstMs, queueMs, queuedBytes } = limits
    this.queued = new Budget(queuedBytes)
    this.queueBytes = bytesIn(queueMs, Math.min(sessionBits, totalBits))
    this.#total = new TokenBucket(bytesPerMs(totalBits), bytesIn(burstMs, totalBits))
  }

  session(): ShapedSession {
    const { sessionBits, burstMs } = this.limits
    return new ShapedSession(this, new TokenBucket(bytesPerMs(sessionBits), bytesIn(burstMs, sessionBits)))
  }

  /** The session's next packet is within the session's rate. */
  ready(session: ShapedSession): void {
    this.#turns.add(session.turn)
    if (!this.#running && !this.#timer) this.#run()
  }

  #run(): void {
    const now = this.clock.now()
    this.#running = true
    for (let session = this.#turns.first; session; session = this.#turns.first) {
      const size = session.next
      const wait = this.#total.wait(size, now)
      if (wait > 0) {
        this.#timer = this.clock.after(Math.ceil(wait), () => {
          this.#timer = null
          this.#run()
        })
        break
      }
      this.#turns.delete(session.turn)
      this.#total.take(size)
      session.pass(now)
    }
    this.#running = false
  }
}

/** The packets of one session, in both directions. */
export class ShapedSession {
  readonly turn = new QueueNode<ShapedSession>(this)
  /** Directions with packets that wait. */
  readonly #turns = new Queue<Direction>()
  #timer: Timer | null = null

  constructor(
    readonly shaper: Shaper,
    readonly bucket: TokenBucket
  ) {}

  /** Bytes of the packet whose turn it is; 0 if none waits. */
  get next(): number {
    return this.#turns.first?.next ?? 0
  }

  /** A direction has packets that wait. */
  add(direction: Direction): void {
    this.#turns.add(direction.turn)
    this.#ask(this.shaper.clock.now())
  }

  /** A direction has none any more. */
  remove(direction: Direction): void {
    this.#turns.delete(direction.turn)
  }

  /** Passes on the packet whose turn it is. */
  pass(now: number): void {
    const direction = this.#turns.take()
    if (!direction) return
    this.bucket.take(direction.next)
    direction.passNext()
    if (direction.next > 0) this.#turns.add(direction.turn)
    this.#ask(now)
  }

  /** Asks for the next packet: the session's own rate, then that of all. */
  #ask(now: number): void {
    const size = this.next
    if (size === 0 || this.#timer) return
    const wait = this.bucket.wait(size, now)
    if (wait === 0) return this.shaper.ready(this)
    this.#timer = this.shaper.clock.after(Math.ceil(wait), () => {
      this.#timer = null
      this.#ask(this.shaper.clock.now())
    })
  }
}

/** The packets that go one way in a session, in their order. */
export class Direction {
  readonly turn = new QueueNode<Direction>(this)
  #packets: Buffer[] = []
  #bytes = 0

  constructor(
    readonly session: ShapedSession,
    /** Sends a packet on. */
    readonly send: (packet: Buffer) => void
  ) {}

  /** Bytes of the packet that is next; 0 if none waits. */
  get next(): number {
    return this.#packets[0]?.byteLength ?? 0
  }

  /**
   * Sends a packet on when its turn comes, perhaps at once; or drops it, if too many wait.
   * @param size bytes of the packet
   * @param packet makes it, in a buffer of its own: a part of a larger one would keep all of that while it waits
   */
  offer(size: number, packet: () => Buffer): void {
    const { queued, queueBytes } = this.session.shaper
    if (size > PACKET_MAX) return
    // Where none waits there is always room for one: it may go at once, whatever waits elsewhere.
    if (this.#bytes > 0 && (this.#bytes + size > queueBytes || queued.free < size)) return
    queued.charge(size)
    this.#bytes += size
    this.#packets.push(packet())
    this.session.add(this)
  }

  passNext(): void {
    const packet = this.#packets.shift()
    if (!packet) return
    this.#gone(packet.byteLength)
    this.send(packet)
  }

  /** Drops what waits. */
  clear(): void {
    this.session.remove(this)
    this.#gone(this.#bytes)
    this.#packets = []
  }

  #gone(bytes: number): void {
    this.#bytes -= bytes
    this.session.shaper.queued.giveBack(bytes)
  }
}

function bytesPerMs(bits: number): number {
  return bits / 8 / 1000
}

function bytesIn(ms: number, bits: number): number {
  return Math.max(bytesPerMs(bits) * ms, LEAST_BYTES)
}
