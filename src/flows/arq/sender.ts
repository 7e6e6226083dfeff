/** The sending half of a flow: what goes into the next segment, and when it may leave. */
import type { Budget } from '../../util/budget.js'
import { Congestion } from './congestion.js'
import {
  ACK_ROOM,
  INITIAL_WINDOW,
  MTU_MIN,
  OPEN_MAX,
  PACKET_OVERHEAD,
  PERSIST_MAX,
  PROBE_SPREAD,
  PROBES,
  SEND_BUFFER_LEAST,
  SEND_BUFFER_MIN,
  SEND_BUFFER_SHARE,
  SENT_SLOTS_FEW,
  SENT_SLOTS_MANY,
  SENT_SLOTS_QUIET,
  WINDOW_MIN_PACKETS
} from './constants.js'
import { Outbox } from './outbox.js'
import { Pacer } from './pacer.js'
import type { Receiver } from './receiver.js'
import { Recovery } from './recovery.js'
import { Rtt } from './rtt.js'
import { ACK, BLOCKED, DATA, FIN, OPEN, PN, putVarint, type Segment } from './segment.js'
import { HAS_OPEN, HAS_WINDOW, IS_COPY, IS_SLOW } from './sent.js'
import { Thin } from './thin.js'

const NEVER = Number.POSITIVE_INFINITY

/** Room that the fields before the data may take in a segment that carries data. */
const FIELDS_MAX = ACK_ROOM + 1 + 8 + 1 + OPEN_MAX + 8

/** Where a segment is built, of whichever flow: of use until the next one is. */
let buf = new Uint8Array(0)

function makeRoom(mtu: number): void {
  if (buf.length < mtu) buf = new Uint8Array(mtu)
}

/** Takes a finished segment: bytes `start` to `end` of `buffer`, valid during the call. See ArqHost. */
export type Output = (segment: Uint8Array) => void

export class Sender {
  readonly outbox = new Outbox()
  readonly rtt = new Rtt()
  readonly recovery: Recovery
  readonly pacer = new Pacer()
  readonly thin = new Thin()
  congestion: Congestion
  /** Open payload while it must ride on each segment: until the first ack. */
  open: Uint8Array | null
  /** The local side has ended its stream. */
  ended = false
  /** The local side has more to say than there was room for. */
  wantsWrite = false
  /** A segment without data must go: to open the flow, to ask whether the peer is there, to tell of the window. */
  pingDue = false
  /** The next packet must tell of the window, whatever else it carries, and again if it is lost. */
  private windowDue = false
  /** When a closed window is to be probed; Infinity while it is open or nothing waits for it. */
  persistAt = NEVER
  private persistPause = 0
  /** The share of the probe timeout that is waited, once one has expired. */
  private probeShare = 1
  /** Stream units sent at least once. */
  unitsSent = 0
  /** Offset up to which the peer takes bytes. */
  limit = INITIAL_WINDOW
  /** Bytes that may be in flight whatever the congestion control says. */
  windowCap = Number.POSITIVE_INFINITY
  /** Packets and bytes of stream sent again because they were lost. */
  retransmits = 0
  segmentsSent = 0
  private lastSentAt = Number.NEGATIVE_INFINITY
  /** When more packets than a few slots hold were last on their way. */
  private manySentAt = 0
  private heldByPacer = false
  /** Whether more would have been sent if it were not for the cap. */
  limitedByCap = false

  constructor(
    private readonly output: Output,
    private readonly receiver: Receiver,
    private mtu: number,
    private readonly sendBuffer: number,
    /** Where all that is kept is counted. */
    private readonly budget: Budget,
    private readonly random: () => number,
    open: Uint8Array | null,
    now: number
  ) {
    this.open = open
    this.recovery = new Recovery(this.rtt, budget)
    this.pingDue = open !== null
    this.mtu = Math.max(MTU_MIN, mtu)
    makeRoom(this.mtu)
    this.congestion = new Congestion(this.mtu, random, now)
  }

  setMtu(mtu: number): void {
    this.mtu = Math.max(MTU_MIN, mtu)
    makeRoom(this.mtu)
    this.congestion.setMtu(this.mtu)
  }

  /** Bytes that write() may take now. */
  get room(): number {
    const { outbox, recovery, unitsSent } = this
    const kept = outbox.end - outbox.start
    const most = Math.min(this.sendBuffer, Math.max(SEND_BUFFER_LEAST, this.budget.free * SEND_BUFFER_SHARE))
    // What has come behind a gap is kept, too, but nothing of it is left to send: the path must not run dry for it.
    const ahead = Math.max(0, outbox.end - unitsSent) + recovery.sent.bytesInFlight
    const wanted = Math.max(SEND_BUFFER_MIN, 2 * this.congestion.window)
    return Math.max(0, Math.min(most - kept, wanted - Math.min(kept, ahead)))
  }

