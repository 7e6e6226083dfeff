/**
 * How much of a stream has arrived behind a gap. udx-native keeps all of it until the gap is filled or the stream ends, without a limit: a
 * peer that withholds one packet can make the process keep everything that it sends after it. udx-native does not report the amount
 * either, so it is estimated from the counters that it has.
 */
import type { Clock, Timer } from '../util/clock.js'

/** Bytes that are in order count so much: what was lost on the way, or seemed to be, comes twice. */
const AGAIN = 1.5

/** UDX's header, and some blocks of selective acknowledgements, bytes. */
const HEADER_BYTES = 64

/** So much comes at the most in acknowledgements of what is sent: 420 bytes, those with most blocks, for a packet. */
const ACKNOWLEDGEMENTS = 0.4

/** A peer that has sent little in order has little more on its way, since its window grows with what arrives; bytes. */
const FIRST_BYTES = 256 * 1024
const WINDOWS = 4
const MOST_BYTES = 24 * 1024 * 1024

/** Time between two checks, ms. What arrives in that time can exceed the limit. */
const LOOK_MS = 250

/** What has come of a stream, and gone, since it began; bytes but for `packets`. */
export interface Counted {
  /** With headers. */
  readonly received: number
  readonly packets: number
  readonly inOrder: number
  readonly datagrams: number
  readonly sent: number
}

export class GapEstimate {
  #bytes = 0
  #unexplained = 0

  /** Updates the estimate. @returns whether more has arrived behind gaps than an honest peer can have in flight */
  update({ received, packets, inOrder, datagrams, sent }: Counted): boolean {
    const unexplained =
      received - AGAIN * inOrder - datagrams - HEADER_BYTES * packets - ACKNOWLEDGEMENTS * sent
    // In-order bytes count for more than they are: that must not become a credit for later.
    this.#bytes = Math.max(0, this.#bytes + unexplained - this.#unexplained)
    this.#unexplained = unexplained
    return this.#bytes > Math.min(MOST_BYTES, FIRST_BYTES + WINDOWS * inOrder)
  }
}

/** Checks connections a few times a second, while there are any. */
export class GapWatch {
  readonly #checks = new Set<() => void>()
  #timer: Timer | null = null
  #closed = false

  constructor(readonly clock: Clock) {}

  /** @returns a function that ends the checks of this connection */
  add(check: () => void): () => void {
    this.#checks.add(check)
    this.#arm()
    return () => void this.#checks.delete(check)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #arm(): void {
    if (this.#closed || this.#checks.size === 0) return
    this.#timer ??= this.clock.after(LOOK_MS, () => {
      this.#timer = null
      for (const check of this.#checks) check()
      this.#arm()
    })
  }
}
