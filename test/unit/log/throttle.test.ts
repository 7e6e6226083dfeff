import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Seldom } from '../../../src/log/throttle.js'

test('each thing is said once, and again after a rest', () => {
  let now = 5
  const seldom = new Seldom({ now: () => now }, 100)
  assert.deepEqual([seldom.admits('a'), seldom.admits('a'), seldom.admits('b')], [true, false, true])
  now = 104
  assert.equal(seldom.admits('a'), false)
  now = 105
  assert.deepEqual([seldom.admits('a'), seldom.admits('a')], [true, false], 'from when it was said')
})