  /** Keeps bytes to send, at most {@link room}. A piece of a buffer is copied where it would keep more than twice its size. */
  push(bytes: Uint8Array): void {
    this.outbox.push(2 * bytes.length < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes)
    this.budget.charge(bytes.length)
  }

  private free(offset: number): void {
    const { outbox } = this
    const before = outbox.start
    outbox.free(Math.min(offset, outbox.end))
    this.budget.giveBack(outbox.start - before)
  }

  /** Everything, the end of the stream included, is acknowledged. */
  get complete(): boolean {
    return this.ended && this.recovery.acknowledged > this.outbox.end
  }

  /** Takes the ack block of a segment. @throws HyperNatError `PROTOCOL_ERROR` */
  onAck(segment: Segment, now: number): void {
    const { recovery, rtt, congestion } = this
    this.open = null
    if (recovery.sent.span >= SENT_SLOTS_FEW) this.manySentAt = now
    const fresh = recovery.onAck(segment, this.unitsSent, now)
    if (segment.limit > this.limit) {
      this.limit = segment.limit
      this.persistAt = NEVER
      this.persistPause = 0
    }
    this.free(recovery.acknowledged)
    if (recovery.acknowledged >= this.unitsSent) this.thin.cancel()
    if (!fresh) return
    recovery.detect(now)
    const sample = recovery.delivery.finish(recovery.sent, recovery.roundTrip, rtt.least, now)
    congestion.onAck(sample, now)
    this.checkPersistentCongestion(now)
    this.pacer.setRate(congestion.pacingRate, this.mtu)
    this.giveSlotsBack(now)
  }

  /** Forgets what remembered the packets of a burst. */
  private giveSlotsBack(now: number): void {
    const { recovery } = this
    if (recovery.sent.mask + 1 < SENT_SLOTS_MANY || now - this.manySentAt < SENT_SLOTS_QUIET) return
    recovery.shrink(SENT_SLOTS_FEW)
  }

  /** When the next timer of the sending half is due. */
  nextDue(): number {
    const { recovery } = this
    let at = Math.min(recovery.lossAt, this.thin.copyAt, this.persistAt)
    if (recovery.lossAt === NEVER && recovery.sent.head >= 0) at = Math.min(at, this.probeAt())
    if (this.heldByPacer) at = Math.min(at, this.pacer.wakeAt())
    return at
  }

  /** Runs the timers that are due, then sends what may be sent. */
  run(now: number): void {
    const { recovery, thin } = this
    if (now >= recovery.lossAt) {
      recovery.detect(now)
      this.checkPersistentCongestion(now)
    }
    if (recovery.lossAt === NEVER && recovery.sent.head >= 0 && now >= this.probeAt()) this.probe(now)
    if (now >= this.persistAt) this.persist(now)
    if (now >= thin.copyAt) this.copy(now)
    this.flush(now)
  }

  /** Sends lost ranges, new bytes, and what is due without bytes. */
  flush(now: number): void {
    const { recovery, congestion, pacer } = this
    const sent = recovery.sent
    if (recovery.lostFlags !== 0) {
      if ((recovery.lostFlags & HAS_OPEN) !== 0 && this.open) this.pingDue = true
      if ((recovery.lostFlags & HAS_WINDOW) !== 0) this.announceWindow()
      recovery.lostFlags = 0
    }
    this.heldByPacer = false
    this.limitedByCap = false
    for (;;) {
      const lost = recovery.peek()
      if (lost < 0 && !this.hasNew()) {
        if (sent.bytesInFlight < congestion.window) {
          recovery.delivery.onAppLimited(sent.bytesInFlight)
          // Not for want of something to say: the peer's window, or our own buffer, is all used.
          if (this.wantsWrite || this.unitsSent < this.outbox.end) congestion.windowUsed = true
        }
        pacer.onIdle()
        break
      }
      if (sent.bytesInFlight >= congestion.window) break
      if (!(lost >= 0 ? recovery.hasRoom : recovery.hasRoomForNew)) break
      if (sent.bytesInFlight >= this.windowCap) {
        this.limitedByCap = true
        break
      }
      if (!pacer.mayLeave(now)) {
        this.heldByPacer = true
        break
      }
      if (lost >= 0) this.sendLost(lost, now)
      else this.sendNew(now)
    }
    if (this.pingDue && recovery.hasRoom) this.sendPing(now)
    this.armPersist(now)
    if (this.receiver.received.dueAt() <= now) this.sendAck(now)
  }

  /** Tells the peer of the window, and again until it is acked. */
  announceWindow(): void {
    this.pingDue = true
    this.windowDue = true
  }

