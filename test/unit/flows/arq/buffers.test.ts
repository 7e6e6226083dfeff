/** Inbox, outbox and ack ranges against slow, obvious versions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RANGES_KEPT_MAX } from '../../../../src/flows/arq/constants.js'
import { Inbox } from '../../../../src/flows/arq/inbox.js'
import { Outbox } from '../../../../src/flows/arq/outbox.js'
import { Received } from '../../../../src/flows/arq/received.js'
import { ACK, decode, Segment } from '../../../../src/flows/arq/segment.js'

const stream = Uint8Array.from({ length: 200000 }, (_, i) => (i * 2654435761) >>> 13)

test('an inbox hands out what was sent, however the pieces overlap', () => {
  const piece = fc.tuple(
    fc.integer({ min: 0, max: 3000 }),
    fc.integer({ min: 1, max: 400 }),
    fc.integer({ min: 0, max: 500 })
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 120 }), pieces => {
      const inbox = new Inbox()
      const known = new Set<number>()
      let read = 0
      let freed = 0
      for (const [ahead, length, take] of pieces) {
        // As in a flow: nothing beyond a window from what is consumed.
        const from = Math.max(0, inbox.next - 200 + ahead)
        assert.ok(inbox.insert(from, stream, from, length))
        for (let i = from; i < from + length; i++) known.add(i)
        let next = 0
        while (known.has(next)) next++
        assert.equal(inbox.next, next)
        assert.equal(inbox.highest, Math.max(-1, ...known) + 1)
        const chunk = inbox.read(take)
        if (chunk) {
          assert.deepEqual(chunk, stream.subarray(read, read + chunk.length))
          read += chunk.length
        }
        freed += Math.floor((read - freed) / 2)
        inbox.consumed = freed
      }
      for (let chunk = inbox.read(1e9); chunk; chunk = inbox.read(1e9)) {
        assert.deepEqual(chunk, stream.subarray(read, read + chunk.length))
        read += chunk.length
      }
      assert.equal(read, inbox.next)
    })
  )
})

test('an inbox keeps no more than RANGES_KEPT_MAX ranges', () => {
  const inbox = new Inbox()
  for (let i = 0; i < RANGES_KEPT_MAX; i++) assert.ok(inbox.insert(2 + 2 * i, stream, 0, 1))
  assert.equal(inbox.insert(2 + 2 * RANGES_KEPT_MAX, stream, 0, 1), false)
  assert.ok(inbox.insert(0, stream, 0, 2), 'what closes a gap is always taken')
  assert.equal(inbox.next, 3)
})

test('a send buffer returns what was written, from any offset', () => {
  const writes = fc.array(fc.integer({ min: 0, max: 2000 }), { minLength: 1, maxLength: 600 })
  const looks = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 1500 })), { maxLength: 60 })
  fc.assert(
    fc.property(writes, looks, (sizes, reads) => {
      const outbox = new Outbox()
      let end = 0
      for (const size of sizes) {
        const length = Math.min(size % 7 === 0 ? size : size % 50, stream.length - end)
        // A small write is copied, so its source may change; a large one must stay.
        const bytes = stream.slice(end, end + length)
        outbox.push(bytes)
        if (length <= 512) bytes.fill(0)
        end += length
      }
      assert.equal(outbox.end, end)
      const target = new Uint8Array(1500)
      for (const [free, at, length] of reads) {
        outbox.free(outbox.start + (free % Math.max(1, Math.floor((end - outbox.start) / 4))))
        const from = outbox.start + (at % Math.max(1, end - outbox.start))
        const size = Math.min(length, end - from)
        outbox.copy(from, size, target, 0)
        assert.deepEqual(target.subarray(0, size), stream.subarray(from, from + size))
      }
    }),
    { numRuns: 200 }
  )
})

test('ack ranges tell what came, newest first', () => {
  const buf = new Uint8Array(1500)
  const segment = new Segment()
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 80 }), numbers => {
      const received = new Received()
      const known = new Set<number>()
      for (const n of numbers) {
        received.add(n, false, 0)
        known.add(n)
        buf[0] = ACK
        decode(buf.subarray(0, received.putAck(buf, 1, 1400, 0, 0, 0)), segment)
        const told = new Set<number>()
        let before = Number.POSITIVE_INFINITY
        for (let i = 0; i < segment.rangeCount; i++) {
          const high = segment.ranges[2 * i]!
          const low = segment.ranges[2 * i + 1]!
          assert.ok(high < before - 1, 'ranges neither touch nor overlap')
          before = low
          for (let m = low; m <= high; m++) told.add(m)
        }
        assert.equal(segment.ranges[0], Math.max(...known))
        for (const m of told) assert.ok(known.has(m))
        if (segment.rangeCount < 24) assert.equal(told.size, known.size)
      }
    })
  )
})

test('a send buffer of large and tiny writes in turn takes little more than their bytes', () => {
  const outbox = new Outbox()
  for (let i = 0; i < 500; i++) {
    outbox.push(new Uint8Array(600))
    outbox.push(Uint8Array.of(i & 255))
  }
  const { chunks } = outbox as unknown as { readonly chunks: readonly Uint8Array[] }
  let kept = 0
  for (const buffer of new Set(chunks.map(chunk => chunk.buffer))) kept += buffer.byteLength
  assert.ok(kept < 1.1 * outbox.end, `${kept} bytes for ${outbox.end}`)
  const all = new Uint8Array(outbox.end)
  outbox.copy(0, outbox.end, all, 0)
  for (let i = 0; i < 500; i++) assert.equal(all[601 * i + 600], i & 255)
})
