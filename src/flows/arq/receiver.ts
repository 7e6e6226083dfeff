/** The receiving half of a flow: bytes in order, the end of the stream, the window, the acks. */

import { HyperNatError } from '../../errors.js'
import type { Budget } from '../../util/budget.js'
import {
  INITIAL_WINDOW,
  RANGE_BYTES,
  RANGES_KEPT_MAX,
  RANGES_KEPT_MIN,
  RECEIVE_WINDOW_START,
  WINDOW_SHARE,
  WINDOW_START_SHARE
} from './constants.js'
import { Inbox } from './inbox.js'
import { Received } from './received.js'
import { BLOCKED, DATA, FIN, OPEN, type Segment } from './segment.js'

export class Receiver {
  readonly inbox = new Inbox()
  readonly received = new Received()
  /** The window last advertised is too small for a segment: its opening must be advertised reliably. */
  closedWindow = false
  /** Segments dropped because they lay outside the window. */
  dropped = 0
  private window = INITIAL_WINDOW
  /** Offset after the stream's last byte; -1 while not known. */
  private final = -1
  /** Largest limit that the peer was told. */
  private told = INITIAL_WINDOW
  /** The window grows only once the peer has had time to use what it grew to last. */
  private growAfter = 0
  private gapBorrowed = false

  constructor(
    private readonly windowMax: number,
    /** What the window beyond the first is borrowed from. */
    private readonly budget: Budget,
    /** What the first window is borrowed from while there are bytes behind a gap. */
    private readonly gaps?: Budget
  ) {
    this.setWindow(INITIAL_WINDOW)
    this.widen(Math.min(RECEIVE_WINDOW_START, budget.free * WINDOW_START_SHARE))
  }

  /** Everything was read and is done with, to the end. */
  get drained(): boolean {
    return this.complete && this.inbox.consumed === this.final
  }

  /** Everything up to the end of the stream has come. */
  get complete(): boolean {
    return this.final >= 0 && this.inbox.next === this.final
  }

  /** Stream units received without a gap: bytes, and one for the end. */
  get cumulative(): number {
    return this.complete ? this.final + 1 : this.inbox.next
  }

  /** Everything was read, to the end. */
  get ended(): boolean {
    return this.complete && this.inbox.handed === this.final
  }

  /** Offset up to which the peer may send. Never falls, for the window never shrinks. */
  get limit(): number {
    return Math.max(this.told, this.inbox.consumed + this.window)
  }

  /**
   * Takes a segment that has a packet number.
   * @returns true if there is something new to read, be it the end of the stream
   * @throws HyperNatError `PROTOCOL_ERROR` when the end of the stream moves
   */
  take(segment: Segment, buf: Uint8Array, now: number): boolean {
    const { inbox, received } = this
    if (!segment.has(DATA)) {
      received.add(segment.number, segment.has(OPEN) && !received.any, now)
      return false
    }
    const end = segment.offset + segment.dataLength
    const fin = segment.has(FIN)
    this.checkEnd(end, fin)
    if (end > this.limit || (segment.offset > inbox.next && !this.borrowGap())) {
      this.dropped++
      return false
    }
    const before = inbox.next
    const wasComplete = this.complete
    const isTaken = inbox.insert(segment.offset, buf, segment.dataStart, segment.dataLength)
    if (!inbox.hasGap) this.giveBackGap()
    if (!isTaken) {
      this.dropped++
      return false
    }
    if (fin) {
      this.final = end
      if (this.drained) this.giveBack()
    }
    received.add(segment.number, fin, now)
    if (segment.has(BLOCKED)) this.grow()
    return inbox.next > before || this.complete !== wasComplete
  }

  /** `bytes` that read() handed out are done with. @returns true if the window should be advertised at once */
  consumed(bytes: number): boolean {
    const inbox = this.inbox
    inbox.consumed = Math.min(inbox.consumed + bytes, inbox.handed)
    if (this.drained) this.giveBack()
    if (this.final >= 0) return false
    const opened = this.limit - this.told
    if (this.closedWindow) return opened >= Math.min(this.window / 4, 16384)
    return opened >= this.window / 2
  }

  /** Writes the ack block, see {@link Received.putAck}. */
  putAck(buf: Uint8Array, at: number, room: number, now: number): number {
    this.told = this.limit
    this.closedWindow = this.told - this.inbox.next < INITIAL_WINDOW / 8
    return this.received.putAck(buf, at, room, this.cumulative, this.told, now)
  }

  /** Drops what was not read: the flow was reset. */
  clear(): void {
    this.inbox.clear()
    this.giveBack()
  }

  private checkEnd(end: number, fin: boolean): void {
    const moved =
      this.final >= 0 ? end > this.final || (fin && end !== this.final) : fin && end < this.inbox.highest
    if (moved) throw new HyperNatError('PROTOCOL_ERROR', 'The peer moved the end of a stream.')
  }

  /** The peer is held up by the window: double it, unless it is our reader that is slow. */
  private grow(): void {
    const inbox = this.inbox
    if (this.final >= 0 || this.window >= this.windowMax || inbox.next < this.growAfter) return
    if (inbox.next - inbox.consumed > this.window / 4) return
    this.growAfter = inbox.next + this.window
    this.widen(Math.min(this.window * 2, this.budget.free * WINDOW_SHARE))
  }

  /** Borrows what is missing for a window of `wanted` bytes, or the next smaller power of 2: the inbox has such sizes. */
  private widen(wanted: number): void {
    const window = 2 ** Math.floor(Math.log2(Math.min(wanted, this.windowMax)))
    if (window > this.window && this.budget.borrow(window - this.window)) this.setWindow(window)
  }

  /** What lies behind a gap cannot be handed over: a peer could leave it so for good, in any number of flows. */
  private borrowGap(): boolean {
    this.gapBorrowed ||= this.gaps?.borrow(INITIAL_WINDOW) ?? true
    return this.gapBorrowed
  }

  private giveBackGap(): void {
    if (this.gapBorrowed) this.gaps?.giveBack(INITIAL_WINDOW)
    this.gapBorrowed = false
  }

  /** Nothing more will come: what was borrowed is free for others. */
  private giveBack(): void {
    this.inbox.release()
    this.giveBackGap()
    this.budget.giveBack(this.window - INITIAL_WINDOW)
    this.setWindow(INITIAL_WINDOW)
  }

  private setWindow(window: number): void {
    this.window = window
    this.inbox.rangesMax = Math.min(RANGES_KEPT_MAX, Math.max(RANGES_KEPT_MIN, window / RANGE_BYTES))
  }
}
