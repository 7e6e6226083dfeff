/** Bytes that the local side wrote: kept until the peer has acknowledged them. Local socket -> outbox -> encoder. */
import { SMALL_WRITE, SMALL_WRITE_SLAB } from './constants.js'

/** A queue of chunks, addressed by stream offset. Large chunks are kept by reference, small ones are copied together. */
export class Outbox {
  /** Offset of the first byte kept: all before it is acknowledged. */
  start = 0
  /** Offset after the last byte written. */
  end = 0
  private chunks: Uint8Array[] = []
  private offsets: number[] = []
  private head = 0
  /** Chunk that copy() looked at last: the next read mostly continues there. */
  private hint = 0
  /** What small writes are copied into, and how much of it is used. */
  private slab: Uint8Array | null = null
  private slabUsed = 0
  /** The last chunk ends where the free part of the slab begins. */
  private slabIsLast = false

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    if (bytes.length <= SMALL_WRITE) this.pushSmall(bytes)
    else {
      this.slabIsLast = false
      this.append(bytes)
    }
    this.end += bytes.length
  }

  /** Copies `length` bytes from `offset` on into `target` at `at`. All of them must be kept. */
  copy(offset: number, length: number, target: Uint8Array, at: number): void {
    let i = this.find(offset)
    while (length > 0) {
      const chunk = this.chunks[i]!
      const from = offset - this.offsets[i]!
      const size = Math.min(length, chunk.length - from)
      target.set(from === 0 && size === chunk.length ? chunk : chunk.subarray(from, from + size), at)
      offset += size
      length -= size
      at += size
      this.hint = i++
    }
  }

  /** Forgets everything before `offset`. */
  free(offset: number): void {
    if (offset <= this.start) return
    this.start = offset
    let head = this.head
    const count = this.chunks.length
    while (head < count && this.offsets[head]! + this.chunks[head]!.length <= offset) {
      this.chunks[head++] = EMPTY
    }
    this.head = head
    if (head === count) {
      this.chunks = []
      this.offsets = []
      this.head = 0
      this.hint = 0
      this.slab = null
    } else if (head > 256 && head * 2 > count) {
      this.chunks = this.chunks.slice(head)
      this.offsets = this.offsets.slice(head)
      this.hint = Math.max(0, this.hint - head)
      this.head = 0
    }
  }

  private append(chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.offsets.push(this.end)
  }

  private pushSmall(bytes: Uint8Array): void {
    if (!this.slab || this.slabUsed + bytes.length > this.slab.length) {
      this.slab = new Uint8Array(SMALL_WRITE_SLAB)
      this.slabUsed = 0
      this.slabIsLast = false
    }
    const { slab, slabUsed } = this
    slab.set(bytes, slabUsed)
    this.slabUsed += bytes.length
    if (this.slabIsLast) {
      const last = this.chunks.length - 1
      this.chunks[last] = slab.subarray(this.chunks[last]!.byteOffset, this.slabUsed)
    } else this.append(slab.subarray(slabUsed, this.slabUsed))
    this.slabIsLast = true
  }

  private find(offset: number): number {
    let i = this.hint
    if (i >= this.head && i < this.chunks.length && this.offsets[i]! <= offset) {
      if (offset < this.offsets[i]! + this.chunks[i]!.length) return i
      i++
      if (i < this.chunks.length && offset < this.offsets[i]! + this.chunks[i]!.length) return i
    }
    let a = this.head
    let b = this.chunks.length - 1
    while (a < b) {
      const m = (a + b + 1) >> 1
      if (this.offsets[m]! <= offset) a = m
      else b = m - 1
    }
    return a
  }
}

const EMPTY = new Uint8Array(0)
