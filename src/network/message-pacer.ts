/**
 * Hands the bytes of a stream to what decrypts its messages, a few messages in each turn of the event loop. One read of 64 kB can hold
 * 2700 tiny ones, which take 10 ms to decrypt and to act on: everything else in this process would wait that long.
 */
import { HyperNatError } from '../errors.js'

/** Bytes of the length before each message, little-endian. */
const LENGTH_BYTES = 3

/** Messages that are read in one turn of the event loop. */
const MESSAGES_PER_TURN = 64

/**
 * No more than this waits for a later turn, bytes: UDX acknowledges what waits, and so its sender is not held up. Where more has come, behind
 * a gap, say, it is read at once. But a peer whose messages are shorter than this on average, bytes, floods us with them.
 */
const WAITING_BYTES = 1024 * 1024
const SHORT_MESSAGE_BYTES = 256

/** As many parts wait at the most in a stream that is held: one packet brings each, and a part of three bytes takes the memory of 300. */
const WAITING_PARTS = WAITING_BYTES / SHORT_MESSAGE_BYTES

/** A new turn is waited for only after so many messages: most turns have fewer. */
const FEW_MESSAGES = 8

/** Which part of a message comes next: `missing` bytes of its content, or the rest of its length. */
export type Position =
  | { readonly missing: number }
  /** The length as far as it is known, and the weight of its next byte: 1 for the first. */
  | { readonly length: number; readonly weight: number }

/** Decrypts the messages, and passes each on that is whole. */
export interface MessageDecoder {
  readonly position: () => Position
  readonly isDestroyed: () => boolean
  readonly read: (data: Uint8Array) => void
  readonly end: () => void
  readonly destroy: (err: HyperNatError) => void
}

export class MessagePacer {
  readonly #decoder: MessageDecoder
  readonly #nextTurn: (callback: () => void) => void
  /** What waits for the next turn, or until {@link release}. */
  readonly #waiting: Uint8Array[] = []
  #waitingBytes = 0
  /** What becomes of that: it is read, a few messages in each turn; waits; or is dropped for good. */
  #mode: 'reading' | 'held' | 'ignoring' = 'reading'
  /** The other side has ended its half, behind what waits. */
  #ended = false
  /** Messages that were read in this turn, and perhaps a few of turns before. */
  #read = 0
  /** Whether {@link #onTurn} will be called. */
  #scheduled = false

  /** @param nextTurn an argument so that tests decide when a turn begins */
  constructor(decoder: MessageDecoder, nextTurn: (callback: () => void) => void = setImmediate) {
    this.#decoder = decoder
    this.#nextTurn = nextTurn
  }

  /** Bytes that have come in order and are not decrypted yet, or never. */
  get waitingBytes(): number {
    return this.#waitingBytes
  }

  /**
   * Nothing is decrypted until {@link release}, or the other side's end. A stream that is paused decrypts some, and lets the stream below
   * keep the rest without a bound.
   */
  hold(): void {
    if (this.#mode === 'reading' && !this.#ended) this.#mode = 'held'
  }

  release(): void {
    if (this.#mode === 'held') this.#mode = 'reading'
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** Nothing more is decrypted, and the stream waits for the other side's end alone. */
  ignore(): void {
    this.#mode = 'ignoring'
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** Bytes have come. */
  push(data: Uint8Array): void {
    this.#waitingBytes += data.byteLength
    if (this.#mode === 'ignoring') return
    this.#waiting.push(data)
    if (this.#waiting.length === 1 && this.#mode !== 'held') this.#readWaiting(MESSAGES_PER_TURN)
    if (this.#mode === 'held' && this.#waiting.length > WAITING_PARTS) return this.#endFlood()
    while (this.#waitingBytes > WAITING_BYTES) {
      const waited = this.#waitingBytes
      this.#readWaiting(this.#read + MESSAGES_PER_TURN)
      if (waited - this.#waitingBytes < MESSAGES_PER_TURN * SHORT_MESSAGE_BYTES) return this.#endFlood()
    }
    if (this.#read > FEW_MESSAGES || this.#waiting.length > 0) this.#schedule()
  }

  /** The other side has ended its half. */
  end(): void {
    if (this.#waiting.length === 0) return this.#decoder.end()
    // The stream's owner waits for nothing more, and what comes last says why the connection ends.
    this.#ended = true
    this.release()
  }

  #endFlood(): void {
    this.#decoder.destroy(
      new HyperNatError('TOO_FAST', 'The other side sends more short messages than can be read.')
    )
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#nextTurn(this.#onTurn)
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false
    this.#read = 0
    if (this.#mode === 'held') return
    this.#readWaiting(MESSAGES_PER_TURN)
    if (this.#waiting.length > 0) this.#schedule()
  }

  /** Reads what waits, up to so many messages in this turn. */
  #readWaiting(most: number): void {
    const decoder = this.#decoder
    const waiting = this.#waiting
    if (this.#mode === 'ignoring') waiting.length = 0
    while (waiting.length > 0 && this.#read < most && !decoder.isDestroyed()) {
      const data = waiting[0]!
      const end = this.#endOf(data, most)
      if (end < data.byteLength) waiting[0] = data.subarray(end)
      else waiting.shift()
      this.#waitingBytes -= end
      decoder.read(data.subarray(0, end))
    }
    if (decoder.isDestroyed()) {
      waiting.length = 0
      this.#waitingBytes = 0
    } else if (this.#ended && waiting.length === 0) {
      decoder.end()
    }
  }

  /** How much of `data` may be read in this turn: up to the end of a message, or all. Counts the messages. */
  #endOf(data: Uint8Array, most: number): number {
    const size = data.byteLength
    const position = this.#decoder.position()
    let at = 0
    if ('missing' in position) {
      at = position.missing
      if (at <= size) this.#read++
    } else if (position.weight > 1) {
      let { length, weight } = position
      for (; weight < 256 ** LENGTH_BYTES; weight *= 256) {
        if (at === size) return size
        length += weight * data[at++]!
      }
      at += length
      if (at <= size) this.#read++
    }
    while (this.#read < most && at + LENGTH_BYTES <= size) {
      at += LENGTH_BYTES + (data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16))
      if (at <= size) this.#read++
    }
    return this.#read < most ? size : Math.min(at, size)
  }
}
