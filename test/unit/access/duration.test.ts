import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDuration } from '../../../src/access/duration.js'

test('spans of time', () => {
  const MINUTE = 60_000
  assert.deepEqual(
    ['90m', '12h', '7d', '4w', ' 7 D ', '3650d'].map(parseDuration),
    [90, 720, 10_080, 40_320, 10_080, 5_256_000].map(minutes => minutes * MINUTE)
  )
  for (const text of ['', '7', 'd', '0d', '-1d', '1.5h', '7s', '7 days', '3651d', '99999999d']) {
    assert.equal(parseDuration(text), undefined, text)
  }
})
