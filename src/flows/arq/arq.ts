/**
 * One TCP connection over unordered, unreliable datagrams: the protocol machine. Pure: time and randomness are
 * arguments, segments leave by a callback. Diagrams and timers: ../ARQ.md.
 *
 *     local socket -> write() -> Sender -> output() -> session (seals) ~~~~> session (opens) -> input() -> Receiver -> read()
 */

import { HyperNatError } from '../../errors.js'
import { Budget } from '../../util/budget.js'
import {
  KEEP_ALIVE,
  LINGER,
  OPEN_MAX,
  RECEIVE_WINDOW_MAX,
  RESET_REPEATS,
  RESET_UNKNOWN_FLOW,
  SEND_BUFFER_MAX,
  SENT_SLOTS_LINGER,
  SENT_SLOTS_START,
  WRITABLE_ROOM
} from './constants.js'
import { Receiver } from './receiver.js'
import { ACK, decode, encodeReset, encodeResetAck, OPEN, PN, RESET, RESET_ACK, Segment } from './segment.js'
import { Sender } from './sender.js'

const NEVER = Number.POSITIVE_INFINITY

/** See the diagram in ARQ.md; changed in one place, {@link Arq.become}. */
export type ArqState =
  /** Opener: nothing was acked yet. */
  | 'opening'
  /** Bytes go both ways. */
  | 'open'
  /** Our stream has ended and all of it is acked; the peer still sends. */
  | 'ended-here'
  /** The peer's stream has come to its end; we still send. */
  | 'ended-there'
  /** Both have ended, all is acked; a peer that missed the last ack is still answered. */
  | 'lingering'
  /** We aborted, and repeat the RESET until the peer acknowledges it. */
  | 'resetting'
  /** The flow can be forgotten. */
  | 'closed'

/** What an Arq needs of its surroundings. No method may throw. All but `output` are called last, and may call back. */
export interface ArqHost {
  /** Sends one segment, valid only during the call. Must not call back into this Arq or another. */
  output(segment: Uint8Array): void
  /** read() has something new, or the peer's stream has ended. */
  readable(): void
  /** write(), which had refused bytes, takes some again. */
  writable(): void
  /** The peer aborted; `code` is its reason. Nothing can be read or written any more. */
  reset(code: number): void
  /** Our stream has ended before the peer's, and all of it is acknowledged. */
  endedHere?(): void
  /** Both streams have ended and are acknowledged; bytes may still lie unread. */
  done?(): void
  /** The flow can be forgotten: no more calls come, and strays may be answered by strayReply(). */
  forget(): void
}

export interface ArqOptions {
  /** Largest segment in bytes, header included; at least 200. */
  mtu: number
  /** Milliseconds on the clock of all further calls. */
  now: number
  /** Numbers from 0 to below 1. */
  random: () => number
  /** What the peer's session needs to open the flow, up to 64 bytes: makes this side the opener. */
  open?: Uint8Array
  /** Most bytes to keep for retransmission; default 8 MiB. */
  sendBuffer?: number
  /** Most bytes received and not consumed, 16 KiB and up, a power of 2; default 8 MiB. Memory is taken as needed. */
  receiveWindow?: number
  /** What flows share for bytes to send, and for windows beyond the first; default: no bound. */
  queue?: Budget
  windows?: Budget
  /** What flows share for first windows with bytes behind a gap; default: no bound. */
  gaps?: Budget
  /** Round trip of the path in ms, if the session knows it: the first loss then costs less. */
  rtt?: number
  /** Its round trip without a queue, as far as known: a flow that begins while others run cannot measure it. */
  leastRtt?: number
  /** Silence in ms after which the peer is asked whether it knows the flow; 0 for never; default 60,000. */
  keepAlive?: number
}

/** Figures of one flow, for display and tests. Times in ms, rates in bytes per ms. */
export interface ArqStats {
  state: ArqState
  rtt: number
  minRtt: number
  lossRate: number
  bandwidth: number
  window: number
  inFlight: number
  segmentsSent: number
  retransmits: number
  losses: number
  /** Bytes of the stream that were sent at least once. */
  bytesSent: number
  bytesReceived: number
  phase: string
}

/** What was decoded last: of use only until the next segment comes. */
const segment = new Segment()

