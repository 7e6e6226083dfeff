import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamIds } from '../../../../src/network/ipv6/stream-ids.js'
import { Random } from '../../../support/random.js'

test('numbers of streams differ in their low bits, and fit into 32 bits', () => {
  const random = new Random()
  const ids = new StreamIds(() => random.word() / 2 ** 32)
  const taken: number[] = []
  for (let i = 0; i < 500; i++) {
    const id = ids.take()
    assert.ok(Number.isInteger(id) && id >= 1 && id <= 0xffffffff, `${id}`)
    taken.push(id)
    // As many bits as there have to be for half of their values to be free.
    const mask = 2 ** Math.max(4, Math.ceil(Math.log2(2 * taken.length + 1))) - 1
    assert.equal(new Set(taken.map(one => (one & mask) >>> 0)).size, taken.length, `${taken.length} streams`)
  }
})

test('low bits are taken until their stream is gone', () => {
  // 17 ends in the same four bits as 1.
  const draws = [1, 17, 2, 17]
  const ids = new StreamIds(() => (draws.shift()! - 1) / 0xffffffff)
  assert.deepEqual([ids.take(), ids.take()], [1, 2])
  ids.giveBack(1)
  assert.equal(ids.take(), 17)
})
