import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { Backoff } from '../../../src/network/backoff.js'

test('waits grow up to the longest, and longer once the server has been away for long', () => {
  const backoff = new Backoff(LIMITS)
  const waits: number[] = []
  let now = 0
  for (let i = 0; i < 8; i++) {
    waits.push(Math.round(backoff.next(now)))
    now += waits.at(-1)!
  }
  assert.deepEqual(waits, [250, 400, 640, 1024, 1638, 2621, 3000, 3000])
  while (now < LIMITS.redialPatienceMs) now += backoff.next(now)
  const later: number[] = []
  for (let i = 0; i < 6; i++) {
    later.push(Math.round(backoff.next(now)))
    now += later.at(-1)!
  }
  assert.deepEqual(later, [4800, 7680, 12288, 15000, 15000, 15000])
})

test('after a successful dial it starts again', () => {
  const backoff = new Backoff(LIMITS)
  for (let i = 0; i < 20; i++) backoff.next(i * 60_000)
  backoff.reset()
  assert.equal(backoff.next(20 * 60_000), LIMITS.redialMs)
})

test('after connections that die young, dials start at once for a while, then at growing intervals; one that held starts over', () => {
  const backoff = new Backoff(LIMITS)
  for (let i = 0; i < 30; i++) assert.equal(backoff.lost(false, i), 0)
  assert.equal(backoff.lost(false, 30), LIMITS.redialMs)
  assert.equal(backoff.lost(false, 31), LIMITS.redialMs * LIMITS.redialFactor)
  assert.equal(backoff.lost(false, 1031), 0, 'one a second')
  assert.ok(backoff.lost(false, 1032) > LIMITS.redialMs)
  assert.equal(backoff.lost(true, 1033), 0)
  assert.equal(backoff.next(1033), LIMITS.redialMs)
})
