import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jitterOf, lossOf, medianOf } from '../../../src/util/samples.js'

test('figures of pings', () => {
  const trips = [10, null, 30, 20, null]
  assert.equal(medianOf(trips), 20)
  assert.equal(jitterOf(trips), 15)
  assert.equal(lossOf(trips), 0.4)
})

test('figures of too few pings', () => {
  assert.deepEqual([medianOf([]), jitterOf([]), lossOf([])], [null, null, 0])
  assert.deepEqual([medianOf([null]), jitterOf([null]), lossOf([null])], [null, null, 1])
  assert.deepEqual([medianOf([5]), jitterOf([5]), lossOf([5])], [5, null, 0])
})
