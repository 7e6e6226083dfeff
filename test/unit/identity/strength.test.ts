import assert from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { randomSecret } from '../../../src/identity/keys.js'
import { weaknessOf } from '../../../src/identity/strength.js'

const WEAK: [string, RegExp][] = [
  ['mysecret', /first that anyone tries/],
  ['thisisaseretsecret', /first that anyone tries/],
  ['My_Secret1', /first that anyone tries/],
  ['a long text that nobody guesses', /first that anyone tries/],
  ['hunter2', /short/],
  ['k9Xq2', /short/],
  ['Tr0ub4dor&3', /short/],
  [' ', /short/],
  ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', /pattern/],
  ['12345678901234567890123456789012', /pattern/],
  ['abcdefghijklmnopqrstuvwxyz', /pattern/],
  ['ourminecraftserver2024', /words/]
]

for (const [secret, reason] of WEAK) {
  test(`warns of "${secret}"`, () => assert.match(weaknessOf(secret) ?? '', reason))
}

test('does not warn of what chance made', () => {
  for (let i = 0; i < 200; i++) {
    const good = [
      randomSecret().reveal(),
      randomBytes(16).toString('hex'),
      randomUUID(),
      randomBytes(18).toString('base64')
    ]
    for (const secret of good) assert.equal(weaknessOf(secret), undefined, secret)
  }
  // Letters alone, ten of which are neighbours: one in ten million of ours is like that.
  assert.equal(weaknessOf('irjzycebnmutwxyiimonahryywnnwkjy'), undefined)
})

test('does not warn of several uncommon words', () => {
  assert.equal(weaknessOf('purple otter climbs slow ladder'), undefined)
})

test('takes any text', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), text => void weaknessOf(text)))
})
