/** The packets that were sent, by packet number: what each carried, when it left, and what became of it. */
import type { Budget } from '../../util/budget.js'
import { SENT_SLOTS_MANY, SENT_SLOTS_MAX, SENT_SLOTS_SPARE, SENT_SLOTS_START } from './constants.js'

/** What became of a packet. */
export const FREE = 0
/** Sent, not acked, not lost: counted as in flight. */
export const FLYING = 1
export const ACKED = 2
/** Taken for lost; its bytes wait to be sent again. */
export const LOST = 3
/** Taken for lost, and its bytes left again under another number, or needed not to. */
export const REPLACED = 4

/** What a packet carried, besides stream units. */
export const HAS_OPEN = 1
export const HAS_WINDOW = 2
/** It was sent while the sender had nothing more to send, so it says little about the path's bandwidth. */
export const APP_LIMITED = 4
/** It repeats bytes that may well have arrived: nothing waits for it. */
export const IS_COPY = 8
/** It left at less than the rate that the path delivers: its loss is the path's own, and no sign of a queue that is full. */
export const IS_SLOW = 16

const NONE = -1

/** Ten numbers of 8 bytes, two of 2 and two of 1. */
const SLOT_BYTES = 86

/**
 * A ring of parallel arrays: slot = number & mask. Packets in flight form a linked list in the order of sending, so
 * that acks and losses are found without scanning; acked runs remember their start, so that an ack which repeats old
 * ranges costs one step for each range.
 */
export class Sent {
  /** Number of the next packet. */
  next = 0
  /** Oldest and newest packet in flight, or -1. */
  head = NONE
  tail = NONE
  /** Bytes in flight, headers included. */
  bytesInFlight = 0
  mask = SENT_SLOTS_START - 1
  /** Packets before this one were not moved when the ring last grew. */
  private kept = 0

  state!: Uint8Array
  flags!: Uint8Array
  size!: Uint16Array
  offset!: Float64Array
  /** Stream units: bytes, and one for the end of the stream. */
  length!: Uint16Array
  sentAt!: Float64Array
  /** What the path had delivered and lost when this packet left: draft-ietf-ccwg-bbr 4.1.2. */
  delivered!: Float64Array
  deliveredAt!: Float64Array
  firstSentAt!: Float64Array
  lost!: Float64Array
  inFlight!: Float64Array
  private runStart!: Float64Array
  private before!: Float64Array
  private after!: Float64Array

  /** @param budget where the slots are counted that it has beyond the first */
  constructor(private readonly budget: Budget) {
    this.allocate(SENT_SLOTS_START)
  }

  /** True if one more packet can be noted while `oldestNeeded` (or -1) still has to be remembered. */
  hasRoom(oldestNeeded: number): boolean {
    const used = this.usedFrom(oldestNeeded)
    if (used >= SENT_SLOTS_MAX) return false
    if (used > this.mask) this.grow()
    return true
  }

  /**
   * True if that packet may have new bytes. Without a slot left, none that is lost could be sent again, and all would wait for it; and
   * bytes, however few in each packet, must not cost more memory than there is.
   */
  hasRoomForNew(oldestNeeded: number): boolean {
    const used = this.usedFrom(oldestNeeded)
    if (used + SENT_SLOTS_SPARE >= SENT_SLOTS_MAX) return false
    return (used <= this.mask || this.mayGrow) && this.hasRoom(oldestNeeded)
  }

  private get mayGrow(): boolean {
    const slots = this.mask + 1
    return slots < SENT_SLOTS_MANY || slots * SLOT_BYTES <= this.budget.free
  }

  private usedFrom(oldestNeeded: number): number {
    return Math.max(this.span, oldestNeeded === NONE ? 0 : this.next - oldestNeeded)
  }

  /** Least number whose slot is still its own. */
  get floor(): number {
    return Math.max(this.kept, this.next - this.mask - 1)
  }

  /** How many numbers there are from the oldest packet in flight to the next packet. */
  get span(): number {
    return this.head === NONE ? 0 : this.next - this.head
  }