  /** The path was replaced: everything in flight is sent again, and the new path is learned from scratch. */
  rebind(now: number): void {
    this.recovery.abandon(now)
    this.rtt.reset()
    this.congestion = new Congestion(this.mtu, this.random, now)
    this.pacer.reset()
    // The peer's acks were lost with the path, too: what has come need not come again.
    this.announceWindow()
    this.persistPause = 0
    this.persistAt = NEVER
  }

  /** After persistent congestion: learns the path again, starting with the least window (RFC 9002 7.6.2 and 5.2). */
  private checkPersistentCongestion(now: number): void {
    const { recovery } = this
    if (!recovery.persistentCongestion) return
    recovery.persistentCongestion = false
    this.rtt.forgetLeast()
    this.congestion = new Congestion(this.mtu, this.random, now, recovery.delivery.delivered)
    this.congestion.window = WINDOW_MIN_PACKETS * this.mtu
  }

  /** Forgets everything that was to be sent. */
  clear(): void {
    this.free(this.outbox.end)
    this.recovery.clear()
    this.thin.cancel()
    this.persistAt = NEVER
    this.pingDue = false
    this.heldByPacer = false
  }

  /** An ack alone. */
  sendAck(now: number): void {
    if (!this.receiver.received.any) return
    const at = this.receiver.putAck(buf, 1, this.mtu - 1, now)
    buf[0] = ACK
    this.emit(at)
  }

  /** Sends a segment that is no packet: a reset, or its confirmation. */
  emitBare(segment: Uint8Array): void {
    buf.set(segment)
    this.emit(segment.length)
  }

  /** Makes the next probe due now, if one was in vain: they are up to {@link PTO_MAX} apart. */
  hurry(): void {
    if (this.rtt.backoff > 0) this.probeShare = 0
  }

  private probeAt(): number {
    return this.lastSentAt + this.rtt.probeTimeout * (this.rtt.backoff === 0 ? 1 : this.probeShare)
  }

  /** Units (bytes, or the end of the stream) that were never sent and may be. */
  private hasNew(): boolean {
    const { outbox, unitsSent } = this
    if (unitsSent > outbox.end) return false
    if (unitsSent === outbox.end) return this.ended
    const open = this.limit - unitsSent
    if (open <= 0) return false
    // Do not fill a nearly closed window with crumbs (RFC 9293 3.8.6.2.1), unless nothing else is under way.
    return open >= Math.min(this.mtu, outbox.end - unitsSent) || this.recovery.sent.head < 0
  }

  /** Writes everything before the stream offset. @returns the position after it */
  private header(flags: number, now: number): number {
    const { receiver, open } = this
    let at = putVarint(buf, 1, this.recovery.sent.next)
    if (open) {
      flags |= OPEN
      buf[at++] = open.length
      buf.set(open, at)
      at += open.length
    }
    const { received } = receiver
    const isCheap = this.unitsSent - this.recovery.acknowledged < this.mtu
    if (received.any && (received.hasNews || this.windowDue || isCheap)) {
      flags |= ACK
      at = receiver.putAck(buf, at, Math.min(ACK_ROOM, this.mtu >> 1), now)
    }
    buf[0] = flags
    return at
  }

  /**
   * Sends units `from` to at most `end`, as many as fit.
   * @returns the offset after the last one sent
   */
  private sendRange(from: number, end: number, packetFlags: number, now: number): number {
    const { outbox } = this
    let at = putVarint(buf, this.header(PN | DATA, now), from)
    const room = this.mtu - at
    const bytes = Math.min(Math.min(end, outbox.end) - from, room)
    if (bytes > 0) outbox.copy(from, bytes, buf, at)
    at += bytes
    let units = bytes
    if (end > outbox.end && from + bytes === outbox.end) {
      buf[0]! |= FIN
      units++
    }
    if (this.limit - from - bytes < this.congestion.window && !this.ended) buf[0]! |= BLOCKED
    this.emitPacket(from, units, packetFlags, at, now)
    return from + units
  }

  private sendLost(number: number, now: number): void {
    const { recovery } = this
    const sent = recovery.sent
    const slot = number & sent.mask
    const from = Math.max(sent.offset[slot]!, recovery.acknowledged)
    let end = sent.offset[slot]! + sent.length[slot]!
    this.retransmits++
    const fits = this.mtu - FIELDS_MAX
    if (end - from > fits) {
      // Cut for a larger path: what does not fit stays in the queue.
      const at = this.sendRange(from, end, 0, now)
      if (at < end) {
        sent.offset[slot] = at
        sent.length[slot] = end - at
      } else recovery.shift()
      return
    }
    recovery.shift()
    // Neighbours that were lost too go along while there is room.
    for (let next = recovery.peek(); next >= 0; next = recovery.peek()) {
      const nextSlot = next & sent.mask
      const nextEnd = sent.offset[nextSlot]! + sent.length[nextSlot]!
      if (sent.offset[nextSlot]! < from || sent.offset[nextSlot]! > end || nextEnd - from > fits) break
      end = Math.max(end, nextEnd)
      recovery.shift()
    }
    this.sendRange(from, end, 0, now)
  }

