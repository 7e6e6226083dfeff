import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closedMap, isSameMap, type MapEntry } from '../../../src/client/open-map.js'

const entry: MapEntry = {
  path: 'schema[0]',
  proto: 'udp',
  port: 19_132,
  localHost: '127.0.0.1',
  localPort: 19_132
}

test('a map stays as it is while its entry asks for the same, however that is written', () => {
  const map = closedMap(entry, 0, false)
  assert.ok(isSameMap(map, { ...entry, path: 'schema[7]' }))
  assert.ok(isSameMap(map, { ...entry, socketMode: 0o600, duplicate: false, failover: false }))
  assert.ok(isSameMap(map, { ...entry, socketMode: undefined, duplicate: undefined, failover: undefined }))
})

test('the port that was asked for counts, not the one that was bound', () => {
  const map = closedMap({ ...entry, localPort: 0 }, 0, false)
  map.localPort = 40_000
  assert.ok(isSameMap(map, { ...entry, localPort: 0 }))
  assert.ok(!isSameMap(map, { ...entry, localPort: 40_000 }))
})

const lobby = { game: 'minecraft-bedrock' } as NonNullable<MapEntry['lobby']>
const changes: readonly Partial<MapEntry>[] = [
  { proto: 'tcp' },
  { port: 19_133 },
  { localHost: '127.0.0.2' },
  { localPort: 19_133 },
  { socketMode: 0o660 },
  { duplicate: true },
  { failover: true },
  { lobby }
]

for (const change of changes) {
  test(`another ${Object.keys(change)} makes another map`, () => {
    assert.ok(!isSameMap(closedMap(entry, 0, false), { ...entry, ...change }))
    assert.ok(
      isSameMap(closedMap({ ...entry, ...change }, 0, false), { ...entry, ...structuredClone(change) })
    )
  })
}
