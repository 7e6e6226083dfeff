/**
 * How much of a stream has arrived behind a gap. udx-native keeps all of it, until the gap is filled or the stream ends, and has no bound
 * for it: somebody who never sends the first packet has the process keep whatever the line carries. It does not tell how much that is,
 * either, so it is estimated from what it counts. Pure.
 */

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

/** Between two looks, ms: what the line carries meanwhile is the least that is kept. */
export const GAP_LOOK_MS = 250

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

  /** Bytes behind gaps, as of the last {@link update}. */
  get bytes(): number {
    return this.#bytes
  }

  /** Takes the counters anew. @returns whether more lies behind gaps than a peer has on its way */
  update({ received, packets, inOrder, datagrams, sent }: Counted): boolean {
    const unexplained =
      received - AGAIN * inOrder - datagrams - HEADER_BYTES * packets - ACKNOWLEDGEMENTS * sent
    // What is in order may be overestimated for as long as one likes: that is no credit for later.
    this.#bytes = Math.max(0, this.#bytes + unexplained - this.#unexplained)
    this.#unexplained = unexplained
    return this.#bytes > Math.min(MOST_BYTES, FIRST_BYTES + WINDOWS * inOrder)
  }
}
