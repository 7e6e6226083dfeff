import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import sodium from 'sodium-native'
import z32 from 'z32'
import { HyperNatError } from '../../../src/errors.js'
import { decodeKey, encodeKey, shortKey } from '../../../src/identity/encoding.js'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'

const BASE58 = 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'
const HEX = 'c6fc327446086158d7fbb1185995126fa8b8286779d3c88655408f97a10aa767'
const Z32 = 'a56dr7ngbboiti95srcfufe1p6wmokd8x8jhtb1ien83xeekw7uo'

for (const [name, text] of Object.entries({
  base58: BASE58,
  hex: HEX,
  'hex in capitals': HEX.toUpperCase(),
  'z-base-32': Z32,
  'base58 with blanks around it': ` ${BASE58}\r\n`
})) {
  test(`reads ${name}`, () => assert.equal(encodeKey(decodeKey(text)), BASE58))
}

const at = (text: string, place: number, char: string) => text.slice(0, place - 1) + char + text.slice(place)

// [what is wrong, the text, a part of the message]
const WRONG: [string, string, RegExp][] = [
  ['nothing', '  ', /is empty/],
  ['a placeholder', '<publickey>', /placeholder/],
  ['a ticket', 'hnat1bbha56dr7ng', /is a ticket; use it with hyper-nat join/],
  [
    'too short for any encoding',
    'abc',
    /has 3 characters; a public key has 43 or 44 in base58, 52 .* or 64 in hex/
  ],
  ['a length between the encodings', BASE58.repeat(2).slice(0, 60), /has 60 characters/],
  [
    'a zero in base58',
    at(BASE58, 5, '0'),
    /has "0" at position 5, which base58 does not have; it is probably "o"/
  ],
  ['a capital O in base58', at(BASE58, 5, 'O'), /"O" at position 5.* probably "Q"/],
  ['a capital I in base58', at(BASE58, 9, 'I'), /"I" at position 9.* probably "1"/],
  ['a small l in base58', at(BASE58, 9, 'l'), /"l" at position 9.* probably "1"/],
  ['a sign in base58', at(BASE58, 2, '+'), /has "\+" at position 2, which base58 does not have$/],
  ['a letter of another script', at(BASE58, 2, '\u0415'), /has U\+0415 at position 2/],
  ['a picture', at(BASE58, 2, '\u{1f600}').slice(0, 44), /has U\+1F600 at position 2/],
  ['a g in hex', at(HEX, 64, 'g'), /has "g" at position 64, which hex does not have/],
  ['an l in z-base-32', at(Z32, 3, 'l'), /has "l" at position 3, which z-base-32 does not have/],
  ['bits left over in z-base-32', at(Z32, 52, '9'), /wrong last character "9"/],
  ['a number too large for 32 bytes', 'z'.repeat(44), /too long \(33 bytes for 32\)/],
  ['some characters lost', BASE58.slice(0, 40), /too short \(30 of 32 bytes\)/],
  ['two characters exchanged', at(at(BASE58, 20, BASE58[20]!), 21, BASE58[19]!), /cannot be one; probably/],
  ['all zeros', '0'.repeat(64), /cannot be one/]
]

for (const [what, text, message] of WRONG) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => decodeKey(text),
      (err: unknown) => {
        assert.ok(err instanceof HyperNatError)
        assert.equal(err.code, 'BAD_PUBLIC_KEY')
        assert.match(err.message, message)
        return true
      }
    )
  })
}

test('every key comes back from each of its encodings', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), secret => {
      const { publicKey } = keyPairOf(new Secret(secret))
      for (const text of [
        encodeKey(publicKey),
        z32.encode(publicKey),
        Buffer.from(publicKey).toString('hex')
      ]) {
        assert.deepEqual(Buffer.from(decodeKey(text)), Buffer.from(publicKey))
      }
    }),
    { numRuns: 300 }
  )
})

test('whatever is given, the answer is a valid key or an error of ours', () => {
  const alphabet = fc.constantFrom(...`${BASE58}${HEX}${Z32}0OIl+/ -_\u00e9`)
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 70 }),
    fc.string({ unit: alphabet, minLength: 30, maxLength: 66 }),
    fc
      .tuple(fc.constantFrom(BASE58, HEX, Z32), fc.nat(63), fc.string({ maxLength: 2 }))
      .map(([key, i, s]) => at(key, i, s))
  )
  fc.assert(
    fc.property(text, given => {
      try {
        assert.equal(sodium.crypto_core_ed25519_is_valid_point(decodeKey(given)), true)
      } catch (err) {
        assert.ok(err instanceof HyperNatError && err.code === 'BAD_PUBLIC_KEY', String(err))
        assert.match(err.message, /^[\x20-\x7e]+$/)
      }
    }),
    { numRuns: 5000 }
  )
})

test('a short key is the start of the long one', () => {
  assert.equal(shortKey(BASE58), 'EPkmaN7v..')
  assert.equal(shortKey(decodeKey(BASE58)), 'EPkmaN7v..')
})
