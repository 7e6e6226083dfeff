/** Received bytes: put in order, and kept until the reader has consumed them. Decoder -> inbox -> local socket. */
import { INBOX_START, RANGES_KEPT_MAX } from './constants.js'

/** A flow begins with nothing: many never have a gap, or a byte. */
const NO_RANGES = new Float64Array(0)
const NO_BYTES = new Uint8Array(0)
const RANGES_START = 16

/**
 * One ring of bytes, addressed by stream offset, that grows with what lies in it and never beyond the window. Bytes
 * beyond a gap are kept as ranges: sorted, disjoint, not touching.
 */
export class Inbox {
  /** Offset before which everything has been received. */
  next = 0
  /** Offset before which everything was handed out by read(). */
  handed = 0
  /** Offset before which everything was consumed; ring space before it is free. */
  consumed = 0
  /** Ranges that are kept at most. */
  rangesMax = RANGES_KEPT_MAX
  private ring: Uint8Array = NO_BYTES
  private mask = -1
  private rangeLow = NO_RANGES
  private rangeHigh = NO_RANGES
  private rangeCount = 0

  /** Bytes held in memory for this flow. */
  get capacity(): number {
    return this.ring.length
  }

  get hasGap(): boolean {
    return this.rangeCount > 0
  }

  /** Offset after the last byte received, gaps or not. */
  get highest(): number {
    return this.rangeCount > 0 ? this.rangeHigh[this.rangeCount - 1]! : this.next
  }

  /**
   * Takes `length` bytes at `start` of `source` as the stream's bytes from `offset` on. Bytes known already are
   * skipped. The caller has checked that all of them lie within the window.
   * @returns false if there was no room to note one more range: the segment must then not be acknowledged
   */
  insert(offset: number, source: Uint8Array, start: number, length: number): boolean {
    const end = offset + length
    if (end <= this.next) return true
    const from = offset < this.next ? this.next : offset
    if (this.rangeCount === 0 && from === this.next) {
      this.copyIn(from, source, start + (from - offset), end - from)
      this.next = end
      return true
    }
    if (!this.noteRange(from, end)) return false
    this.copyIn(from, source, start + (from - offset), end - from)
    if (this.rangeLow[0]! <= this.next) {
      this.next = this.rangeHigh[0]!
      this.rangeLow.copyWithin(0, 1, this.rangeCount)
      this.rangeHigh.copyWithin(0, 1, this.rangeCount)
      this.rangeCount--
    }
    return true
  }

  /**
   * The next bytes in order, up to `max`; they stay valid until consumed() is called for them.
   * @returns null when there are none
   */
  read(max: number): Uint8Array | null {
    let length = this.next - this.handed
    if (length === 0) return null
    const at = this.handed & this.mask
    if (at + length > this.ring.length) length = this.ring.length - at
    if (length > max) length = max
    this.handed += length
    return this.ring.subarray(at, at + length)
  }

  /** Frees the memory of an empty inbox. */
  release(): void {
    if (this.consumed !== this.next || this.rangeCount > 0) return
    this.ring = NO_BYTES
    this.mask = -1
  }

  /** Frees everything, read or not. */
  clear(): void {
    this.rangeCount = 0
    this.handed = this.consumed = this.next
    this.release()
  }

  private noteRange(low: number, high: number): boolean {
    const lows = this.rangeLow
    const highs = this.rangeHigh
    let count = this.rangeCount
    // New data mostly touches the last range or lies behind it; a retransmission mostly touches the first.
    let i = count
    if (count > 0 && low <= highs[count - 1]!) {
      let a = 0
      let b = count - 1
      while (a < b) {
        const m = (a + b) >> 1
        if (highs[m]! < low) a = m + 1
        else b = m
      }
      i = a
    }
    // i: the first range that ends at or after low.
    if (i === count || lows[i]! > high) {
      if (count >= this.rangesMax) return false
      if (count === lows.length) this.growRanges()
      this.rangeLow.copyWithin(i + 1, i, count)
      this.rangeHigh.copyWithin(i + 1, i, count)
      this.rangeLow[i] = low
      this.rangeHigh[i] = high
      this.rangeCount = count + 1
      return true
    }
    if (low < lows[i]!) lows[i] = low
    let last = i
    while (last + 1 < count && lows[last + 1]! <= high) last++
    const end = highs[last]! > high ? highs[last]! : high
    highs[i] = end
    if (last > i) {
      lows.copyWithin(i + 1, last + 1, count)
      highs.copyWithin(i + 1, last + 1, count)
      count -= last - i
      this.rangeCount = count
    }
    return true
  }

  private growRanges(): void {
    const low = new Float64Array(Math.max(RANGES_START, this.rangeLow.length * 2))
    const high = new Float64Array(low.length)
    low.set(this.rangeLow)
    high.set(this.rangeHigh)
    this.rangeLow = low
    this.rangeHigh = high
  }

  private copyIn(offset: number, source: Uint8Array, start: number, length: number): void {
    const need = offset + length - this.consumed
    if (need > this.ring.length) this.grow(need)
    const at = offset & this.mask
    const first = Math.min(length, this.ring.length - at)
    this.ring.set(source.subarray(start, start + first), at)
    if (first < length) this.ring.set(source.subarray(start + first, start + length), 0)
  }

  private grow(need: number): void {
    let size = Math.max(INBOX_START, this.ring.length)
    while (size < need) size *= 2
    const ring = new Uint8Array(size)
    // Everything between consumed and consumed + old size may be live; chunks handed out keep the old ring alive.
    const old = this.ring
    for (let done = 0; done < old.length; ) {
      const from = (this.consumed + done) & this.mask
      const to = (this.consumed + done) & (size - 1)
      const length = Math.min(old.length - done, old.length - from, size - to)
      ring.set(old.subarray(from, from + length), to)
      done += length
    }
    this.ring = ring
    this.mask = size - 1
  }
}