export class Arq {
  private current: ArqState
  private readonly receiver: Receiver
  private readonly sender: Sender
  private readonly keepAlive: number
  private readonly writableRoom: number
  private lingerAt = NEVER
  private suspendedAt = 0
  private resetAt = NEVER
  private resetCode = 0
  private resetsLeft = 0
  private keepAliveAt = NEVER
  /** Something came in since the last update, at this time. */
  private touchedAt = NEVER
  private suspended = false
  /** A segment has come since the last update. */
  private inTurn = false
  private readableNews = false
  private endNews = false
  private doneNews = false
  private resetNews = -1
  private forgetNews = false
  private readonly opener: boolean

  constructor(
    private readonly host: ArqHost,
    options: ArqOptions
  ) {
    const { open } = options
    if (open && open.length > OPEN_MAX) throw new HyperNatError('INTERNAL', 'An open payload is too long.')
    this.opener = open !== undefined
    this.current = open ? 'opening' : 'open'
    this.receiver = new Receiver(
      options.receiveWindow ?? RECEIVE_WINDOW_MAX,
      options.windows ?? new Budget(Number.POSITIVE_INFINITY),
      options.gaps
    )
    this.sender = new Sender(
      segment => host.output(segment),
      this.receiver,
      options.mtu,
      options.sendBuffer ?? SEND_BUFFER_MAX,
      options.queue ?? new Budget(Number.POSITIVE_INFINITY),
      options.random,
      open ?? null,
      options.now
    )
    if (options.rtt !== undefined) {
      this.sender.rtt.smoothed = options.rtt
      this.sender.rtt.variation = options.rtt / 2
    }
    if (options.leastRtt !== undefined) this.sender.congestion.minRtt = options.leastRtt
    this.keepAlive = options.keepAlive ?? KEEP_ALIVE
    this.writableRoom = Math.min(WRITABLE_ROOM, (options.sendBuffer ?? SEND_BUFFER_MAX) / 2)
    this.touchedAt = options.now
    this.heard(options.now)
  }

  get state(): ArqState {
    return this.current
  }

  /** True when the peer's stream has ended and everything was read. */
  get ended(): boolean {
    return this.receiver.ended
  }

  /** True when the peer's stream has ended, and all that was read is consumed. */
  get drained(): boolean {
    return this.receiver.drained
  }

  /** Bytes taken and not acknowledged yet. */
  get unacknowledged(): number {
    const { start, end } = this.sender.outbox
    return end - start
  }

  /** Memory of what has arrived and was not consumed, with the gaps between, bytes. */
  get inboxBytes(): number {
    return this.receiver.inbox.capacity
  }

  /** Bytes that may be in flight from now on, whatever the congestion control says; Infinity: that alone counts. */
  capWindow(bytes: number): void {
    this.sender.windowCap = bytes
  }

  /** Whether more would be in flight if it were not for that cap. */
  get limitedByCap(): boolean {
    return this.sender.limitedByCap
  }

  /**
   * Takes bytes to send and keeps a reference to them: do not change them afterwards. Sends at once what may be sent.
   * @returns how many were taken; the caller offers the rest again after `writable`
   */
  write(bytes: Uint8Array, now: number): number {
    if (!this.sends || this.sender.ended) return 0
    const taken = Math.min(bytes.length, this.sender.room)
    if (taken < bytes.length) this.sender.wantsWrite = true
    if (taken === 0) return 0
    this.sender.push(taken === bytes.length ? bytes : bytes.subarray(0, taken))
    this.flush(now)
    return taken
  }

  /** Ends our stream after all bytes taken so far; the peer's goes on. */
  end(now: number): void {
    if (!this.sends || this.sender.ended) return
    this.sender.ended = true
    this.flush(now)
  }

  /** Aborts the flow in both directions. `code`: RESET_PROTOCOL or the session's own, 16 and up. */
  reset(code: number, now: number): void {
    if (this.current === 'lingering') this.receiver.clear() // nobody will take what was not read
    if (this.current === 'lingering' || this.current === 'resetting' || this.current === 'closed') return
    this.resetCode = code
    this.resetsLeft = RESET_REPEATS
    this.become('resetting', now)
    this.sendReset(now)
    this.tell()
  }

