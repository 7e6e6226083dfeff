import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { topicOf } from '../../../src/identity/topic.js'

test('the topic is BLAKE2b-256 keyed with the shared key', () => {
  // From an independent implementation: Python, hashlib.blake2b(b'hyper-nat/2/hosts', key=P, digest_size=32).
  const { publicKey } = keyPairOf(new Secret('mysecret'))
  assert.equal(
    b4a.toString(topicOf(publicKey), 'hex'),
    '98b9cfc34b96fc0d485738f943b98d156280dfa731e5b93705b2436f5426658d'
  )
})