  /** Notes that the packet `next` is sent; the caller fills in the delivery fields. @returns its slot */
  add(offset: number, length: number, size: number, flags: number, now: number): number {
    const number = this.next++
    const slot = number & this.mask
    this.state[slot] = FLYING
    this.flags[slot] = flags
    this.size[slot] = size
    this.offset[slot] = offset
    this.length[slot] = length
    this.sentAt[slot] = now
    this.before[slot] = this.tail
    this.after[slot] = NONE
    if (this.tail === NONE) this.head = number
    else this.after[this.tail & this.mask] = number
    this.tail = number
    this.bytesInFlight += size
    return slot
  }

  /** The packet sent after `number` among those in flight, or -1. `number` must be in flight. */
  following(number: number): number {
    return this.after[number & this.mask]!
  }

  /** Takes a packet in flight out of flight. */
  land(number: number, state: number): void {
    const slot = number & this.mask
    const before = this.before[slot]!
    const after = this.after[slot]!
    if (before === NONE) this.head = after
    else this.after[before & this.mask] = after
    if (after === NONE) this.tail = before
    else this.before[after & this.mask] = before
    this.bytesInFlight -= this.size[slot]!
    this.state[slot] = state
    if (state === ACKED) this.runStart[slot] = number
  }

  /** Start of the run of acked packets that is known to end at `number`, which must be acked. */
  runStartOf(number: number): number {
    return this.runStart[number & this.mask]!
  }

  /** Notes that all packets from `low` to `high` are acked. */
  noteRun(low: number, high: number): void {
    const slot = high & this.mask
    if (low < this.runStart[slot]!) this.runStart[slot] = low
  }

  /** Notes that a packet which was taken for lost is acked after all. */
  revive(number: number): void {
    const slot = number & this.mask
    this.state[slot] = ACKED
    this.runStart[slot] = number
  }

  /** Gives memory back, down to so many slots, if those hold what is in flight. */
  shrink(slots = SENT_SLOTS_START): void {
    const { span } = this
    if (this.mask >= slots && span < slots) this.resize(slots, this.next - span)
  }

  private grow(): void {
    this.resize((this.mask + 1) * 2, this.floor)
  }

  /** Changes the number of slots; packets before `from` are forgotten. */
  private resize(slots: number, from: number): void {
    const { mask, next } = this
    const { state, flags, size, offset, length, sentAt, delivered, deliveredAt, firstSentAt } = this
    const { lost, inFlight, runStart, before, after } = this
    this.allocate(slots)
    this.budget.charge(slotBytes(slots) - slotBytes(mask + 1))
    for (let n = from; n < next; n++) {
      const old = n & mask
      const slot = n & (slots - 1)
      this.state[slot] = state[old]!
      this.flags[slot] = flags[old]!
      this.size[slot] = size[old]!
      this.offset[slot] = offset[old]!
      this.length[slot] = length[old]!
      this.sentAt[slot] = sentAt[old]!
      this.delivered[slot] = delivered[old]!
      this.deliveredAt[slot] = deliveredAt[old]!
      this.firstSentAt[slot] = firstSentAt[old]!
      this.lost[slot] = lost[old]!
      this.inFlight[slot] = inFlight[old]!
      this.runStart[slot] = runStart[old]!
      this.before[slot] = before[old]!
      this.after[slot] = after[old]!
    }
    this.mask = slots - 1
    this.kept = from
  }

  /** All columns in one buffer: each buffer costs more than what a short flow has in it. */
  private allocate(slots: number): void {
    const buffer = new ArrayBuffer(slots * SLOT_BYTES)
    const float = (i: number): Float64Array => new Float64Array(buffer, i * slots * 8, slots)
    this.offset = float(0)
    this.sentAt = float(1)
    this.delivered = float(2)
    this.deliveredAt = float(3)
    this.firstSentAt = float(4)
    this.lost = float(5)
    this.inFlight = float(6)
    this.runStart = float(7)
    this.before = float(8)
    this.after = float(9)
    const rest = 10 * slots * 8
    this.size = new Uint16Array(buffer, rest, slots)
    this.length = new Uint16Array(buffer, rest + 2 * slots, slots)
    this.state = new Uint8Array(buffer, rest + 4 * slots, slots)
    this.flags = new Uint8Array(buffer, rest + 5 * slots, slots)
  }
}

/** What so many slots cost beyond the first, which are a flow's own. */
function slotBytes(slots: number): number {
  return Math.max(0, slots - SENT_SLOTS_START) * SLOT_BYTES
}
