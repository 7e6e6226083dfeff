/**
 * Reads the messages of one connection's ordered stream, no more frames than the rate limiter allows: the rest waits, and
 * so does the stream. A message may hold 80,000 frames, so it is read in part where it must be.
 */

import type { RateLimiter } from '../flows/rate-limiter.js'
import type { Clock, Timer } from '../util/clock.js'
import { type FrameSink, readMessage } from '../wire/frames.js'
import type { Link } from '../wire/link.js'

export interface FrameReaderDeps {
  readonly clock: Clock
  readonly rateLimiter?: RateLimiter
}

export class FrameReader {
  /** What has come and is not read: what was on its way when the link was told to wait. */
  readonly #unread: Uint8Array[] = []
  /** Armed while the frame rate is used up. */
  #timer: Timer | null = null
  /** Of one go at reading: when it began, and how long to wait before the next one. */
  #now = 0
  #wait = 0

  /**
   * @param guard runs a read, which may find the other side at fault
   * @param live whether the connection is still in use
   */
  constructor(
    readonly link: Link,
    readonly sink: FrameSink,
    readonly outside: FrameReaderDeps,
    readonly guard: (read: () => void) => void,
    readonly live: () => boolean
  ) {}

  /** A message has come. */
  add(message: Uint8Array): void {
    this.#unread.push(message)
    if (!this.#timer) this.guard(this.#read)
  }

  readonly #read = (): void => {
    const { clock } = this.outside
    this.#now = clock.now()
    this.#wait = 0
    while (this.#unread.length > 0 && this.live()) {
      const message = this.#unread[0]!
      const at = readMessage(message, this.sink, this.#over)
      if (this.#wait > 0) {
        this.#unread[0] = message.subarray(at)
        this.link.pause()
        this.#timer = clock.after(this.#wait, () => {
          this.#timer = null
          this.guard(this.#read)
          if (!this.#timer && this.live()) this.link.resume()
        })
        return
      }
      this.#unread.shift()
    }
  }

  readonly #over = (): boolean => {
    if (!this.live()) return true
    this.#wait = this.outside.rateLimiter?.frame(this.#now) ?? 0
    return this.#wait > 0
  }
}
