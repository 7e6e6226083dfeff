/** The ARQ's segments on the wire: one decoder, one encoder for each field. The diagram is in ../ARQ.md. */
import { HyperNatError } from '../../errors.js'
import { ACK_DELAY_UNITS_PER_MS, OPEN_MAX, RANGES_MAX, RESET_UNKNOWN_FLOW } from './constants.js'

/** The segment has a packet number, so the peer acknowledges it. */
export const PN = 0x01
/** The segment has an ack block. */
export const ACK = 0x02
/** The segment has an offset, and bytes up to its end (perhaps none). Needs PN. */
export const DATA = 0x04
/** The byte after the segment's last one is the end of the stream. Needs DATA. */
export const FIN = 0x08
/** The segment has an open payload. Needs PN. */
export const OPEN = 0x10
/** The flow is aborted; a code follows and nothing else. */
export const RESET = 0x20
/** A RESET was received; nothing follows. */
export const RESET_ACK = 0x40
/** The sender would send more if the receive window were larger. Needs DATA. */
export const BLOCKED = 0x80

/** Largest varint: 2^53 - 1, what a number holds exactly. 10 GB take 34 bits. */
const VARINT_MAX = Number.MAX_SAFE_INTEGER

function refuse(what: string): never {
  throw new HyperNatError('PROTOCOL_ERROR', `The peer sent a segment that cannot be: ${what}.`)
}

/**
 * A decoded segment. One object serves for all: decoding overwrites it and allocates nothing, save for the rare open
 * payload. `data` is not copied out: it stands at `dataStart` in the decoded buffer.
 */
export class Segment {
  flags = 0
  /** Packet number, with PN. */
  number = 0
  /** Open payload, with OPEN; a view of the decoded buffer. */
  open: Uint8Array | null = null
  /** Time that the peer kept its ack back since it got the largest acked packet, in ms. */
  ackDelay = 0
  /** Acked packet numbers, newest range first: `ranges[2i]` is the largest of range i, `ranges[2i+1]` the least. */
  readonly ranges = new Float64Array(2 * RANGES_MAX)
  rangeCount = 0
  /** All units before this offset have been received; the end of the stream counts as one unit. */
  cumulative = 0
  /** Offset up to which the peer takes bytes. */
  limit = 0
  /** Offset of the first data byte, with DATA. */
  offset = 0
  dataStart = 0
  dataLength = 0
  /** Why the flow was aborted, with RESET. */
  code = 0

  has(flag: number): boolean {
    return (this.flags & flag) !== 0
  }
}

let cursor = 0

function takeVarint(buf: Uint8Array): number {
  if (cursor >= buf.length) refuse('it is cut short')
  const first = buf[cursor]!
  const kind = first >> 6
  if (kind === 0) {
    cursor++
    return first
  }
  const size = 1 << kind
  if (cursor + size > buf.length) refuse('it is cut short')
  let value = first & 0x3f
  for (let i = 1; i < size; i++) value = value * 256 + buf[cursor + i]!
  if (value > VARINT_MAX) refuse('a number is above 2^53')
  cursor += size
  return value
}

/**
 * Writes `value` (0 to 2^53 - 1) as a variable-length integer (RFC 9000 section 16): 1, 2, 4 or 8 bytes.
 * @returns the position after it
 */
export function putVarint(buf: Uint8Array, at: number, value: number): number {
  if (value < 0x40) {
    buf[at] = value
    return at + 1
  }
  if (value < 0x4000) {
    buf[at] = 0x40 | (value >>> 8)
    buf[at + 1] = value & 0xff
    return at + 2
  }
  if (value < 0x40000000) {
    buf[at] = 0x80 | (value >>> 24)
    buf[at + 1] = (value >>> 16) & 0xff
    buf[at + 2] = (value >>> 8) & 0xff
    buf[at + 3] = value & 0xff
    return at + 4
  }
  const high = Math.floor(value / 0x100000000)
  buf[at] = 0xc0 | (high >>> 24)
  buf[at + 1] = (high >>> 16) & 0xff
  buf[at + 2] = (high >>> 8) & 0xff
  buf[at + 3] = high & 0xff
  const low = value >>> 0
  buf[at + 4] = low >>> 24
  buf[at + 5] = (low >>> 16) & 0xff
  buf[at + 6] = (low >>> 8) & 0xff
  buf[at + 7] = low & 0xff
  return at + 8
}

