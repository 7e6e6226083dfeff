import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IgnoredKeys } from '../../../../src/client/hosts/ignored-keys.js'

test('a key is ignored until its time is over, or it is deleted', () => {
  const ignored = new IgnoredKeys({ strangers: 10, strangerRestMs: 1000 })
  ignored.add('a', 0)
  ignored.add('b', 500)
  assert.deepEqual([ignored.has('a', 999), ignored.has('a', 1000), ignored.has('c', 0)], [true, false, false])
  ignored.delete('b')
  assert.equal(ignored.has('b', 1000), false)
})

test('of more keys than the limit, the oldest are forgotten', () => {
  const ignored = new IgnoredKeys({ strangers: 2, strangerRestMs: 1000 })
  ignored.add('a', 0)
  ignored.add('b', 1)
  ignored.add('a', 2)
  ignored.add('c', 3)
  assert.deepEqual(
    ['a', 'b', 'c'].map(key => ignored.has(key, 4)),
    [true, false, true]
  )
})
