/** decodeTicket under 100,000 texts that nobody should paste, and every ticket there and back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import z32 from 'z32'
import { HyperNatError } from '../../src/errors.js'
import { checkSymbols } from '../../src/identity/checksum.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import {
  decodeTicket,
  encodeTicket,
  type Ticket,
  type TicketMap,
  ticketName
} from '../../src/identity/ticket.js'
import { broken, CASES } from './arbitrary-bytes.js'

const KEYS = ['a', 'b', 'c', 'd', 'e'].map(secret => Uint8Array.from(keyPairOf(new Secret(secret)).publicKey))
const CODES = new Set(['BAD_TICKET', 'TICKET_MISTYPED', 'TICKET_CUT', 'TICKET_VERSION'])

const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 12 })
  .map(text => ticketName(text))
  .filter(text => text !== undefined)
const node = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`),
  fc.constantFrom('dht.example.org:1', '198.51.100.1@dht.example.org:65535', 'a:80')
)
const maps: fc.Arbitrary<TicketMap[]> = fc.uniqueArray(
  fc.record(
    {
      proto: fc.constantFrom('udp' as const, 'tcp' as const, 'tcpudp' as const),
      // Near each other, so that ranges are met, and at the borders.
      port: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 65_530, max: 65_535 })),
      name
    },
    { requiredKeys: ['proto', 'port'] }
  ),
  { minLength: 1, maxLength: 12, selector: ({ proto, port }) => `${proto} ${port}` }
)
const mapsWithNeeds = fc
  .tuple(maps, fc.array(fc.constantFrom(undefined, 'same' as const, 'together' as const), { maxLength: 12 }))
  .map(([maps, needs]): TicketMap[] => {
    const names = [...new Set(maps.map(({ name }) => name))]
    return maps.map(map => {
      const guestPorts = needs[names.indexOf(map.name)]
      return guestPorts ? { ...map, guestPorts } : map
    })
  })
const ticket: fc.Arbitrary<Ticket> = fc.record(
  {
    publicKey: fc.constantFrom(...KEYS),
    maps: mapsWithNeeds,
    relays: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 4 }),
    bootstrap: fc.array(node, { minLength: 1, maxLength: 4 }),
    invite: fc.uint8Array({ minLength: 1, maxLength: 64 })
  },
  { requiredKeys: ['publicKey', 'maps'] }
)

/** To damage: making new ones takes longer than reading them. */
const some = fc.sample(ticket, { numRuns: 300, seed: 1 }).map(encodeTicket)

/** Reads it or fails as it should. */
function read(text: string): Ticket | undefined {
  try {
    return decodeTicket(text)
  } catch (err) {
    assert.ok(err instanceof HyperNatError && CODES.has(err.code), String(err))
    assert.match(err.message, /^[\x20-\x7e]+$/)
    return undefined
  }
}

/** A body behind a right head and checksum, so that what is behind the checksum is tried too. */
function sealed(bytes: Uint8Array): string {
  const text = z32.encode(Buffer.from(bytes)).slice(0, 1000)
  const symbols = [
    1,
    text.length >> 5,
    text.length & 31,
    ...[...text].map(char => z32.ALPHABET.indexOf(char))
  ]
  return `hnat1${[...symbols, ...checkSymbols(symbols)].map(value => z32.ALPHABET[value]).join('')}`
}

function bodyOf(text: string): Uint8Array {
  return z32.decode(text.slice(8, -6))
}

test('every ticket comes back', () => {
  fc.assert(
    fc.property(ticket, given => {
      const text = encodeTicket(given)
      const found = decodeTicket(text)
      const { maps: foundMaps, ...rest } = found
      const { maps: givenMaps, ...givenRest } = given
      assert.deepEqual(rest, givenRest)
      const key = ({ proto, port, name = '', guestPorts }: TicketMap) =>
        `${proto} ${port} ${guestPorts} ${name}`
      assert.deepEqual(foundMaps.map(key).sort(), givenMaps.map(key).sort())
      assert.equal(encodeTicket(found), text, 'one ticket, one text')
    }),
    { numRuns: 5000 }
  )
})

test('whatever stands behind a right checksum, it is read or refused with a code', () => {
  let taken = 0
  fc.assert(
    fc.property(broken(fc.constantFrom(...some.map(bodyOf))), bytes => {
      if (read(sealed(bytes))) taken++
    }),
    { numRuns: CASES / 2, includeErrorInReport: true }
  )
  assert.ok(taken > CASES / 1000, `only ${taken} were tickets`)
})

test('whatever is pasted, it is read or refused with a code', () => {
  const slip = fc.tuple(fc.nat(2000), fc.nat(20), fc.string({ unit: 'binary', maxLength: 8 }))
  const pasted = fc.oneof(
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
    {
      weight: 1,
      arbitrary: fc.string({ unit: fc.constantFrom(...z32.ALPHABET) }).map(text => `hnat1${text}`)
    },
    {
      weight: 4,
      arbitrary: fc.tuple(fc.constantFrom(...some), fc.array(slip, { maxLength: 3 })).map(([text, slips]) =>
        slips.reduce((result, [at, size, put]) => {
          const from = at % (result.length + 1)
          return result.slice(0, from) + put + result.slice(from + size)
        }, text)
      )
    }
  )
  fc.assert(
    fc.property(pasted, text => void read(text)),
    { numRuns: CASES / 2, includeErrorInReport: true }
  )
})
