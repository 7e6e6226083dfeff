import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { childPublicKey } from '../../../src/identity/child.js'
import { GuestKey } from '../../../src/identity/guest.js'
import { keyPairOf, seedOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'

const SERVER = keyPairOf(new Secret('mysecret'))
const NONCE = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

// Computed by other programs: BLAKE2b by Python's hashlib, the public key by OpenSSL.
const VECTORS = [
  [
    'Anna',
    '3f8b8efb51d51c3fda926e584d543cd9101d40e7cacc933bf7c45a8e2163cfdf',
    '809bbf74fd77323b9e240523a034419857ba0d134db2f7f0f30ea38289c9a17b'
  ],
  [
    'J\u00f6rg',
    '47145457a94654dbf0ccb05c1d4c6ea99e959d51129543cf090d862761eef2ab',
    'a2f9592c438637a2a6e0b21b3d49c6159b06bfd7055126b521400c0ea98de37a'
  ]
] as const

for (const [name, seed, publicKey] of VECTORS) {
  test(`the key of ${name} is what the vector says`, () => {
    const key = GuestKey.of(SERVER, name, NONCE)
    assert.equal(Buffer.from(key.invite).toString('hex'), seed)
    assert.equal(Buffer.from(key.publicKey).toString('hex'), publicKey)
    assert.deepEqual(new GuestKey(key.invite).keyPair, key.keyPair)
  })
}

test('another name, nonce or secret gives another key, and none is the server', () => {
  const keys = [
    SERVER,
    GuestKey.of(SERVER, 'Anna', NONCE),
    GuestKey.of(SERVER, 'anna', NONCE),
    GuestKey.of(SERVER, 'Anna', Buffer.alloc(16)),
    GuestKey.of(keyPairOf(new Secret('another')), 'Anna', NONCE)
  ].map(({ publicKey }) => Buffer.from(publicKey).toString('hex'))
  assert.equal(new Set(keys).size, keys.length)
  const anna = GuestKey.of(SERVER, 'Anna', NONCE)
  assert.notDeepEqual(childPublicKey(anna.publicKey), childPublicKey(SERVER.publicKey))
  assert.notDeepEqual(Buffer.from(anna.invite), Buffer.from(seedOf(new Secret('mysecret'))))
})

test('a nonce or seed of another length is refused', () => {
  assert.throws(() => GuestKey.of(SERVER, 'Anna', Buffer.alloc(15)), { code: 'INTERNAL' })
  for (const size of [1, 31, 33, 64]) {
    assert.throws(() => new GuestKey(Buffer.alloc(size)), { code: 'UNSUPPORTED' })
  }
})

test('a key masks itself', () => {
  const key = GuestKey.of(SERVER, 'Anna', NONCE)
  for (const text of [`${key}`, JSON.stringify({ key }), inspect({ key }, { depth: 9, showHidden: true })]) {
    assert.match(text, /\[secret\]/)
    assert.doesNotMatch(text, /3f8b8e|3f 8b 8e|63,139/)
  }
})
