/**
 * A `tcp` flow: absolute offsets, credit windows, FIN and reset over the session's ordered stream. Every byte is kept
 * until the other side has acknowledged it, so that a session that lost its connection goes on where it was.
 *
 *              open                      both FINs received and acknowledged
 *   (socket) ---------> OPEN ------------------------------------------------> DONE
 *                         |  reset by the other side, or the session's end      ^
 *                         +-----------------------------------------------------+
 *                         |  reset by the local socket          RESET sent      |
 *                         +---------------------> RESETTING --------------------+
 *
 * What a socket said before it was reset goes out before the RESET, as far as the other side's window lets it: a program
 * that sends data and then resets is read to the end, as over plain TCP.
 */

import type { ErrorCode } from '../errors.js'
import type { Limits } from '../limits.js'
import type { Budget } from '../util/budget.js'
import { QueueNode } from '../util/queue.js'
import { protocolError } from '../wire/bytes.js'
import { INITIAL_WINDOW } from '../wire/constants.js'
import { type ByteFlow, type ByteFlowEvents, ignoreEvents } from './byte-flow.js'
import { ThinDetector, type ThinLimits } from './thin-detector.js'

export type TcpLimits = ThinLimits & Pick<Limits, 'flowQueue' | 'flowKept' | 'flowWindow' | 'windowGrowthMs'>

/** What a flow asks of its session. */
export interface TcpCarrier {
  /** Counts what the session's flows keep until it is acknowledged. */
  readonly kept: Budget
  /** The flow has something to send: its OPEN, DATA, its FIN or RESET. */
  ready(flow: TcpFlow): void
  /** The flow wants to tell its window now. */
  windowDue(flow: TcpFlow): void
  /** The flow has received bytes; telling so can wait a little. */
  windowSoon(flow: TcpFlow): void
  /** Asks for `bytes` of the session's budget for windows beyond the first; false if it is used up. */
  borrow(bytes: number): boolean
  /** Gives back what was borrowed. */
  giveBack(bytes: number): void
  /** The flow is finished and can be forgotten. */
  done(flow: TcpFlow): void
  /** The flow is thin, and carries something. */
  thin(): void
  now(): number
}

/** What a flow says behind its bytes: nothing, its end, or a reset with its code. */
export type Tail = 'none' | 'fin' | ErrorCode

/** Stands where a chunk was that has been acknowledged. */
const RELEASED = new Uint8Array(0)

/** Bytes that a flow keeps in any case while its peer's budget is used up. */
const SHORT_KEPT = 4096

/** Released chunks are cut off when there are so many, and more than those that are left. */
const RELEASED_MAX = 256

export class TcpFlow implements ByteFlow {
  events: ByteFlowEvents = ignoreEvents
  /** Where it waits to say something, to tell its window, and to tell it when that can wait a little. */
  readonly turn = new QueueNode<TcpFlow>(this)
  readonly windowTurn = new QueueNode<TcpFlow>(this)
  readonly soonTurn = new QueueNode<TcpFlow>(this)

  // Sending. Offsets: base <= acked.. <= next <= end; the chunks from `head` hold [base, end).
  #chunks: Uint8Array[] = []
  #head = 0
  #base = 0
  #next = 0
  #end = 0
  /** The most that was ever sent, FIN included: what may be acknowledged, whichever connection it went over. */
  #mostSent = 0
  /** The chunk that holds `next`, and where it starts; searched again after a rewind. */
  #cursor = 0
  #cursorStart = 0
  #credit = INITIAL_WINDOW
  #openDue = false
  #finQueued = false
  #finSent = false
  #finAcked = false
  #paused = false

  // Receiving. Offsets: consumed <= received <= limit.
  #received = 0
  #consumed = 0
  #window = INITIAL_WINDOW
  #limit = INITIAL_WINDOW
  #acked = 0
  #finReceived = false
  #finTold = false
  #borrowed = 0
  #grewFrom = 0
  #grewAt: number

