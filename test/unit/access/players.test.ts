import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Players } from '../../../src/access/players.js'
import { PLAYER_ADDRESSES, playerAddress } from '../../../src/identity/player-address.js'

test('all sessions of a guest have its one address', () => {
  const players = new Players(10)
  assert.deepEqual([players.enter('Anna', 7), players.enter('Anna', 7)], [playerAddress(7), playerAddress(7)])
})

test('of two guests with one number the later one has the next, also when the first has gone', () => {
  const players = new Players(10)
  assert.equal(players.enter('Anna', 7), playerAddress(7))
  assert.equal(players.enter('Ben', 7), playerAddress(8))
  assert.equal(players.enter('Carl', 8), playerAddress(9))
  players.leave('Anna')
  players.leave('Ben')
  assert.equal(players.enter('Dora', 7), playerAddress(10))
  assert.equal(players.enter('Ben', 7), playerAddress(8), 'comes back to its own')
})

test('behind the last address comes the first', () => {
  const players = new Players(10)
  const last = PLAYER_ADDRESSES - 1
  assert.deepEqual(
    [players.enter('Anna', last), players.enter('Ben', last)],
    [playerAddress(last), playerAddress(0)]
  )
})

test('a guest with a session left is never forgotten, of the others who left first', () => {
  const players = new Players(1)
  players.enter('Anna', 1)
  players.enter('Anna', 1)
  players.enter('Ben', 2)
  players.enter('Carl', 3)
  for (const guest of ['Anna', 'Ben', 'Carl']) players.leave(guest)
  assert.equal(players.enter('x', 1), playerAddress(2), 'Anna is here, Ben forgotten')
  assert.equal(players.enter('y', 3), playerAddress(4), 'Carl is remembered')
})

test('who has never come can leave as often as it likes', () => {
  const players = new Players(1)
  players.leave('Anna')
  assert.equal(players.enter('Anna', 1), playerAddress(1))
})

test('two guests who are here never share an address', () => {
  const step = fc.record({ guest: fc.nat(9), comes: fc.boolean() })
  fc.assert(
    fc.property(fc.nat(3), fc.array(step, { maxLength: 100 }), (max, steps) => {
      const players = new Players(max)
      const here = new Map<number, { address: string; sessions: number }>()
      for (const { guest, comes } of steps) {
        const own = here.get(guest)
        if (comes) {
          const address = players.enter(`${guest}`, guest % 3)
          if (own) assert.equal(address, own.address)
          here.set(guest, { address, sessions: (own?.sessions ?? 0) + 1 })
        } else if (own) {
          players.leave(`${guest}`)
          if (--own.sessions === 0) here.delete(guest)
        }
        const addresses = [...here.values()].map(({ address }) => address)
        assert.equal(new Set(addresses).size, addresses.length)
      }
    })
  )
})
