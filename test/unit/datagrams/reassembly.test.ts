import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { Reassembly } from '../../../src/datagrams/reassembly.js'
import { Budget } from '../../../src/util/budget.js'
import type { Fragment } from '../../../src/wire/records.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const LIMITS = { reassemblyBytes: 10_000, reassemblyPayloads: 256, reassemblyMs: 2000 }

function piece(id: number, index: number, count: number, bytes: Uint8Array, flow = 1): Fragment {
  return { map: 1, flow, id, index, count, bytes }
}

const text = (payload: Uint8Array | null): string | null => payload && b4a.toString(payload, 'utf8')

test('pieces in any order make the payload', () => {
  const parts = ['ab', 'cd', 'e'].map(part => b4a.from(part))
  for (const order of [
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0]
  ]) {
    const reassembly = new Reassembly(new VirtualClock(), LIMITS)
    const results = order.map(i => text(reassembly.add(piece(7, i, 3, parts[i]!))))
    assert.deepEqual(results, [null, null, 'abcde'])
    assert.equal(reassembly.bytes, 0)
  }
})

test('payloads of several flows and ids come in between each other', () => {
  const reassembly = new Reassembly(new VirtualClock(), LIMITS)
  const add = (id: number, index: number, flow: number): string | null =>
    text(reassembly.add(piece(id, index, 2, b4a.from(`${flow}${id}${index} `), flow)))
  assert.equal(add(1, 0, 1), null)
  assert.equal(add(2, 1, 1), null)
  assert.equal(add(1, 0, 2), null)
  assert.equal(add(1, 1, 2), '210 211 ')
  assert.equal(add(2, 0, 1), '120 121 ')
  assert.equal(add(1, 1, 1), '110 111 ')
  assert.equal(reassembly.bytes, 0)
})

test('a piece that comes twice counts once', () => {
  const reassembly = new Reassembly(new VirtualClock(), LIMITS)
  assert.equal(reassembly.add(piece(1, 0, 2, b4a.from('a'))), null)
  assert.equal(reassembly.add(piece(1, 0, 2, b4a.from('X'))), null)
  assert.equal(reassembly.bytes, 1)
  assert.equal(text(reassembly.add(piece(1, 1, 2, b4a.from('b')))), 'ab')
})

test('the view of a piece is not kept', () => {
  const reassembly = new Reassembly(new VirtualClock(), LIMITS)
  const packet = b4a.from('ab')
  reassembly.add(piece(1, 0, 2, packet))
  packet.fill(0)
  assert.equal(text(reassembly.add(piece(1, 1, 2, b4a.from('cd')))), 'abcd')
})

test('a payload that is not complete in time is forgotten', () => {
  const clock = new VirtualClock()
  const reassembly = new Reassembly(clock, LIMITS)
  reassembly.add(piece(1, 0, 2, b4a.from('old')))
  clock.run(1500)
  reassembly.add(piece(2, 0, 2, b4a.from('new')))
  clock.run(2000)
  assert.equal(reassembly.add(piece(1, 1, 2, b4a.from('!'))), null)
  assert.equal(text(reassembly.add(piece(2, 1, 2, b4a.from('!')))), 'new!')
  assert.equal(reassembly.bytes, 1)
})

test('the memory of a payload that is not complete in time is given back, though nothing comes any more', () => {
  const clock = new VirtualClock()
  const memory = new Budget(10_000)
  let lost = 0
  const reassembly = new Reassembly(clock, LIMITS, () => lost++, memory)
  reassembly.add(piece(1, 0, 2, b4a.alloc(1000)))
  clock.run(1500)
  reassembly.add(piece(2, 0, 2, b4a.alloc(1000)))
  assert.ok(memory.used > 2000)
  clock.run(4000)
  assert.deepEqual([memory.used, reassembly.bytes, lost], [0, 0, 2])
  assert.equal(clock.pending, 0)
})

test('other counts for the same payload restart it', () => {
  const reassembly = new Reassembly(new VirtualClock(), LIMITS)
  reassembly.add(piece(1, 0, 3, b4a.from('aaaa')))
  reassembly.add(piece(1, 0, 2, b4a.from('b')))
  assert.equal(reassembly.bytes, 1)
  assert.equal(text(reassembly.add(piece(1, 1, 2, b4a.from('c')))), 'bc')
})

test('the oldest unfinished payloads make room', () => {
  const reassembly = new Reassembly(new VirtualClock(), LIMITS)
  for (let id = 0; id < 200; id++) {
    reassembly.add(piece(id, 0, 2, b4a.alloc(1000, id)))
    assert.ok(reassembly.bytes <= LIMITS.reassemblyBytes)
  }
  assert.equal(reassembly.add(piece(100, 1, 2, b4a.alloc(1))), null)
  assert.equal(reassembly.add(piece(199, 1, 2, b4a.alloc(1)))?.byteLength, 1001)
})

test('what the peer may have in all is shared by its sessions, and returned', () => {
  const memory = new Budget(5000)
  let lost = 0
  const [one, other] = [0, 1].map(() => new Reassembly(new VirtualClock(), LIMITS, () => lost++, memory))
  for (let id = 0; id < 20; id++) {
    one!.add(piece(id, 0, 2, b4a.alloc(500)))
    assert.ok(memory.used <= 5000)
  }
  assert.equal(lost, 20 - 5)
  // One that has nothing to give up gets nothing that is not there.
  assert.equal(other!.add(piece(1, 0, 2, b4a.alloc(1000))), null)
  assert.equal(lost, 20 - 5 + 1)
  assert.equal(one!.add(piece(19, 1, 2, b4a.alloc(500)))?.byteLength, 1000)
  assert.equal(other!.add(piece(1, 0, 2, b4a.alloc(500))), null)
  assert.equal(other!.add(piece(1, 1, 2, b4a.alloc(500)))?.byteLength, 1000)
  one!.close()
  assert.equal(memory.used, 0)
})

test('more bytes than a payload may have are forgotten', () => {
  const reassembly = new Reassembly(new VirtualClock(), { ...LIMITS, reassemblyBytes: 4_000_000 })
  for (let index = 0; index < 128; index++) {
    assert.equal(reassembly.add(piece(1, index, 128, b4a.alloc(1400))), null)
    assert.ok(reassembly.bytes <= 65_507 + 1400)
  }
})

test('of unfinished payloads there are a limited number: the oldest makes room', () => {
  let lost = 0
  const reassembly = new Reassembly(new VirtualClock(), { ...LIMITS, reassemblyPayloads: 3 }, () => lost++)
  for (let id = 0; id < 4; id++) reassembly.add(piece(id, 0, 2, b4a.from('a')))
  assert.equal(lost, 1)
  for (const id of [1, 2, 3]) assert.equal(text(reassembly.add(piece(id, 1, 2, b4a.from('b')))), 'ab')
  assert.equal(reassembly.add(piece(0, 1, 2, b4a.from('b'))), null)
})

test('pieces of one byte do not fill the memory', () => {
  // A datagram holds over a hundred of them: the table must be bounded by what it takes, not by the bytes in the pieces.
  const reassembly = new Reassembly(new VirtualClock(), { ...LIMITS, reassemblyBytes: 4 * 1024 * 1024 })
  const byte = b4a.alloc(1)
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 150_000; i++) reassembly.add(piece(i & 0xffff, 0, 128, byte, i >> 16))
  const grown = (process.memoryUsage().heapUsed - before) / 2 ** 20
  assert.ok(reassembly.bytes >= 0)
  assert.ok(grown < 64, `grew by ${grown.toFixed(0)} MB`)
})
