import assert from 'node:assert/strict'
import { test } from 'node:test'
import z32 from 'z32'
import { CHECK_SYMBOLS } from '../../../src/identity/checksum.js'
import { GuestKey, NONCE_BYTES } from '../../../src/identity/guest.js'
import { keyPairOf, seedOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { inviteTicket, serverTicket } from '../../../src/identity/server-ticket.js'
import { decodeTicket, type TicketMap } from '../../../src/identity/ticket.js'
import { TICKET_PREFIX } from '../../../src/identity/ticket-text.js'

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
  // The ports of a game stay together all the same.
  const game = { name: 'Game', guestPorts: 'together' } as const
  const mixed = long.map((map, i) => (i < 2 ? { ...map, ...game } : map))
  const told = decodeTicket(serverTicket({ publicKey, maps: mixed })).maps
  assert.deepEqual(told, [...mixed.slice(0, 2), ...maps(20).slice(2)])
  const names = long.map(map => ({ ...map, guestPorts: 'same' as const }))
  const all = decodeTicket(serverTicket({ publicKey, maps: names })).maps
  assert.deepEqual(
    all,
    maps(20).map(map => ({ ...map, guestPorts: 'same' }))
  )
})

test('what is still too much is refused', () => {
  assert.throws(() => serverTicket({ publicKey, maps: maps(300) }), { code: 'TICKET_TOO_LONG' })
})

test('the ticket of an invite holds the shared key and the key of this guest, and nothing else that comes of the secret', () => {
  const secret = new Secret('a long text that nobody guesses')
  const server = keyPairOf(secret)
  const nonce = Buffer.alloc(NONCE_BYTES, 7)
  const shared = { maps: maps(2), relays: [keys[1]!], bootstrap: [] }
  const ticket = inviteTicket(server, { name: 'Anna', nonce }, shared)
  const anna = GuestKey.of(server, 'Anna', nonce).invite
  assert.deepEqual(decodeTicket(ticket), {
    publicKey: Uint8Array.from(server.publicKey),
    maps: maps(2),
    relays: [Uint8Array.from(keys[1]!)],
    invite: Uint8Array.from(anna)
  })
  const ben = GuestKey.of(server, 'Ben', nonce).invite
  // Between prefix, version and length, and the checksum.
  const bytes = Buffer.from(z32.decode(ticket.slice(TICKET_PREFIX.length + 3, -CHECK_SYMBOLS)))
  assert.ok(bytes.includes(Buffer.from(anna)), 'the control')
  for (const other of [
    seedOf(secret),
    server.secretKey.subarray(0, 32),
    ben,
    nonce,
    Buffer.from(secret.reveal())
  ]) {
    assert.ok(!bytes.includes(Buffer.from(other)))
  }
})