  readonly #thin: ThinDetector
  #resetting: ErrorCode | null = null
  #done = false

  /** When it was made, ms, by the session's clock. */
  readonly openedAt: number

  constructor(
    readonly id: number,
    /** The session's number of the port map that the flow belongs to. */
    readonly map: number,
    readonly carrier: TcpCarrier,
    readonly limits: TcpLimits
  ) {
    this.openedAt = carrier.now()
    this.#grewAt = this.openedAt
    this.#thin = new ThinDetector(limits, () => carrier.thin())
  }

  /** The flow's OPEN is to be sent. */
  open(): void {
    this.#openDue = true
    this.carrier.ready(this)
  }

  // --- the local socket's side ---

  write(bytes: Uint8Array): boolean {
    if (this.#shut) return true
    if (bytes.byteLength > 0) {
      this.#thin.add(bytes.byteLength, this.carrier.now())
      this.#chunks.push(bytes)
      this.#end += bytes.byteLength
      this.carrier.kept.charge(bytes.byteLength)
      this.carrier.ready(this)
    }
    this.#paused = this.#end - this.#next > this.limits.flowQueue || this.#crowded
    return !this.#paused
  }

  /**
   * Whether the session keeps all that it may, and the flow its part of it: the other side takes more than it acknowledges. What
   * it acknowledges of this flow is what lets it go on.
   */
  get #crowded(): boolean {
    const { kept } = this.carrier
    if (kept.free > 0) return false
    // Where the peer's sessions together keep all that they may, a flow waits for what it has sent.
    return this.retained > (kept.parent?.free === 0 ? SHORT_KEPT : this.limits.flowKept)
  }