  private sendNew(now: number): void {
    const { outbox, recovery, thin, unitsSent, rtt } = this
    const room = this.mtu - 60
    const acknowledged = recovery.acknowledged
    const available = Math.min(outbox.end, this.limit) - unitsSent
    const end = this.ended && outbox.end <= this.limit ? outbox.end + 1 : Math.min(outbox.end, this.limit)
    const small = available < room && unitsSent - acknowledged < 2 * room
    if (!small) {
      this.unitsSent = this.sendRange(unitsSent, end, 0, now)
      thin.cancel()
      return
    }
    const lossy = recovery.isLossy(now)
    const from = thin.startOf(acknowledged, unitsSent, available, room, lossy, now)
    this.unitsSent = Math.max(unitsSent, this.sendRange(from, end, 0, now))
    thin.onSent(
      unitsSent,
      unitsSent - from,
      acknowledged,
      this.unitsSent,
      room,
      rtt.smoothed,
      recovery.lossRate,
      lossy,
      now
    )
  }

  private copy(now: number): void {
    const { thin, recovery, unitsSent } = this
    const from = Math.max(recovery.acknowledged, thin.copyFrom)
    const lossy = recovery.isLossy(now)
    if (!thin.takeCopy(unitsSent - from, this.rtt.smoothed, lossy, now)) return
    if (!recovery.hasRoom || (from >= unitsSent && !this.open)) return
    if (from >= unitsSent) this.sendPing(now)
    else this.sendRange(from, unitsSent, IS_COPY, now)
  }

  /** Nothing was acked for a probe timeout: send something that is (RFC 9002 6.2.4). */
  private probe(now: number): void {
    const { recovery, rtt } = this
    const sent = recovery.sent
    rtt.backoff++
    // Also where no slot is left for a probe: it would be due again at once.
    this.lastSentAt = now
    this.probeShare = this.drawShare()
    const oldest = sent.head
    const newest = sent.tail
    this.repeat(oldest, now)
    if (rtt.backoff >= PROBES && newest !== oldest) this.repeat(newest, now)
  }

  private repeat(number: number, now: number): void {
    const { recovery } = this
    const sent = recovery.sent
    if (!recovery.hasRoom) return
    const slot = number & sent.mask
    const from = Math.max(sent.offset[slot]!, recovery.acknowledged)
    const end = sent.offset[slot]! + sent.length[slot]!
    if (end > from) {
      this.retransmits++
      this.sendRange(from, end, IS_COPY, now)
    } else this.sendPing(now)
  }

  private sendPing(now: number): void {
    const at = this.header(PN, now)
    const opening = this.open !== null
    this.emitPacket(this.unitsSent, 0, IS_COPY, at, now)
    if (opening && this.thin.copyAt === NEVER && this.segmentsSent === 1) {
      this.thin.onSent(this.unitsSent, 0, this.unitsSent, this.unitsSent, 1, this.rtt.smoothed, 0, false, now)
    }
  }

  private armPersist(now: number): void {
    const closed = this.unitsSent < this.outbox.end && this.limit <= this.unitsSent
    // The pause goes on growing while a probe is in flight: its ack, that of a window as closed as before, is no news.
    if (!closed) this.persistPause = 0
    if (!closed || this.recovery.sent.head >= 0) {
      this.persistAt = NEVER
    } else if (this.persistAt === NEVER) {
      this.persistPause = Math.min(
        this.persistPause === 0 ? this.rtt.probeTimeout : 2 * this.persistPause,
        PERSIST_MAX
      )
      this.persistAt = now + this.persistPause * this.drawShare()
    }
  }

  private drawShare(): number {
    return 1 - PROBE_SPREAD * this.random()
  }

  private persist(now: number): void {
    this.persistAt = NEVER
    if (this.recovery.hasRoom) this.sendPing(now)
  }

  private emitPacket(offset: number, units: number, flags: number, at: number, now: number): void {
    if (this.open) flags |= HAS_OPEN
    if (this.windowDue) flags |= HAS_WINDOW
    this.windowDue = false
    if (this.congestion.isSlow(this.recovery.sent.bytesInFlight)) flags |= IS_SLOW
    const size = at + PACKET_OVERHEAD
    this.recovery.onSent(offset, units, size, flags, now)
    this.pacer.onSent(size, now)
    this.lastSentAt = now
    this.pingDue = false
    this.emit(at)
  }

  private emit(at: number): void {
    this.segmentsSent++
    this.output(buf.subarray(0, at))
  }
}
