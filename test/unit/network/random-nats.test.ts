import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RandomNats } from '../../../src/network/random-nats.js'

const [CONSISTENT, RANDOM] = [2, 3]
const key = (n: number) => new Uint8Array(32).fill(n)

test('the NAT of a server is what it reported last, and as many are remembered as allowed', () => {
  const nats = new RandomNats({ randomPunches: 0, randomized: false }, 2)
  assert.equal(nats.isRandom(key(1)), null)
  nats.learn(key(1), RANDOM)
  nats.learn(key(2), CONSISTENT)
  assert.equal(nats.isRandom(key(1)), true)
  assert.equal(nats.isRandom(key(2)), false)
  nats.learn(key(1), CONSISTENT)
  nats.learn(key(3), RANDOM)
  assert.equal(nats.isRandom(key(1)), false)
  assert.equal(nats.isRandom(key(2)), null)
})

test('a dial that hyperdht gave up at once failed because both NATs are random, unless it rests', () => {
  const dht = { randomPunches: 0, randomized: true }
  const nats = new RandomNats(dht, 2)
  assert.equal(nats.areBothRandom('HOLEPUNCH_ABORTED', 0, 1000), true)
  assert.equal(nats.areBothRandom('PEER_NOT_FOUND', 0, 1000), false)
  // It has tried ports at random during this dial.
  dht.randomPunches = 1
  assert.equal(nats.areBothRandom('HOLEPUNCH_ABORTED', 0, 2000), false)
  assert.equal(nats.areBothRandom('HOLEPUNCH_ABORTED', 1, 61_000), false)
  assert.equal(nats.areBothRandom('HOLEPUNCH_ABORTED', 1, 63_000), true)
  dht.randomized = false
  assert.equal(nats.areBothRandom('HOLEPUNCH_ABORTED', 1, 63_000), false)
})
