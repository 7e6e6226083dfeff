import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { HyperNatError } from '../../../src/errors.js'
import { decodeKey, encodeKey } from '../../../src/identity/encoding.js'
import { keyPairOf, randomSecret, seedOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { decodeTicket } from '../../../src/identity/ticket.js'

// Of hyper-nat 1.x: these must never change.
const VECTORS = [
  ['mysecret', 'EPkmaN7vPqZWyY5pueKz7soHKHJGyCM4yhTLj5Xe7vzA'],
  ['thisisaseretsecret', 'DHUJWe9KAAYTYrFLZxkRRJTV76699omiQLAKPTPTmu6w']
] as const

for (const [secret, publicKey] of VECTORS) {
  test(`the secret ${secret} keeps its public key of 1.x`, () => {
    const keyPair = keyPairOf(new Secret(secret))
    assert.equal(encodeKey(keyPair.publicKey), publicKey)
    assert.equal(keyPair.secretKey.byteLength, 64)
    assert.deepEqual(keyPairOf(secret), keyPair)
  })
}

test('the seed is BLAKE2b-256 of the UTF-8 text', () => {
  // From an independent implementation: Python, hashlib.blake2b(text, digest_size=32).
  assert.equal(
    hex(seedOf(new Secret('mysecret'))),
    '251068311e1b7342498790cf86e438d0e6b64c8354a50e7277c3da9f2e0a9825'
  )
  assert.equal(
    hex(seedOf(new Secret('schl\u00fcssel'))),
    'b454f189e8ec840b6a3a9eb068341c3e4548fd7f97982839b91680d749ff7553'
  )
})

test('an empty secret is refused', () => {
  assert.throws(
    () => keyPairOf(new Secret('')),
    (err: unknown) => err instanceof HyperNatError && err.code === 'BAD_SECRET'
  )
})

test('a secret, key or ticket that is no text is refused with a code', () => {
  for (const wrong of [undefined, null, 5, ['text'], new Uint8Array(32)] as never[]) {
    assert.throws(() => keyPairOf(wrong), { code: 'BAD_SECRET' })
    assert.throws(() => keyPairOf(new Secret(wrong)), { code: 'BAD_SECRET' })
    assert.throws(() => decodeKey(wrong), { code: 'BAD_PUBLIC_KEY' })
    assert.throws(() => decodeTicket(wrong), { code: 'BAD_TICKET' })
  }
})

test('a random secret is long, made of plain characters, and new each time', () => {
  const secrets = Array.from({ length: 20 }, () => randomSecret().reveal())
  for (const secret of secrets) assert.match(secret, /^[a-z0-9]{32}$/)
  assert.equal(new Set(secrets).size, secrets.length)
})

test('nothing prints a secret', () => {
  const secret = new Secret('do not print me')
  const printed = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }), String([secret])]
  for (const text of printed) {
    assert.doesNotMatch(text, /print me/)
    assert.match(text, /\[secret\]/)
  }
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
