/** The codecs of LAN discovery under what a hostile host may send: 100,000 datagrams over the recipes of all games. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import type { PortField } from '../../src/games/discovery.js'
import { readGames, SHIPPED } from '../../src/games/games.js'
import { announcedPort, isQuery, withPort } from '../../src/lan/port-field.js'
import { broken, CASES } from './arbitrary-bytes.js'

const discoveries = readGames([SHIPPED]).all.flatMap(({ discovery }) =>
  discovery.how === 'none' ? [] : [discovery]
)
const fields: PortField[] = [
  ...discoveries.map(one => (one.how === 'server-announces' ? one.field : one.answer)),
  { codec: 'u16be-at', at: 3 }
]

const valid = fc.constantFrom(
  b4a.from('[MOTD]A world[/MOTD][AD]25565[/AD]'),
  b4a.from('009585', 'hex'),
  b4a.from('f2030000611e000005576f726c64025043', 'hex'),
  b4a.from(`ffffffff4911${'4100'.repeat(4)}f000021000646c000131008087690102`, 'hex')
)
const port = fc.integer({ min: 1, max: 65_535 })

test('an announcement is none, or has a port, and then takes another one', () => {
  const announced = discoveries.flatMap(one => (one.how === 'server-announces' ? [one] : []))
  assert.ok(announced.length >= 3)
  let found = 0
  fc.assert(
    fc.property(broken(valid), port, fc.constantFrom(...announced), (payload, other, discovery) => {
      const told = announcedPort(discovery, payload, 1)
      if (told === null) return
      found++
      assert.ok(Number.isInteger(told) && told >= 1 && told <= 65_535)
      assert.ok(payload.byteLength <= discovery.maxBytes)
      if (discovery.field.codec === 'none') return
      const moved = withPort(discovery.field, payload, other)
      assert.equal(announcedPort({ ...discovery, maxBytes: 1400 }, moved, 1), other)
      assert.deepEqual(withPort(discovery.field, moved, told), b4a.from(payload))
    }),
    { numRuns: CASES / 2 }
  )
  assert.ok(found > CASES / 100, `${found}`)
})

test('any answer is passed on as it is, but for its port', () => {
  fc.assert(
    fc.property(broken(valid), port, fc.constantFrom(...fields), (payload, other, field) => {
      const before = b4a.from(payload)
      const changed = withPort(field, payload, other)
      assert.deepEqual(b4a.from(payload), before)
      assert.ok(Math.abs(changed.byteLength - payload.byteLength) <= 4)
      for (const one of discoveries) if (one.how === 'client-queries') isQuery(one, payload)
    }),
    { numRuns: CASES / 2 }
  )
})
