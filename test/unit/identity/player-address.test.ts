import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { keyPairOf } from '../../../src/identity/keys.js'
import { PLAYER_ADDRESSES, playerAddress, playerNumber } from '../../../src/identity/player-address.js'
import { Secret } from '../../../src/identity/secret.js'

const one = keyPairOf(new Secret('mysecret'))
const other = keyPairOf(new Secret('thisisaseretsecret'))

test('a guest has the same address at one server for ever, and another at another server', () => {
  const vectors = [
    [one, 1, 15_758_937, '127.243.91.16'],
    [other, 1, 11_223_224, '127.173.153.235'],
    [one, 2, 1_230_054, '127.19.234.187'],
    [other, 2, 12_959_951, '127.200.79.110']
  ] as const
  for (const [server, fill, number, address] of vectors) {
    const found = playerNumber(server, new Uint8Array(32).fill(fill))
    assert.deepEqual([found, playerAddress(found)], [number, address])
  }
})

test('each number has an address of its own, none of which looks like the machine itself, a network or a broadcast', () => {
  assert.equal(playerAddress(0), '127.1.0.1')
  assert.equal(playerAddress(PLAYER_ADDRESSES - 1), '127.254.255.254')
  const number = fc.nat(PLAYER_ADDRESSES - 1)
  fc.assert(
    fc.property(number, number, (a, b) => {
      const parts = playerAddress(a).split('.').map(Number)
      const [first, second = 0, third = -1, last = 0] = parts
      assert.equal(parts.length, 4)
      assert.equal(first, 127)
      assert.ok(second >= 1 && second <= 254 && third >= 0 && third <= 255 && last >= 1 && last <= 254)
      assert.equal(playerAddress(a) === playerAddress(b), a === b)
    })
  )
})