/** Bytes that {@link putVarint} takes for `value`. */
export function varintSize(value: number): number {
  return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x40000000 ? 4 : 8
}

/**
 * Decodes one segment into `out`.
 * @throws HyperNatError `PROTOCOL_ERROR` for anything that no encoder writes; `out` is then undefined
 */
export function decode(buf: Uint8Array, out: Segment): void {
  if (buf.length === 0) refuse('it is empty')
  const flags = buf[0]!
  out.flags = flags
  out.open = null
  out.rangeCount = 0
  out.dataLength = 0
  cursor = 1
  if ((flags & (RESET | RESET_ACK)) !== 0) {
    if (flags !== RESET && flags !== RESET_ACK) refuse('a reset carries more than itself')
    out.code = flags === RESET ? takeVarint(buf) : 0
    if (cursor !== buf.length) refuse('bytes follow its end')
    return
  }
  if ((flags & (PN | ACK)) === 0) refuse('it says nothing')
  if ((flags & (DATA | OPEN)) !== 0 && (flags & PN) === 0) refuse('it has data and no packet number')
  if ((flags & (FIN | BLOCKED)) !== 0 && (flags & DATA) === 0) refuse('it ends a stream at no offset')
  if ((flags & PN) !== 0) out.number = takeVarint(buf)
  if ((flags & OPEN) !== 0) takeOpen(buf, out)
  if ((flags & ACK) !== 0) takeAck(buf, out)
  if ((flags & DATA) !== 0) {
    out.offset = takeVarint(buf)
    out.dataStart = cursor
    out.dataLength = buf.length - cursor
    if (out.offset + out.dataLength >= VARINT_MAX) refuse('its offset is too large')
    if (out.dataLength === 0 && (flags & FIN) === 0) refuse('it has no data')
  } else if (cursor !== buf.length) refuse('bytes follow its end')
}

function takeOpen(buf: Uint8Array, out: Segment): void {
  if (cursor >= buf.length) refuse('it is cut short')
  const size = buf[cursor++]!
  if (size > OPEN_MAX) refuse('its open payload is too long')
  if (cursor + size > buf.length) refuse('it is cut short')
  out.open = buf.subarray(cursor, cursor + size)
  cursor += size
}

function takeAck(buf: Uint8Array, out: Segment): void {
  let high = takeVarint(buf)
  out.ackDelay = takeVarint(buf) / ACK_DELAY_UNITS_PER_MS
  const count = takeVarint(buf)
  if (count === 0 || count > RANGES_MAX) refuse('its number of ack ranges')
  const ranges = out.ranges
  for (let i = 0; i < count; i++) {
    if (i > 0) high = ranges[2 * i - 1]! - 2 - takeVarint(buf)
    const low = high - takeVarint(buf)
    if (low < 0) refuse('its ack ranges go below zero')
    ranges[2 * i] = high
    ranges[2 * i + 1] = low
  }
  out.rangeCount = count
  out.cumulative = takeVarint(buf)
  out.limit = out.cumulative + takeVarint(buf)
  if (out.limit > VARINT_MAX) refuse('its window is too large')
}

/** A segment that aborts a flow. `code`: see `RESET_*` in constants.ts; the session's own start at 16. */
export function encodeReset(code: number): Uint8Array {
  const out = new Uint8Array(1 + varintSize(code))
  out[0] = RESET
  putVarint(out, 1, code)
  return out
}

/** A segment that confirms a RESET. */
export function encodeResetAck(): Uint8Array {
  return Uint8Array.of(RESET_ACK)
}

/**
 * What the session answers to a segment for a flow that it does not know and that does not open one. Answers never
 * provoke answers: a RESET is confirmed, a confirmation and a bare ack are not answered, all else is reset.
 * @returns the answer, or null for silence
 */
export function strayReply(segment: Uint8Array): Uint8Array | null {
  const flags = segment[0] ?? 0
  if (flags === RESET) return encodeResetAck()
  return (flags & PN) !== 0 ? encodeReset(RESET_UNKNOWN_FLOW) : null
}

const peeked = new Segment()

/**
 * The open payload of a flow's first segment.
 * @returns null when the segment does not open a flow
 * @throws HyperNatError `PROTOCOL_ERROR`
 */
export function openPayload(segment: Uint8Array): Uint8Array | null {
  decode(segment, peeked)
  return peeked.open
}
