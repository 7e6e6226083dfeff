import type { Clock, Timer } from '../util/clock.js'
import { Reader } from '../wire/bytes.js'

/**
 * Reads frames of a type in which each replaces the one before: at most one per interval. Of those in between only the last is
 * read, because decoding a long list costs more than receiving it.
 */
export class LatestFrame {
  /** The last one that was not read. */
  #waiting: Uint8Array | null = null
  /** Armed when one was read. */
  #timer: Timer | null = null

  /**
   * @param ms the interval
   * @param read decodes the content of a frame; what it leaves unread is a fault
   * @param guard runs a read that the timer starts, which may find the peer at fault
   */
  constructor(
    readonly clock: Clock,
    readonly ms: number,
    readonly read: (body: Reader) => void,
    readonly guard: (run: () => void) => void
  ) {}

  /** A frame came: its content, which stays valid. */
  add(content: Uint8Array): void {
    if (this.#timer) this.#waiting = content
    else this.#read(content)
  }

  /** Forgets the one that waits. */
  clear(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#waiting = null
  }

  #read(content: Uint8Array): void {
    this.#timer = this.clock.after(this.ms, () => this.#next())
    const body = new Reader(content)
    this.read(body)
    body.done()
  }

  #next(): void {
    const content = this.#waiting
    this.clear()
    if (content) this.guard(() => this.#read(content))
  }
}
