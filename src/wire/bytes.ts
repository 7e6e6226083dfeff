import b4a from 'b4a'
import { HyperNatError } from '../errors.js'

/** Largest number that a varint carries: what a JavaScript number holds exactly. */
const MAX_VARINT = Number.MAX_SAFE_INTEGER

/** The error for whatever a peer should not have sent. */
export function protocolError(what: string): HyperNatError {
  return new HyperNatError(
    'PROTOCOL_ERROR',
    `The other side sent ${what}: it may run another version; update both.`
  )
}

/** Bytes that `value` takes as a varint (LEB128). */
export function varintSize(value: number): number {
  let size = 1
  while (value >= 128) {
    value = Math.floor(value / 128)
    size++
  }
  return size
}

/** Writes `value` (0 to 2^53 - 1) as a LEB128 varint; returns the position behind it. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  while (value >= 0x80000000) {
    out[at++] = (value & 127) | 128
    value = Math.floor(value / 128)
  }
  while (value >= 128) {
    out[at++] = (value & 127) | 128
    value >>>= 7
  }
  out[at++] = value
  return at
}

/** Reads bounded input; every overrun and nonsense is a PROTOCOL_ERROR. */
export class Reader {
  at: number
  end: number

  constructor(
    readonly buffer: Uint8Array,
    at = 0,
    end = buffer.byteLength
  ) {
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  byte(): number {
    if (this.at >= this.end) throw protocolError('a message that is cut short')
    return this.buffer[this.at++]!
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.byte()
      value += (byte & 127) * scale
      if (byte < 128) break
      scale *= 128
      if (scale > MAX_VARINT) throw protocolError('a number that is too long')
    }
    if (value > MAX_VARINT) throw protocolError('a number that is too large')
    return value
  }

  /** The next `size` bytes, not copied. */
  bytes(size: number): Uint8Array {
    if (size > this.left) throw protocolError('a message that is cut short')
    return this.buffer.subarray(this.at, (this.at += size))
  }

  rest(): Uint8Array {
    return this.bytes(this.left)
  }

  /** A reader over the next `size` bytes. */
  slice(size: number): Reader {
    if (size > this.left) throw protocolError('a frame longer than its message')
    const inner = new Reader(this.buffer, this.at, this.at + size)
    this.at += size
    return inner
  }

  text(max: number): string {
    const size = this.varint()
    if (size > max) throw protocolError('a text that is too long')
    return b4a.toString(this.bytes(size), 'utf8')
  }

  done(): void {
    if (this.at !== this.end) throw protocolError('bytes behind the end of a frame')
  }
}

/** Grows as it is written; for the small frames, whose size is not known before. */
export class Writer {
  #buffer: Uint8Array = b4a.allocUnsafe(128)
  #at = 0

  #room(size: number): void {
    if (this.#at + size <= this.#buffer.byteLength) return
    const grown = b4a.allocUnsafe(Math.max(this.#buffer.byteLength * 2, this.#at + size))
    grown.set(this.#buffer.subarray(0, this.#at))
    this.#buffer = grown
  }

  byte(value: number): this {
    this.#room(1)
    this.#buffer[this.#at++] = value
    return this
  }

  varint(value: number): this {
    this.#room(8)
    this.#at = writeVarint(this.#buffer, this.#at, value)
    return this
  }

  bytes(bytes: Uint8Array): this {
    this.#room(bytes.byteLength)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.byteLength
    return this
  }

  text(text: string, max: number): this {
    let bytes = b4a.from(text, 'utf8')
    if (bytes.byteLength > max) bytes = bytes.subarray(0, max)
    return this.varint(bytes.byteLength).bytes(bytes)
  }

  take(): Uint8Array {
    return this.#buffer.subarray(0, this.#at)
  }
}
