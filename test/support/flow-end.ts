/**
 * A program at one end of a flow: writes a stream of its own, checks every byte that it reads, and counts what it hears.
 * The streams are computed from their offsets, so that a lost, doubled or misplaced byte shows where it is.
 */
import assert from 'node:assert/strict'
import type { ErrorCode } from '../../src/errors.js'
import type { ByteFlow } from '../../src/flows/byte-flow.js'
import type { Clock } from '../../src/util/clock.js'

/** The byte at `offset` of the stream `name`. */
export function byteAt(name: number, offset: number): number {
  return (offset * 167 + (offset >>> 8) * 59 + (offset >>> 16) * 13 + name * 41) & 0xff
}

export interface FlowEndOptions {
  /** Bytes to write before the end is said; null: no end is said. */
  readonly total: number
  /** Whether an end follows the last byte. */
  readonly fin?: boolean
  /** Size of the next chunk. */
  readonly chunk: () => number
  /** ms until what was read is consumed; null: never by itself (see {@link FlowEnd.readAll}). */
  readonly reads?: number | null
}

export class FlowEnd {
  written = 0
  read = 0
  unread = 0
  /** The most that was ever received and not consumed. */
  mostUnread = 0
  readonly heard: string[] = []
  resetBy: ErrorCode | null = null
  #writing = false

  /**
   * @param flow where `events` are set
   * @param out names the stream that is written
   * @param expected names the stream that is read
   */
  constructor(
    readonly flow: ByteFlow,
    readonly out: number,
    readonly expected: number,
    readonly clock: Clock,
    readonly options: FlowEndOptions
  ) {
    flow.events = {
      data: bytes => this.#onData(bytes),
      end: () => this.heard.push('end'),
      // A socket's data comes in a later turn too.
      drain: () => void clock.after(0, () => this.go()),
      reset: code => {
        this.heard.push('reset')
        this.resetBy = code
      },
      close: () => this.heard.push('close')
    }
  }

  get ended(): boolean {
    return this.heard.includes('end')
  }

  get closed(): boolean {
    return this.heard.includes('close')
  }

  /** Writes until the flow says stop, or all is written. */
  go(): void {
    if (this.#writing || this.resetBy) return
    const { total, chunk, fin } = this.options
    this.#writing = true
    while (this.written < total) {
      const size = Math.min(chunk(), total - this.written)
      const bytes = new Uint8Array(size)
      for (let i = 0; i < size; i++) bytes[i] = byteAt(this.out, this.written + i)
      this.written += size
      if (!this.flow.write(bytes)) break
    }
    this.#writing = false
    if (this.written === total && fin) this.flow.end()
  }

  #onData(bytes: Uint8Array): void {
    assert.ok(!this.ended, 'bytes behind the end')
    assert.ok(this.heard.length === 0, `bytes after ${this.heard}`)
    assert.ok(bytes.byteLength > 0, 'no bytes at all')
    for (let i = 0; i < bytes.byteLength; i++) {
      if (bytes[i] !== byteAt(this.expected, this.read + i)) {
        assert.fail(`wrong byte at ${this.read + i} of the stream ${this.expected}`)
      }
    }
    const size = bytes.byteLength
    this.read += size
    this.unread += size
    this.mostUnread = Math.max(this.mostUnread, this.unread)
    const { reads = 0 } = this.options
    if (reads !== null) this.clock.after(reads, () => this.#consume(size))
  }

  #consume(size: number): void {
    this.unread -= size
    this.flow.consumed(size)
  }

  /** A reader that had stalled takes what is there. */
  readAll(): void {
    if (this.unread > 0) this.#consume(this.unread)
  }
}

/** Checks that each of two ends has read all that the other one was to write, and its end. */
export function assertWhole(up: FlowEnd, down: FlowEnd, where: string): void {
  assert.deepEqual([down.read, up.read], [up.options.total, down.options.total], where)
  for (const { heard } of [up, down]) assert.deepEqual(heard, ['end', 'close'], where)
}
