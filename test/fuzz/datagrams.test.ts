/** readRecords, Opener and Reassembly under 100,000 datagrams each that nobody should send. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { Reassembly } from '../../src/datagrams/reassembly.js'
import { Opener, Sealer } from '../../src/datagrams/seal.js'
import { Packer, readRecords } from '../../src/wire/records.js'
import { VirtualClock } from '../sim/support/virtual-clock.js'
import { isProtocolError } from '../unit/wire/protocol-error.js'
import { type Call, recordRecorder } from '../unit/wire/sinks.js'
import { broken, CASES, number } from './arbitrary-bytes.js'

function packed(pack: (packer: Packer) => void): Uint8Array {
  const out: Uint8Array[] = []
  const packer = new Packer(
    () => 1200,
    plain => out.push(b4a.from(plain))
  )
  pack(packer)
  packer.flush()
  return b4a.concat(out)
}

const payload = fc.uint8Array({ maxLength: 30 })

const fragment = fc
  .tuple(number, number, fc.nat(0xffff), fc.nat(127), fc.integer({ min: 2, max: 128 }), payload)
  .map(([map, flow, id, index, count, bytes]) =>
    b4a.concat([
      b4a.from([0x11]),
      ...[map, flow, id, Math.min(index, count - 1), count, bytes.byteLength].map(varint),
      bytes
    ])
  )

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  while (value >= 128) {
    bytes.push((value % 128) | 128)
    value = Math.floor(value / 128)
  }
  return b4a.from([...bytes, value])
}

const valid = fc.oneof(
  number.map(id => packed(p => p.ping(id))),
  number.map(id => packed(p => p.pong(id))),
  fc.tuple(number, number, payload).map(([map, flow, bytes]) => packed(p => void p.udp(map, flow, bytes))),
  fc.tuple(number, payload).map(([flow, bytes]) => packed(p => p.segment(flow, bytes))),
  fragment
)

test('records: whatever comes, it is read or it is a PROTOCOL_ERROR', () => {
  fc.assert(
    fc.property(broken(valid), plain => {
      const heard: Call[] = []
      try {
        readRecords(plain, recordRecorder(heard))
      } catch (err) {
        if (!isProtocolError(err)) throw err
      }
    }),
    { numRuns: CASES, includeErrorInReport: true }
  )
})

test('records, cut anywhere, are refused or read up to there', () => {
  fc.assert(
    fc.property(valid, plain => {
      for (let cut = 1; cut < plain.byteLength; cut++) {
        assert.throws(() => readRecords(plain.subarray(0, cut), recordRecorder([])), isProtocolError)
      }
    }),
    { numRuns: 2000, includeErrorInReport: true }
  )
})

test('sealed datagrams: nothing opens but what was sealed, once, and nothing is thrown', () => {
  const key = b4a.alloc(32, 3)
  const sealer = new Sealer(key)
  const opener = new Opener(key)
  const originals = Array.from({ length: 64 }, (_, i) => sealer.seal(b4a.alloc(i, i)))
  const opened = new Set<string>()
  fc.assert(
    fc.property(broken(fc.constantFrom(...originals)), sealed => {
      const whole = b4a.toString(sealed, 'hex')
      const plain = opener.open(sealed)
      if (typeof plain === 'string') return
      assert.ok(
        originals.some(original => b4a.toString(original, 'hex') === whole),
        'a forged one was opened'
      )
      assert.ok(!opened.has(whole), 'one was opened twice')
      opened.add(whole)
    }),
    { numRuns: CASES, endOnFailure: true, includeErrorInReport: true }
  )
  assert.ok(opened.size > 0)
})

test('fragments: memory stays within its bound, and only whole payloads come out', () => {
  const limits = { reassemblyBytes: 20_000, reassemblyPayloads: 256, reassemblyMs: 2000 }
  const clock = new VirtualClock()
  const reassembly = new Reassembly(clock, limits)
  const piece = fc.record({
    map: fc.nat(1),
    flow: fc.nat(2),
    id: fc.nat(7),
    index: fc.nat(127),
    count: fc.oneof(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 2, max: 128 })),
    size: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1400 })),
    wait: fc.oneof(fc.constant(0), fc.nat(50))
  })
  let whole = 0
  fc.assert(
    fc.property(piece, ({ map, flow, id, index, count, size, wait }) => {
      clock.after(wait, () => {})
      clock.run(clock.now() + wait)
      const bytes = b4a.alloc(size, index)
      const payload = reassembly.add({ map, flow, id, index: index % count, count, bytes })
      assert.ok(reassembly.bytes >= 0 && reassembly.bytes <= limits.reassemblyBytes + 65_507 + 1400)
      if (!payload) return
      whole++
      assert.ok(payload.byteLength >= count && payload.byteLength <= 65_507)
    }),
    { numRuns: CASES, endOnFailure: true, includeErrorInReport: true }
  )
  assert.ok(whole > CASES / 1000, `${whole} payloads`)
})
