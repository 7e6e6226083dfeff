import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { PendingDatagrams } from '../../../src/flows/pending-datagrams.js'

const LIMITS = { udpPending: 3, udpPendingBytes: 100, udpPendingMs: 3000 }

function taken(pending: PendingDatagrams, now: number): string[] {
  return pending.take(now).map(({ flow, payload }) => `${flow}:${b4a.toString(payload, 'utf8')}`)
}

test('the latest few of each flow are kept, in their order', () => {
  const pending = new PendingDatagrams(LIMITS)
  for (const text of ['a', 'b', 'c', 'd', 'e']) pending.add(1, b4a.from(text), 0)
  pending.add(2, b4a.from('x'), 0)
  assert.equal(pending.bytes, 4)
  assert.deepEqual(taken(pending, 0), ['1:c', '1:d', '1:e', '2:x'])
  assert.deepEqual(taken(pending, 0), [])
  assert.equal(pending.bytes, 0)
})

test('what is too old is not sent', () => {
  const pending = new PendingDatagrams(LIMITS)
  pending.add(1, b4a.from('old'), 0)
  pending.add(1, b4a.from('new'), 1)
  assert.deepEqual(taken(pending, 3001), ['1:new'])
  assert.equal(pending.dropped, 1)
})

test('bytes are bounded over all flows, the oldest go first', () => {
  const pending = new PendingDatagrams(LIMITS)
  for (let flow = 1; flow <= 10; flow++) {
    pending.add(flow, b4a.alloc(30), 0)
    assert.ok(pending.bytes <= 100)
  }
  assert.deepEqual(
    pending.take(0).map(({ flow }) => flow),
    [8, 9, 10]
  )
  assert.equal(pending.dropped, 7)
})

test('a payload larger than the bound is not kept, and takes nothing down but itself and older ones', () => {
  const pending = new PendingDatagrams(LIMITS)
  pending.add(1, b4a.alloc(101), 0)
  assert.equal(pending.bytes, 0)
  pending.add(1, b4a.from('a'), 0)
  assert.deepEqual(taken(pending, 0), ['1:a'])
})

test('the payload is copied: a socket reuses its buffer', () => {
  const pending = new PendingDatagrams(LIMITS)
  const payload = b4a.from('abc')
  pending.add(1, payload, 0)
  payload.fill(0)
  assert.deepEqual(taken(pending, 0), ['1:abc'])
})

test('many small ones, of many flows, do not fill the memory while the server is away', () => {
  const pending = new PendingDatagrams({ udpPending: 8, udpPendingBytes: 1024 * 1024, udpPendingMs: 3000 })
  const before = process.memoryUsage().heapUsed
  // A program that asks from a new port each time, a hundred times in a second, for half an hour.
  for (let i = 0; i < 180_000; i++) pending.add(i, b4a.alloc(1), i * 10)
  const grown = (process.memoryUsage().heapUsed - before) / 2 ** 20
  assert.ok(pending.take(1_800_000).length <= 301)
  assert.ok(grown < 32, `grew by ${grown.toFixed(0)} MB`)
})
