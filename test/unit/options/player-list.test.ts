import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PlayerList, playersFile, readPlayers } from '../../../src/options/player-list.js'
import type { Clock } from '../../../src/util/clock.js'

const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A clock whose timers never come. */
const still: Clock = { now: () => 0, after: () => ({ cancel() {} }) }

test('the list is beside the options, or where programs keep their data', () => {
  assert.equal(playersFile(join('x', 'options.json')), join('x', 'options.players.json'))
  assert.match(playersFile(), /hyper-nat.*players\.json$/)
})

test('it says who has which address, since when, and keeps those who have gone', async () => {
  const file = join(folder, 'a', 'options.players.json')
  let now = Date.parse('2030-01-01T00:00:00Z')
  const list = () =>
    new PlayerList({ file, clock: still, timeOfDay: () => now, everyMs: 1, onfail: assert.ifError })
  const first = list()
  first.note('SERVER', '127.1.0.1', 'AnnasKeyInBase58', 'Anna')
  first.note('SERVER', '127.1.0.2', 'SomebodysKey')
  await first.close()
  now += 60_000
  const second = list()
  second.note('SERVER', '127.1.0.1', 'AnnasKeyInBase58', 'Anna')
  second.note('SERVER', '127.1.0.2', 'AnotherKey')
  second.note('OTHER', '127.1.0.1', 'BensKey', 'Ben')
  await second.close()
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), {
    SERVER: {
      '127.1.0.1': {
        name: 'Anna',
        peer: 'AnnasKeyInBase58',
        since: '2030-01-01T00:00:00.000Z',
        last: '2030-01-01T00:01:00.000Z'
      },
      '127.1.0.2': {
        name: 'AnotherK..',
        peer: 'AnotherKey',
        since: '2030-01-01T00:01:00.000Z',
        last: '2030-01-01T00:01:00.000Z'
      }
    },
    OTHER: {
      '127.1.0.1': {
        name: 'Ben',
        peer: 'BensKey',
        since: '2030-01-01T00:01:00.000Z',
        last: '2030-01-01T00:01:00.000Z'
      }
    }
  })
  if (process.platform !== 'win32') assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal((await readPlayers(file)).get('OTHER')!.get('127.1.0.1')!.name, 'Ben')
})

test('what makes no sense in it is passed over, and it does not grow without end', async () => {
  const file = join(folder, 'players.json')
  writeFileSync(file, '{"S":{"1":null,"2":{"name":1},"3":{"name":"x","peer":"y","since":"?","last":"?"}}}')
  assert.deepEqual(await readPlayers(file), new Map([['S', new Map()]]))
  let now = 0
  const list = new PlayerList({
    file,
    clock: still,
    timeOfDay: () => now++,
    everyMs: 1,
    onfail: assert.ifError
  })
  for (let i = 0; i < 5000; i++) list.note('S', `${i}`, 'y')
  await list.close()
  const kept = [...(await readPlayers(file)).get('S')!.keys()]
  assert.deepEqual([kept.length, kept.at(-1)], [4096, '4999'])
})
