import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LogThrottle } from '../../../src/log/throttle.js'

test('a message is logged once per interval', () => {
  let now = 5
  const throttle = new LogThrottle({ now: () => now }, 100)
  assert.deepEqual([throttle.admits('a'), throttle.admits('a'), throttle.admits('b')], [true, false, true])
  now = 104
  assert.equal(throttle.admits('a'), false)
  now = 105
  assert.deepEqual(
    [throttle.admits('a'), throttle.admits('a')],
    [true, false],
    'counted from when it was logged'
  )
})