  /**
   * Takes a segment of this flow. Call update() when the segments at hand have all been given.
   * @throws HyperNatError `PROTOCOL_ERROR`: then reset(RESET_PROTOCOL), for the peer does not keep to the protocol
   */
  input(bytes: Uint8Array, now: number): void {
    const { sender, receiver } = this
    if (this.current === 'closed') return
    // What the first segment of a turn brings is told at once, for it may be all; the rest together, at the turn's end.
    const isFirst = !this.inTurn || this.suspended
    this.inTurn = true
    decode(bytes, segment)
    this.heard(now)
    if (segment.has(RESET)) this.onReset(segment.code, now)
    else if (segment.has(RESET_ACK)) {
      if (this.current === 'resetting') this.become('closed', now)
    } else if (this.current !== 'resetting') {
      this.touchedAt = now
      if (segment.has(ACK)) {
        if (this.current === 'opening') {
          sender.onAck(segment, now)
          this.become('open', now)
        } else sender.onAck(segment, now)
      }
      if (segment.has(PN)) {
        if (segment.has(OPEN) && this.opener) throw protocolError('Both sides opened one flow.')
        if (receiver.take(segment, bytes, now)) this.readableNews = true
        if (this.current === 'lingering') this.lingerAt = now + LINGER
      }
      this.settle(now)
    }
    if (isFirst || this.doneNews) this.tellReadable()
    this.tell()
  }

  /** Runs the timers that are due and sends what may be sent. Call it at {@link nextUpdate}, and after input(). */
  update(now: number): void {
    this.touchedAt = NEVER
    this.inTurn = false
    if (this.suspended) return
    this.tellReadable()
    if (this.current === 'resetting') {
      if (now >= this.resetAt) this.sendReset(now)
    } else if (this.current !== 'closed') {
      if (now >= this.keepAliveAt) this.checkAlive(now)
      this.sender.run(now)
      if (now >= this.lingerAt) this.endLinger(now)
    }
    this.tell()
  }

  /** When update() must be called next, in ms; Infinity when nothing is due. It may lie in the past: then at once. */
  nextUpdate(): number {
    if (this.current === 'closed' || this.suspended) return NEVER
    if (this.current === 'resetting') return this.resetAt
    return Math.min(
      this.touchedAt,
      this.lingerAt,
      this.keepAliveAt,
      this.sender.nextDue(),
      this.receiver.received.dueAt()
    )
  }

  /**
   * The next bytes in order, at most `max`; valid until consumed() is called for them. null: nothing now, or ever if
   * {@link ended}.
   */
  read(max = NEVER): Uint8Array | null {
    return this.receiver.inbox.read(max)
  }

  /** `bytes` of those that read() gave are done with: the peer may send as many more. */
  consumed(bytes: number, now: number): void {
    const { receiver, sender } = this
    const closed = receiver.closedWindow
    if (!receiver.consumed(bytes) || !this.hears) return
    if (closed) sender.announceWindow()
    else receiver.received.demand(now)
    this.flush(now)
  }

  /** Sets the largest segment, header included. Segments sent already are split again if they must be sent again. */
  setMtu(bytes: number): void {
    this.sender.setMtu(bytes)
  }

  /** There is no path: send nothing and let no timer run until rebind(). Bytes are still taken, up to the buffer. */
  suspend(now: number): void {
    if (!this.suspended) this.suspendedAt = now
    this.suspended = true
    this.tellReadable()
  }

  /** The path under the flow was replaced: what was in flight is sent again, and round trip and rate are measured again. */
  rebind(now: number): void {
    const { suspended } = this
    this.suspended = false
    if (this.current === 'closed') return
    if (this.current === 'lingering') {
      // A peer that missed the last ack asks for it, which takes a path. A new path must not restart the time, nor send a ping that
      // restarts the peer's: where paths die often, such flows would never be forgotten.
      if (suspended) this.lingerAt += now - this.suspendedAt
      return
    }
    this.heard(now)
    if (this.current === 'resetting') {
      this.resetsLeft = RESET_REPEATS
      this.sendReset(now)
      this.tell()
      return
    }
    this.sender.rebind(now)
    this.flush(now)
  }

  /** The path carries something again, after a silence: the next probe is due now. */
  hurry(): void {
    this.sender.hurry()
  }

