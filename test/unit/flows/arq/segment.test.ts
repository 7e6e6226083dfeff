import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HyperNatError } from '../../../../src/errors.js'
import * as S from '../../../../src/flows/arq/segment.js'

const segment = new S.Segment()

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
}

function refused(buf: Uint8Array): boolean {
  try {
    S.decode(buf, segment)
    return false
  } catch (err) {
    assert.ok(err instanceof HyperNatError && err.code === 'PROTOCOL_ERROR', String(err))
    return true
  }
}

test('literal segments', () => {
  // flags PN|DATA, number 5, offset 300, "hi"
  S.decode(bytes('05 05 412c 6869'), segment)
  assert.equal(segment.number, 5)
  assert.equal(segment.offset, 300)
  assert.deepEqual([segment.dataStart, segment.dataLength], [4, 2])

  // flags PN|ACK|DATA|FIN, number 64, ack: largest 9, delay 8/8 ms, 2 ranges: 9..8 and 5..0 (gap 1), all before 100,
  // window 16384; offset 7, no bytes: the stream ends at 7
  S.decode(bytes('0f 4040 09 08 02 01 01 05 4064 80004000 07'), segment)
  assert.equal(segment.number, 64)
  assert.equal(segment.ackDelay, 1)
  assert.equal(segment.rangeCount, 2)
  assert.deepEqual([...segment.ranges.subarray(0, 4)], [9, 8, 5, 0])
  assert.equal(segment.cumulative, 100)
  assert.equal(segment.limit, 100 + 16384)
  assert.equal(segment.offset, 7)
  assert.ok(segment.has(S.FIN))

  // flags PN|OPEN, number 0, three bytes of open payload
  assert.deepEqual(S.openPayload(bytes('11 00 03 aabbcc')), bytes('aabbcc'))
  assert.equal(S.openPayload(bytes('01 00')), null)
})

test('resets', () => {
  assert.deepEqual(S.encodeReset(2), bytes('20 02'))
  assert.deepEqual(S.encodeReset(300), bytes('20 412c'))
  assert.deepEqual(S.encodeResetAck(), bytes('40'))
  S.decode(bytes('20 412c'), segment)
  assert.equal(segment.code, 300)
})

test('answers to strays never provoke answers', () => {
  assert.deepEqual(S.strayReply(bytes('05 05 00 68')), bytes('20 02'))
  assert.deepEqual(S.strayReply(bytes('01 05')), bytes('20 02'))
  assert.deepEqual(S.strayReply(bytes('20 02')), bytes('40'))
  assert.equal(S.strayReply(bytes('40')), null)
  assert.equal(S.strayReply(bytes('02 00 00 01 00 00 00')), null)
  assert.equal(S.strayReply(new Uint8Array(0)), null)
})

test('what no encoder writes is refused', () => {
  const cases: Record<string, string> = {
    empty: '',
    'nothing said': '00',
    'data without a number': '04 00 68',
    'the end of a stream without an offset': '09 00',
    'an open payload without a number': '10 00 00',
    'reset with more': '21 00 00',
    'reset with a tail': '20 02 00',
    'an open payload that is too long': `11 00 41 ${'00'.repeat(65)}`,
    'no ack ranges': '02 05 00 00 00 00',
    'too many ack ranges': `02 7fff 00 4041 00 ${'0000'.repeat(64)} 00 00`,
    'ack ranges below zero': '02 05 00 01 06 00 00',
    'a gap below zero': '02 05 00 02 02 02 00 00 00',
    'a tail after an ack': '02 05 00 01 00 00 00 ff',
    'data that is empty': '05 00 00',
    'a number above 2^53': '05 ffffffffffffffff 00 68',
    'an offset too large': '05 00 c01fffffffffffff 68'
  }
  for (const [name, hex] of Object.entries(cases)) assert.ok(refused(bytes(hex)), name)
})

test('varints: literal, and back again', () => {
  const buf = new Uint8Array(16)
  const cases: [number, string][] = [
    [0, '00'],
    [63, '3f'],
    [64, '4040'],
    [16383, '7fff'],
    [16384, '80004000'],
    [2 ** 30 - 1, 'bfffffff'],
    [2 ** 30, 'c000000040000000'],
    [10e9, 'c00000025 40be400'.replace(' ', '')],
    [2 ** 53 - 1, 'c01fffffffffffff']
  ]
  for (const [value, hex] of cases) {
    const end = S.putVarint(buf, 0, value)
    assert.equal(Buffer.from(buf.subarray(0, end)).toString('hex'), hex)
    assert.equal(S.varintSize(value), end)
  }
})

const arbitraryAck = fc.record({
  largest: fc.integer({ min: 100000, max: 2 ** 31 }),
  delay: fc.integer({ min: 0, max: 4000 }),
  first: fc.integer({ min: 0, max: 100 }),
  more: fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 100 })), {
    maxLength: 63
  }),
  cumulative: fc.integer({ min: 0, max: 2 ** 50 }),
  window: fc.integer({ min: 0, max: 2 ** 30 })
})

/** The slow, obvious encoder. */
function encodeSlowly(
  number: number,
  offset: number,
  data: Uint8Array,
  fin: boolean,
  ack: {
    largest: number
    delay: number
    first: number
    more: [number, number][]
    cumulative: number
    window: number
  } | null
): { bytes: Uint8Array; ranges: number[] } {
  const out: number[] = []
  const ranges: number[] = []
  const put = (value: number): void => {
    const buf = new Uint8Array(8)
    out.push(...buf.subarray(0, S.putVarint(buf, 0, value)))
  }
  out.push(S.PN | S.DATA | (fin ? S.FIN : 0) | (ack ? S.ACK : 0))
  put(number)
  if (ack) {
    put(ack.largest)
    put(ack.delay)
    put(ack.more.length + 1)
    put(ack.first)
    ranges.push(ack.largest, ack.largest - ack.first)
    for (const [gap, length] of ack.more) {
      put(gap)
      put(length)
      const high = ranges.at(-1)! - 2 - gap
      ranges.push(high, high - length)
    }
    put(ack.cumulative)
    put(ack.window)
  }
  put(offset)
  out.push(...data)
  return { bytes: Uint8Array.from(out), ranges }
}

test('round trip, and truncated at every byte', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 52 }),
      fc.integer({ min: 0, max: 2 ** 52 }),
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.boolean(),
      fc.option(arbitraryAck),
      (number, offset, data, fin, ack) => {
        const made = encodeSlowly(number, offset, data, fin, ack)
        S.decode(made.bytes, segment)
        assert.equal(segment.number, number)
        assert.equal(segment.offset, offset)
        assert.equal(segment.has(S.FIN), fin)
        const { dataStart, dataLength } = segment
        assert.deepEqual(made.bytes.slice(dataStart, dataStart + dataLength), data)
        if (ack) {
          assert.deepEqual([...segment.ranges.subarray(0, 2 * segment.rangeCount)], made.ranges)
          assert.equal(segment.cumulative, ack.cumulative)
          assert.equal(segment.limit, ack.cumulative + ack.window)
          assert.equal(segment.ackDelay, ack.delay / 8)
        }
        for (let cut = 0; cut < made.bytes.length; cut++) {
          const ok = !refused(made.bytes.subarray(0, cut))
          // Data runs to the end of the segment, so only a cut within it goes unnoticed.
          if (ok) assert.ok(cut >= dataStart)
        }
      }
    )
  )
})

test('garbage never does more than be refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), garbage => {
      refused(garbage)
    }),
    { numRuns: 20000 }
  )
})