  end(): void {
    if (this.#shut) return
    this.#finQueued = true
    this.carrier.ready(this)
  }

  reset(code: ErrorCode): void {
    if (this.#done || this.#resetting) return
    // A program that disconnected before the OPEN was sent.
    if (this.#openDue && this.#end === 0) return this.#finish()
    this.#resetting = code
    this.events = ignoreEvents
    this.carrier.giveBack(this.#borrowed)
    this.#borrowed = 0
    this.carrier.ready(this)
  }

  /** Whether the local socket has said all that it will. */
  get #shut(): boolean {
    return this.#done || this.#finQueued || this.#resetting !== null
  }

  consumed(size: number): void {
    this.#consumed += size
    if (this.#done || this.#resetting) return
    if (this.#consumed - this.#grewFrom >= this.#window / 2) this.#growWindow()
    if (this.#limit - this.#consumed < this.#window / 2 && !this.#finReceived) this.carrier.windowDue(this)
  }

  /** Half a window was emptied: twice the window, if that went faster than a slow path could have filled it. */
  #growWindow(): void {
    const now = this.carrier.now()
    const more = Math.min(this.#window, this.limits.flowWindow - this.#window)
    if (now - this.#grewAt < this.limits.windowGrowthMs && more > 0 && this.carrier.borrow(more)) {
      this.#window += more
      this.#borrowed += more
    }
    this.#grewAt = now
    this.#grewFrom = this.#consumed
  }

  // --- the session's side: sending ---

  /** Whether DATA could go out now. */
  get sendable(): number {
    return this.#done ? 0 : Math.min(this.#end, this.#credit) - this.#next
  }

  /** Whether anything could go out now. */
  get due(): boolean {
    return !this.#done && (this.#openDue || this.sendable > 0 || this.tailAfter(0) !== 'none')
  }

  /** Whether the OPEN is to be sent first. */
  get openDue(): boolean {
    return this.#openDue
  }

  /** What follows when the next `size` bytes (at most {@link sendable}) have gone out. */
  tailAfter(size: number): Tail {
    if (this.#resetting && size >= this.sendable) return this.#resetting
    return this.#finQueued && !this.#finSent && this.#next + size === this.#end ? 'fin' : 'none'
  }

  /** The offset of the next byte to send. */
  get nextOffset(): number {
    return this.#next
  }

  /** Copies the next `size` bytes (at most {@link sendable}) into a message being built. */
  fill(out: Uint8Array, at: number, size: number): void {
    let left = size
    while (left > 0) {
      const chunk = this.#chunks[this.#cursor]!
      const from = this.#next - this.#cursorStart
      const take = Math.min(left, chunk.byteLength - from)
      out.set(from === 0 && take === chunk.byteLength ? chunk : chunk.subarray(from, from + take), at)
      at += take
      left -= take
      this.#next += take
      if (from + take === chunk.byteLength) {
        this.#cursor++
        this.#cursorStart += chunk.byteLength
      }
    }
    this.#mostSent = Math.max(this.#mostSent, this.#next)
  }

  /** A message with its bytes has gone out. Now the local socket may be called, which may end anything. */
  filled(): void {
    if (!this.#done) this.#unpause()
  }

  #unpause(): void {
    if (!this.#paused || this.#end - this.#next > this.limits.flowQueue / 2 || this.#crowded) return
    this.#paused = false
    this.events.drain()
  }

  /** The OPEN has gone out. */
  opened(): void {
    this.#openDue = false
  }

  /** What {@link tailAfter} gave has gone out. */
  tailSent(tail: Tail): void {
    if (tail === 'none' || this.#done) return
    if (tail !== 'fin') return this.#finish()
    this.#finSent = true
    this.#mostSent = this.#end + 1
  }

  // --- the session's side: receiving ---

  /** DATA from the other side. Bytes that came before (over a connection that died) are passed over. */
  onData(offset: number, bytes: Uint8Array): void {
    if (this.#done || this.#resetting) return
    const end = offset + bytes.byteLength
    if (offset > this.#received) throw protocolError('bytes out of order')
    if (end > this.#limit) throw protocolError('more bytes than were asked for')
    if (end <= this.#received) return
    if (this.#finReceived) throw protocolError('bytes behind the end of a flow')
    const fresh = offset === this.#received ? bytes : bytes.subarray(this.#received - offset)
    this.#received = end
    this.#thin.add(fresh.byteLength, this.carrier.now())
    // What is not consumed yet is acknowledged all the same: it is ours to keep now.
    if (this.#received - this.#acked >= this.#window / 4) this.carrier.windowDue(this)
    else this.carrier.windowSoon(this)
    this.events.data(fresh)
  }

  onFin(offset: number): void {
    if (this.#done || this.#resetting || this.#finReceived) return
    if (offset !== this.#received) throw protocolError('an end of a flow that does not follow its bytes')
    this.#finReceived = true
    this.carrier.windowDue(this)
    this.events.end()
  }

  onReset(code: ErrorCode): void {
    if (this.#done) return
    // Theirs had finished before ours could know: see `settled`.
    if (this.settled) return this.settle()
    this.abandon(code)
  }

  onWindow(received: number, limit: number): void {
    if (this.#done) return
    if (received > this.#mostSent) throw protocolError('an acknowledgement of bytes never sent')
    this.#release(received)
    if (this.#done) return
    // What we keep until it is acknowledged is for us to bound, whatever the other side would take.
    const credit = Math.min(limit, Math.max(received, this.#base) + this.limits.flowWindow)
    if (credit > this.#credit) {
      const blocked = this.sendable <= 0
      this.#credit = credit
      if (blocked && this.sendable > 0) this.carrier.ready(this)
    }
  }

  /** The window to tell: what has come (a FIN counts as one byte), and up to which offset more may come. */
  takeWindow(): { received: number; limit: number } {
    this.#acked = this.#received
    this.#limit = Math.max(this.#limit, this.#consumed + this.#window)
    const told = { received: this.position, limit: this.#limit }
    if (this.#finReceived) {
      this.#finTold = true
      this.#finishIfBoth()
    }
    return told
  }

  /** How far this side has received; FIN counts as one byte. */
  get position(): number {
    return this.#received + (this.#finReceived ? 1 : 0)
  }

  get done(): boolean {
    return this.#done
  }

  /** Bytes that came from the other side, and that went there, each once. */
  get bytesIn(): number {
    return this.#received
  }

  get bytesOut(): number {
    return Math.min(this.#mostSent, this.#end)
  }

  /** Bytes kept until they are acknowledged. */
  get retained(): number {
    return this.#end - this.#base
  }

  // --- the session's side: a new connection ---

  /** Whether both directions had finished as far as this side can tell, so that a peer that forgot the flow is right. */
  get settled(): boolean {
    return this.#finReceived && this.#mostSent > this.#end
  }

  /** Whether the other side has shown no sign of knowing the flow. */
  get untouched(): boolean {
    return this.#base === 0 && this.position === 0
  }

  /**
   * Goes back to where the other side says it got to; what it has is released, what it lacks is sent again. It may have got
   * more since it said so, over the old connection, and acknowledged it: then what is left of that is where to go on.
   */
  rewind(received: number): void {
    this.#openDue = false
    this.#goBack(received)
  }

  /** The other side does not know the flow: it is opened again, from the start. */
  reopen(): void {
    this.#openDue = true
    this.#goBack(0)
  }

  #goBack(received: number): void {
    if (this.#done) return
    if (received > this.#mostSent) throw protocolError('a position that this flow never had')
    this.#release(received)
    if (this.#done) return
    this.#seek(Math.min(Math.max(received, this.#base), this.#end))
    if (this.#finQueued && !this.#finAcked) this.#finSent = false
    if (!this.#resetting && !this.#openDue) this.carrier.windowDue(this)
    if (this.due) this.carrier.ready(this)
  }

  /** The other side has finished with the flow and forgotten it: so do we. */
  settle(): void {
    if (this.#done) return
    this.#finish()
    this.events.close()
  }

  /** The session is over: the local socket is reset and the other side not told. */
  abandon(code: ErrorCode): void {
    if (this.#done) return
    this.#finish()
    this.events.reset(code)
  }

  /** The next byte to send is the one at `next`, in [base, end]. */
  #seek(next: number): void {
    this.#next = next
    this.#cursor = this.#head
    this.#cursorStart = this.#base
    while (this.#cursor < this.#chunks.length) {
      const size = this.#chunks[this.#cursor]!.byteLength
      if (this.#cursorStart + size > next) break
      this.#cursorStart += size
      this.#cursor++
    }
  }

  #release(received: number): void {
    // Bytes that were to be sent again have come after all.
    const skip = Math.min(received, this.#end)
    if (skip > this.#next) this.#seek(skip)
    while (this.#head < this.#chunks.length) {
      const size = this.#chunks[this.#head]!.byteLength
      if (this.#base + size > received) break
      this.#base += size
      this.carrier.kept.giveBack(size)
      this.#chunks[this.#head++] = RELEASED
    }
    if (this.#head > RELEASED_MAX && this.#head * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head)
      this.#cursor -= this.#head
      this.#head = 0
    }
    if (received > this.#end && !this.#finAcked) {
      this.#finSent = true
      this.#finAcked = true
      this.events.finish?.()
      this.#finishIfBoth()
    }
    if (!this.#done) this.#unpause()
  }

  #finishIfBoth(): void {
    // Their FIN must have been acknowledged too, or they would keep the flow for ever.
    if (!this.#finAcked || !this.#finTold || this.#done) return
    this.#finish()
    this.events.close()
  }

  #finish(): void {
    this.#done = true
    this.#chunks = []
    this.carrier.kept.giveBack(this.retained)
    this.carrier.giveBack(this.#borrowed)
    this.carrier.done(this)
  }
}
