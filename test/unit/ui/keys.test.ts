import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Keys } from '../../../src/ui/keys.js'

test('only the whole token is let in, and each start has another', () => {
  const keys = new Keys(() => 0, 1000)
  const { token } = keys
  assert.ok(token.length >= 43, '256 bits')
  assert.ok(keys.admits(`Bearer ${token}`))
  for (const given of [
    undefined,
    '',
    'Bearer ',
    token,
    `bearer ${token}`,
    `Bearer ${token} `,
    `Bearer ${token.slice(0, -1)}`,
    `Bearer ${token}a`,
    `Basic ${token}`,
    `Bearer ${new Keys(() => 0, 1000).token}`
  ]) {
    assert.equal(keys.admits(given), false, given)
  }
})

test('a code is worth the token once, and not for long', () => {
  let now = 0
  const keys = new Keys(() => now, 1000)
  const [first, second, third] = [keys.newCode(), keys.newCode(), keys.newCode()]
  assert.equal(keys.exchange('something else'), undefined)
  assert.equal(keys.exchange(second), keys.token)
  assert.equal(keys.exchange(second), undefined)
  now = 1000
  assert.equal(keys.exchange(first), keys.token)
  now = 1001
  assert.equal(keys.exchange(third), undefined)
  assert.equal(keys.admits(`Bearer ${third}`), false, 'a code is no token')
})
