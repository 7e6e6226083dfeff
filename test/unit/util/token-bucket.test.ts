import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TokenBucket } from '../../../src/util/token-bucket.js'

/** What gets through when packets of `size` come every `everyMs` for `ms`. */
function passed(bucket: TokenBucket, size: number, everyMs: number, ms: number, from = 0): number {
  let sum = 0
  for (let now = from; now < from + ms; now += everyMs) {
    if (!bucket.has(size, now)) continue
    bucket.take(size)
    sum += size
  }
  return sum
}

test('what comes within the rate passes', () => {
  assert.equal(passed(new TokenBucket(100, 5000), 1000, 10, 10_000), 1_000_000)
})

test('of what comes faster the rate passes, and what was saved', () => {
  const bucket = new TokenBucket(100, 5000)
  const first = passed(bucket, 1000, 1, 1000)
  assert.ok(first > 100_000 && first <= 105_000, `${first}`)
  assert.ok(passed(bucket, 1000, 1, 1000, 1000) <= 100_000)
})

test('rest saves up to the size, not more', () => {
  const bucket = new TokenBucket(100, 5000)
  passed(bucket, 1000, 1, 1000)
  assert.equal(bucket.has(5000, 1_000_000), true)
  assert.equal(bucket.has(5001, 2_000_000), false)
})

test('a debt is waited for', () => {
  const bucket = new TokenBucket(100, 5000)
  assert.equal(bucket.wait(5000, 0), 0)
  bucket.take(8000)
  assert.equal(bucket.wait(1, 0), 30.01)
  assert.equal(bucket.has(1, 30), false)
  assert.equal(bucket.wait(1000, 30), 10)
  assert.equal(bucket.has(1000, 40), true)
  assert.equal(bucket.wait(5001, 1_000_000), Number.POSITIVE_INFINITY)
})
