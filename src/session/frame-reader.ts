/**
 * Reads the messages of one connection's ordered stream, at most as many frames as the peer's rate allows. Beyond that the link pauses, so
 * that no more of them are decrypted; those that are wait here, within a budget. This is not back-pressure: UDX goes on receiving and
 * acknowledging. A message may hold 80,000 frames, so the rate may allow only a part of it.
 */

import type { ErrorCode } from '../errors.js'
import type { RateLimiter } from '../flows/rate-limiter.js'
import type { Clock, Timer } from '../util/clock.js'
import { closeOf, type FrameSink, readMessage } from '../wire/frames.js'
import type { Link } from '../wire/link.js'

/** Memory of a waiting message besides its bytes: its objects. */
const MESSAGE_COST = 256

export interface FrameReaderDeps {
  readonly clock: Clock
  /** The peer's rates, and the budget for what waits; left out: everything is read at once. */
  readonly rateLimiter?: RateLimiter
}

export class FrameReader {
  /** Messages to read, and what each has borrowed of the budget. */
  readonly #unread: { message: Uint8Array; cost: number }[] = []
  /** The message that there was no room for. */
  #refused: Uint8Array | null = null
  /** Armed while the peer is beyond its rate. */
  #timer: Timer | null = null
  #closed = false
  /** Of one run of reading: when it began, and how long to wait before the next one, ms. */
  #now = 0
  #wait = 0

  /** @param guard runs a read, which may find the peer at fault */
  constructor(
    readonly link: Pick<Link, 'pause' | 'resume' | 'ignore'>,
    readonly sink: FrameSink,
    readonly deps: FrameReaderDeps,
    readonly guard: (read: () => void) => void
  ) {}

  /**
   * Takes a message of the stream.
   * @returns false when the peer has sent too much that waits to be read: then the message is lost, and the connection must end
   */
  add(message: Uint8Array): boolean {
    if (this.#timer) {
      const cost = message.byteLength + MESSAGE_COST
      if (!this.deps.rateLimiter!.unread.borrow(cost)) {
        this.#refused = message
        return false
      }
      this.#unread.push({ message, cost })
    } else {
      this.#unread.push({ message, cost: 0 })
      this.guard(this.#read)
    }
    return true
  }

  /** The CLOSE that the peer sent last, if it waits: a message of its own, behind which nothing comes. */
  takeClose(): { code: ErrorCode; reason: string } | null {
    const last = this.#refused ?? (this.#timer && this.#unread.at(-1)?.message)
    return last ? closeOf(last) : null
  }

  /** Forgets what waits, and what comes from now on. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#timer = null
    for (const { cost } of this.#unread) this.deps.rateLimiter?.unread.giveBack(cost)
    this.#unread.length = 0
    this.link.ignore()
  }

  readonly #read = (): void => {
    const { clock } = this.deps
    this.#now = clock.now()
    this.#wait = 0
    let read = 0
    while (read < this.#unread.length && !this.#closed) {
      const next = this.#unread[read]!
      const at = readMessage(next.message, this.sink, this.#isOver)
      // An empty message takes as long as one with a frame.
      if (next.message.byteLength === 0) this.#isOver()
      if (this.#closed) return
      if (this.#wait > 0) {
        next.message = next.message.subarray(at)
        this.#timer = clock.after(this.#wait, () => {
          this.#timer = null
          this.guard(this.#read)
          if (!this.#timer) this.link.resume()
        })
        this.link.pause()
        break
      }
      this.deps.rateLimiter?.unread.giveBack(next.cost)
      // A later message may close the reader, which returns what the others have borrowed.
      next.cost = 0
      read++
    }
    this.#unread.splice(0, read)
  }

  readonly #isOver = (): boolean => {
    if (this.#closed) return true
    this.#wait = this.deps.rateLimiter?.frame(this.#now) ?? 0
    return this.#wait > 0
  }
}
