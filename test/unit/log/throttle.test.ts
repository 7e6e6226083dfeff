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

test('messages whose interval is over are forgotten, and many in one interval are bounded', () => {
  let now = 0
  const throttle = new LogThrottle({ now: () => now }, 100)
  for (; now < 1000; now++) throttle.admits(`guest ${now}`)
  assert.equal(throttle.size, 100)
  for (let i = 0; i < 5000; i++) throttle.admits(`port ${i}`)
  assert.ok(throttle.size <= 1000, `${throttle.size} messages`)
  assert.equal(throttle.admits('port 4999'), false, 'the latest is still held back')
})