  get stats(): ArqStats {
    const { sender, receiver } = this
    const { recovery, congestion, rtt } = sender
    return {
      state: this.current,
      rtt: rtt.smoothed,
      minRtt: congestion.minRtt,
      lossRate: recovery.lossRate,
      bandwidth: congestion.bandwidth,
      window: congestion.window,
      inFlight: recovery.sent.bytesInFlight,
      segmentsSent: sender.segmentsSent,
      retransmits: sender.retransmits,
      losses: recovery.losses,
      bytesSent: Math.min(sender.unitsSent, sender.outbox.end),
      bytesReceived: receiver.inbox.next,
      phase: congestion.phase
    }
  }

  /** The local side may still send. */
  private get sends(): boolean {
    return this.current === 'opening' || this.current === 'open' || this.current === 'ended-there'
  }

  private get hears(): boolean {
    return this.current !== 'resetting' && this.current !== 'closed'
  }

  private flush(now: number): void {
    if (!this.suspended) this.sender.flush(now)
  }

  private heard(now: number): void {
    this.keepAliveAt = this.keepAlive > 0 ? now + this.keepAlive : NEVER
  }

  private checkAlive(now: number): void {
    this.keepAliveAt = now + this.keepAlive
    this.receiver.inbox.release()
    this.sender.recovery.shrink(SENT_SLOTS_START)
    if (this.current !== 'lingering') this.sender.pingDue = true
  }

  private onReset(code: number, now: number): void {
    // What came before the reset is not dropped with the rest.
    this.tellReadable()
    this.sender.emitBare(encodeResetAck())
    if (this.current === 'resetting') {
      this.become('closed', now)
      return
    }
    // A peer that has forgotten a flow which had come to its end on both sides: only its last ack was lost.
    const { sender, receiver } = this
    const over = receiver.complete && sender.ended && sender.recovery.acknowledged >= sender.outbox.end
    const graceful = this.current === 'lingering' || (code === RESET_UNKNOWN_FLOW && over)
    if (!graceful) {
      this.become('closed', now)
      this.resetNews = code
    } else if (this.current !== 'lingering') this.become('lingering', now)
  }

  private sendReset(now: number): void {
    if (this.resetsLeft-- === 0) {
      this.become('closed', now)
      return
    }
    const { rtt } = this.sender
    this.resetAt = now + rtt.probeTimeout
    rtt.backoff++
    if (!this.suspended) this.sender.emitBare(encodeReset(this.resetCode))
  }

  /** Moves on when a stream has come to its end. */
  private settle(now: number): void {
    if (this.current === 'opening' || this.current === 'lingering') return
    const here = this.sender.complete
    const there = this.receiver.complete
    if (here && there) this.become('lingering', now)
    else if (here) this.become('ended-here', now)
    else if (there) this.become('ended-there', now)
  }

  private endLinger(now: number): void {
    // Bytes that the reader has not taken yet keep the flow, for they keep memory.
    if (!this.receiver.drained) this.lingerAt = now + LINGER
    else this.become('closed', now)
  }

  /** The one place that changes the state. */
  private become(state: ArqState, now: number): void {
    if (this.current === state) return
    this.current = state
    switch (state) {
      case 'ended-here':
        this.endNews = true
        break
      case 'lingering':
        this.lingerAt = now + LINGER
        this.sender.clear()
        this.sender.recovery.sent.shrink(SENT_SLOTS_LINGER)
        this.doneNews = true
        break
      case 'resetting':
      case 'closed':
        this.lingerAt = NEVER
        this.resetAt = NEVER
        this.sender.clear()
        if (!this.receiver.drained) this.receiver.clear()
        if (state === 'closed') this.forgetNews = true
        break
    }
  }

  private tellReadable(): void {
    if (!this.readableNews) return
    this.readableNews = false
    this.host.readable()
  }

  /** Tells the host what else has changed; last in each call, for the host may call back. */
  private tell(): void {
    if (this.sender.wantsWrite && this.sends && this.sender.room >= this.writableRoom) {
      this.sender.wantsWrite = false
      this.host.writable()
    }
    if (this.endNews) {
      this.endNews = false
      this.host.endedHere?.()
    }
    if (this.doneNews) {
      this.doneNews = false
      this.host.done?.()
    }
    if (this.resetNews >= 0) {
      const code = this.resetNews
      this.resetNews = -1
      this.host.reset(code)
    }
    if (this.forgetNews) {
      this.forgetNews = false
      this.host.forget()
    }
  }
}

function protocolError(message: string): HyperNatError {
  return new HyperNatError('PROTOCOL_ERROR', message)
}
