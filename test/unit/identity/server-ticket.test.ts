import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { serverTicket } from '../../../src/identity/server-ticket.js'
import { decodeTicket, type TicketMap } from '../../../src/identity/ticket.js'

const keys = Array.from({ length: 6 }, (_, i) => keyPairOf(new Secret(`${i}`)).publicKey)
const publicKey = keys[0]!

function maps(count: number, name?: string): TicketMap[] {
  return Array.from({ length: count }, (_, i) => ({
    proto: 'tcp',
    port: 1 + 2 * i,
    ...(name !== undefined && { name })
  }))
}

test('names are made to fit, and left out where nothing of them prints', () => {
  const text = serverTicket({
    publicKey,
    maps: [
      { proto: 'tcp', port: 1, name: `${'a'.repeat(80)}` },
      { proto: 'tcp', port: 2, name: '\u0007' }
    ]
  })
  assert.deepEqual(decodeTicket(text).maps, [
    { proto: 'tcp', port: 1, name: 'a'.repeat(64) },
    { proto: 'tcp', port: 2 }
  ])
})

test('only the first relays and DHT nodes go in', () => {
  const bootstrap = ['a:1', 'b:2', 'c:3', 'd:4', 'e:5']
  const { relays, ...rest } = decodeTicket(
    serverTicket({ publicKey, maps: maps(1), relays: keys, bootstrap })
  )
  assert.deepEqual(rest.bootstrap, ['a:1', 'b:2', 'c:3', 'd:4'])
  assert.deepEqual(
    relays,
    keys.slice(0, 4).map(key => Uint8Array.from(key))
  )
})

test('names give way to ports', () => {
  const long = maps(20, 'n'.repeat(60))
  assert.deepEqual(decodeTicket(serverTicket({ publicKey, maps: long })).maps, maps(20))
})

test('what is still too much is refused', () => {
  assert.throws(() => serverTicket({ publicKey, maps: maps(300) }), { code: 'TICKET_TOO_LONG' })
})
