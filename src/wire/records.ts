/**
 * The records inside a sealed datagram: one datagram carries as many as fit, each whole. SPEC.md has the diagrams.
 */
import { protocolError, Reader, varintSize, writeVarint } from './bytes.js'
import { MAX_FRAGMENTS, MAX_UDP_PAYLOAD, OPTIONAL, RECORD } from './constants.js'

/** What a decoder calls for each record, in their order. */
export interface RecordSink {
  ping(id: number): void
  pong(id: number): void
  udp(map: number, flow: number, payload: Uint8Array): void
  fragment(fragment: Fragment): void
  segment(flow: number, segment: Uint8Array): void
  game(): void
}

/** A piece of a UDP payload that was too large for one datagram. */
export interface Fragment {
  readonly map: number
  readonly flow: number
  /** Tells the pieces of one payload from those of another of the same flow; wraps at 65,536. */
  readonly id: number
  readonly index: number
  readonly count: number
  readonly bytes: Uint8Array
}

/**
 * Decodes one opened datagram. Unknown records of the optional range are skipped.
 * @returns how many records it held
 * @throws HyperNatError PROTOCOL_ERROR for anything that SPEC.md does not allow
 */
export function readRecords(plain: Uint8Array, sink: RecordSink): number {
  const reader = new Reader(plain)
  let count = 0
  for (; reader.left > 0; count++) {
    const type = reader.byte()
    switch (type) {
      case RECORD.PING:
        sink.ping(reader.varint())
        break
      case RECORD.PONG:
        sink.pong(reader.varint())
        break
      case RECORD.UDP: {
        const map = reader.varint()
        const flow = reader.varint()
        sink.udp(map, flow, reader.bytes(reader.varint()))
        break
      }
      case RECORD.FRAGMENT: {
        const map = reader.varint()
        const flow = reader.varint()
        const id = reader.varint()
        const index = reader.varint()
        const count = reader.varint()
        const bytes = reader.bytes(reader.varint())
        if (id > 0xffff || count < 2 || count > MAX_FRAGMENTS || index >= count || bytes.byteLength === 0) {
          throw protocolError('a fragment that makes no sense')
        }
        sink.fragment({ map, flow, id, index, count, bytes })
        break
      }
      case RECORD.SEGMENT: {
        const flow = reader.varint()
        sink.segment(flow, reader.bytes(reader.varint()))
        break
      }
      case RECORD.GAME:
        reader.bytes(reader.varint())
        sink.game()
        break
      default:
        if (type < OPTIONAL) throw protocolError(`a record of the unknown type ${type}`)
        reader.bytes(reader.varint())
    }
  }
  return count
}

/**
 * The records of one datagram: a PING, and PADDING up to `size` bytes.
 * @param size at least 150; left out: no padding
 */
export function paddedPing(id: number, size = 0): Uint8Array {
  const ping = 1 + varintSize(id)
  const plain = new Uint8Array(Math.max(size, ping))
  plain[0] = RECORD.PING
  writeVarint(plain, 1, id)
  if (size > 0) {
    plain[ping] = RECORD.PADDING
    // Two bytes of length, from 128 bytes on.
    writeVarint(plain, ping + 1, size - ping - 3)
  }
  return plain
}

/** Bytes that a FRAGMENT record takes at the most besides map, flow and piece: type, id, index, count, length. */
const FRAGMENT_HEADER = 1 + 3 + 1 + 2 + 2

/** Bytes of records in one datagram at the most: no path takes more (SPEC.md). */
const MAX_RECORDS = 2048

/** Packs records into datagrams of the size that the path takes now. */
export class Packer {
  #buffer: Uint8Array
  #at = 0
  #fragmentId = 0
  readonly size: () => number

  /**
   * @param size bytes that one datagram holds now, before sealing; called for each
   * @param send takes a full datagram's content; it may not keep the buffer
   */
  constructor(
    size: () => number,
    readonly send: (plain: Uint8Array) => void
  ) {
    this.#buffer = new Uint8Array(MAX_RECORDS)
    this.size = () => Math.min(size(), MAX_RECORDS)
  }

  /** Sends what is packed so far. */
  flush(): void {
    if (this.#at === 0) return
    const plain = this.#buffer.subarray(0, this.#at)
    this.#at = 0
    this.send(plain)
  }

  ping(id: number): void {
    this.#small(RECORD.PING, id)
  }

  pong(id: number): void {
    this.#small(RECORD.PONG, id)
  }

  game(): void {
    this.#room(2)
    this.#buffer[this.#at++] = RECORD.GAME
    this.#buffer[this.#at++] = 0
  }

  #small(type: number, id: number): void {
    this.#room(1 + varintSize(id))
    this.#buffer[this.#at++] = type
    this.#at = writeVarint(this.#buffer, this.#at, id)
  }

  /** Packs one UDP payload, in pieces if it must be. Returns false if it is larger than any payload may be. */
  udp(map: number, flow: number, payload: Uint8Array): boolean {
    const length = payload.byteLength
    if (length > MAX_UDP_PAYLOAD) return false
    const header = 1 + varintSize(map) + varintSize(flow) + varintSize(length)
    if (header + length > this.size()) return this.#fragments(map, flow, payload)
    this.#room(header + length)
    const out = this.#buffer
    let at = this.#at
    out[at++] = RECORD.UDP
    at = writeVarint(out, at, map)
    at = writeVarint(out, at, flow)
    at = writeVarint(out, at, length)
    out.set(payload, at)
    this.#at = at + length
    return true
  }

  #fragments(map: number, flow: number, payload: Uint8Array): boolean {
    const header = FRAGMENT_HEADER + varintSize(map) + varintSize(flow)
    const room = this.size() - header
    const fewest = Math.ceil(payload.byteLength / room)
    if (room <= 0 || fewest > MAX_FRAGMENTS) return false
    // Pieces of equal size: the last is no more likely to be lost than the first, and none is tiny.
    const piece = Math.ceil(payload.byteLength / fewest)
    const count = Math.ceil(payload.byteLength / piece)
    const id = this.#fragmentId
    this.#fragmentId = (id + 1) & 0xffff
    for (let index = 0; index < count; index++) {
      const bytes = payload.subarray(index * piece, (index + 1) * piece)
      this.#room(header + bytes.byteLength)
      const out = this.#buffer
      let at = this.#at
      out[at++] = RECORD.FRAGMENT
      for (const value of [map, flow, id, index, count, bytes.byteLength]) at = writeVarint(out, at, value)
      out.set(bytes, at)
      this.#at = at + bytes.byteLength
    }
    return true
  }

  /** Packs one segment of a tcpudp flow; it must fit, see {@link segmentRoom}. */
  segment(flow: number, segment: Uint8Array): void {
    const length = segment.byteLength
    this.#room(1 + varintSize(flow) + varintSize(length) + length)
    const out = this.#buffer
    let at = this.#at
    out[at++] = RECORD.SEGMENT
    at = writeVarint(out, at, flow)
    at = writeVarint(out, at, length)
    out.set(segment, at)
    this.#at = at + length
  }

  #room(bytes: number): void {
    if (this.#at > 0 && this.#at + bytes > this.size()) this.flush()
    if (bytes > this.#buffer.byteLength) this.#buffer = new Uint8Array(bytes * 2)
  }
}

/** The largest segment of a tcpudp flow that a datagram of `size` bytes holds. */
export function segmentRoom(size: number, flow: number): number {
  return size - 1 - varintSize(flow) - varintSize(size)
}
