import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { PROBE_BYTES, ProbeSeal, senderOf } from '../../../../src/network/ipv6/probe.js'

const KEY = b4a.alloc(32, 7)
const OTHER = b4a.alloc(32, 8)
const probe = { number: 300, echo: 2 ** 40 + 1, stream: 0xfedcba98 }

test('a probe is these bytes', () => {
  const packet = new ProbeSeal(KEY).seal(probe)
  assert.equal(
    b4a.toString(packet, 'hex'),
    `68${'0e8625c0bba81187'}${'2c01000000000000'}${'0100000000010000'}98badcfe${'82e9be58a7ab6765281efc1647386cd1'}`
  )
  assert.equal(packet.byteLength, PROBE_BYTES)
  assert.deepEqual(new ProbeSeal(KEY).open(packet), probe)
})

test('no packet of UDX or of the DHT is taken for one', () => {
  assert.equal(senderOf(b4a.alloc(PROBE_BYTES, 0xff)), null)
  assert.equal(senderOf(b4a.alloc(PROBE_BYTES, 0)), null)
})

test('a probe that was changed anywhere, cut, made longer or made by another is of nobody', () => {
  const seal = new ProbeSeal(KEY)
  const packet = seal.seal(probe)
  for (let i = 0; i < packet.byteLength; i++) {
    const changed = b4a.from(packet)
    changed[i]! ^= 1
    assert.equal(seal.open(changed), null, `byte ${i}`)
    assert.equal(seal.open(packet.subarray(0, i)), null, `cut at ${i}`)
  }
  assert.equal(seal.open(b4a.concat([packet, b4a.alloc(1)])), null)
  const other = new ProbeSeal(OTHER).seal(probe)
  assert.equal(seal.open(other), null)
  // With the name of the one and the code of the other.
  other.set(packet.subarray(0, 9))
  assert.equal(seal.open(other), null)
})

test('the name of a sender is no part of its key', () => {
  const seal = new ProbeSeal(KEY)
  assert.equal(senderOf(seal.seal(probe)), seal.name)
  assert.ok(!b4a.toString(KEY, 'hex').includes(seal.name))
})
