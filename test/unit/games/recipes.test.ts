// Every recipe that comes with the program, as it stands in its file.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HyperNatError } from '../../../src/errors.js'
import { asksOn } from '../../../src/games/discovery.js'
import { parseRecipe } from '../../../src/games/games.js'
import { type OwnPort, ownPorts, portsOfGame, type Recipe } from '../../../src/games/recipe.js'
import { recipeJsonSchema } from '../../../src/games/recipe-shape.js'
import { announcedPort, announcementOf } from '../../../src/lan/port-field.js'
import type { ClientEntry } from '../../../src/options/entry.js'
import { surpriseOf } from '../../../src/options/join.js'
import { root } from '../root.js'

const folder = join(root, 'config', 'games')
const ids = readdirSync(folder).map(name => name.replace(/\.json$/, ''))
const read = (id: string): string => readFileSync(join(folder, `${id}.json`), 'utf8')
const recipes = ids.map(id => parseRecipe(read(id), id))

test('there are recipes of at least 40 games that can be played', () => {
  const playable = recipes.filter(({ works }) => works !== 'no')
  assert.ok(playable.length >= 40, `only ${playable.length}`)
  assert.ok(recipes.filter(({ works }) => works === 'yes').length >= 20)
})

test('no word stands for two games', () => {
  const words = recipes.flatMap(({ id, aliases = [] }) => [id, ...aliases])
  assert.deepEqual(
    words.filter((word, i) => words.indexOf(word) < i),
    []
  )
})

for (const recipe of recipes) {
  test(`${recipe.id}: what it says goes together`, () => {
    const result = portsOfGame(recipe, true)
    assert.ok('ports' in result)
    const udp = result.ports.filter(({ protos }) => protos.includes('udp')).map(({ port }) => port)
    const { discovery } = recipe
    // A query goes through a map of its own, so one of the ports must be asked.
    if (discovery.how === 'client-queries') assert.ok(udp.some(port => asksOn(discovery, port)))
    if (discovery.how === 'server-announces' && discovery.template !== undefined) {
      const made = announcementOf(discovery.template, 'A name', 54_321)
      assert.equal(announcedPort(discovery, made, 1), 54_321)
    }
    for (const line of [recipe.host, recipe.guest, recipe.why ?? '']) {
      const places = line.match(/\{.*?\}/g) ?? []
      assert.ok(
        places.every(place => /^\{(address|host|port)(:\d+)?\}$/.test(place)),
        line
      )
    }
    if (/must be the same at the guests/.test(recipe.why ?? '')) assert.equal(recipe.guestPorts, 'same')
    // A program that finds its port by itself at the address of another game is told none.
    if (recipe.works !== 'no' && recipe.discovery.how === 'none' && recipe.guestPorts !== 'same')
      assert.match(recipe.guest, /\{(address|host)\b/)
  })
}

test('config/game.schema.json is current', () => {
  assert.deepEqual(
    JSON.parse(readFileSync(join(root, 'config', 'game.schema.json'), 'utf8')),
    recipeJsonSchema(),
    'build, then run: node dist/scripts/schema.js && npx biome check --write config'
  )
})

const good = JSON.parse(read('supertuxkart')) as Record<string, unknown>
const port = { proto: 'udp', port: 1, purpose: 'game' }

// [what, changes, a part of the message]
const REFUSED: [string, Record<string, unknown>, RegExp][] = [
  ['another id than its file', { id: 'tuxkart' }, /its id is "tuxkart", but its file is supertuxkart\.json/],
  ['an id with capitals', { id: 'SuperTuxKart' }, /^id: /],
  ['a key that is unknown', { prots: [] }, /prots/],
  ['no ports', { ports: [] }, /^ports: /],
  ['port 0', { ports: [{ ...port, port: 0 }] }, /^ports\.0\.port: /],
  ['port 65536', { ports: [{ ...port, port: 65_536 }] }, /^ports\.0\.port: /],
  ['a range that runs backwards', { ports: [{ ...port, port: '20-10' }] }, /ports\.0\.port: is no range/],
  ['a range that is too long', { ports: [{ ...port, port: '1-65' }] }, /is no range of at most 64 ports/],
  ['a range beyond all ports', { ports: [{ ...port, port: '65530-65540' }] }, /is no range/],
  ['a port twice', { ports: [port, { ...port, port: '1-2' }] }, /^ports: names a port twice/],
  [
    'a first port that is optional',
    { ports: [{ ...port, optional: true }] },
    /^ports: begins with an optional one/
  ],
  [
    'a first port that moves along with itself',
    { ports: [{ ...port, moves: 'along' }] },
    /^ports: begins with one that moves along/
  ],
  [
    'a port that moves in two ways',
    { ports: [port, { ...port, port: 2, moves: 'along' }, { ...port, proto: 'tcp', port: 2 }] },
    /^ports: moves 2 in two ways/
  ],
  ['a source that is none', { source: ['somewhere'] }, /^source\.0: /],
  ['no source', { source: [] }, /^source: /],
  ['"by address" without a reason', { works: 'by address', why: undefined }, /^why: is missing/],
  ['"yes" without a way by the LAN list', { lan: undefined }, /^lan: is there for/],
  ['"yes" without discovery', { discovery: { how: 'none' } }, /^works: is "yes", but/],
  ['a line that tells no port', { guest: 'Join {host}' }, /^guest: does not say which port/],
  [
    'a line that tells a foreign port',
    { guest: 'Join {address:80}' },
    /^guest: names port 80, which is none/
  ],
  ['a help line of two lines', { guest: 'one\ntwo' }, /^guest: /],
  [
    'a group that is no multicast group',
    {
      discovery: {
        how: 'server-announces',
        port: 1,
        group: '192.168.1.1',
        maxBytes: 8,
        field: { codec: 'none' },
        everyMs: 1000
      }
    },
    /^discovery\.group: /
  ],
  [
    'a long announcement that may begin with anything',
    {
      discovery: { how: 'server-announces', port: 1, maxBytes: 9, field: { codec: 'none' }, everyMs: 1000 }
    },
    /^discovery: has no "starts"; then maxBytes is 8 at the most$/
  ],
  [
    'a codec that is unknown',
    { discovery: { how: 'client-queries', ports: 1, maxBytes: 9, answer: { codec: 'magic' } } },
    /^discovery\.answer\.codec: /
  ]
]

for (const [what, changes, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => parseRecipe(JSON.stringify({ ...good, ...changes }), 'supertuxkart'),
      (err: unknown) => err instanceof HyperNatError && err.code === 'BAD_RECIPE' && message.test(err.message)
    )
  })
}

test('refused: no JSON', () => {
  assert.throws(() => parseRecipe('{', 'x'), { code: 'BAD_RECIPE', message: 'it is not JSON' })
})

const several = parseRecipe(
  JSON.stringify({
    ...good,
    ports: [
      { proto: 'tcp', port: 100, purpose: 'game' },
      { proto: 'udp', port: '100-102', purpose: 'game' },
      { proto: 'tcp', port: 200, purpose: 'console', optional: true }
    ]
  }),
  'supertuxkart'
)

function list(recipe: Recipe, optional: boolean, moved: number[] = []): string {
  const result = portsOfGame(recipe, optional, moved)
  return 'fault' in result
    ? result.fault
    : result.ports.map(one => `${one.port} ${one.protos.join('+')}`).join(', ')
}

test('the ports of a game, optional ones and others in their place', () => {
  assert.equal(list(several, false), '100 tcp+udp, 101 udp, 102 udp')
  assert.equal(list(several, true), '100 tcp+udp, 101 udp, 102 udp, 200 tcp')
  assert.equal(list(several, false, [7, 8]), '7 tcp+udp, 8 udp, 102 udp')
  assert.equal(list(several, false, [1, 2, 3, 4]), 'names 4 ports, but SuperTuxKart has 3: 100, 101, 102')
  assert.equal(list(several, false, [102]), 'gives port 102 to two purposes of SuperTuxKart')
})

const depending = parseRecipe(
  JSON.stringify({
    ...good,
    ports: [
      { proto: 'udp', port: 100, purpose: 'game' },
      { proto: 'udp', port: '101-102', purpose: 'query', moves: 'along' },
      { proto: 'tcp', port: 200, purpose: 'files' },
      { proto: 'tcp', port: 99, purpose: 'console', moves: 'along', optional: true },
      { proto: 'udp', port: 300, purpose: 'beacon', moves: 'never' }
    ]
  }),
  'supertuxkart'
)

test('the ports that a message proposes can be given', () => {
  let proposed = 0
  for (const recipe of recipes) {
    const [{ port: game }] = ownPorts(recipe, false) as [OwnPort]
    for (const optional of [false, true]) {
      for (const shift of [-3, -2, -1, 1, 2, 3, 100]) {
        const moved = portsOfGame(recipe, optional, [game + shift])
        const list = 'ports' in moved ? /such as ([\d,]+)$/.exec(moved.stay ?? '')?.[1] : undefined
        if (list === undefined) continue
        proposed++
        const given = portsOfGame(recipe, optional, list.split(',').map(Number))
        assert.ok('ports' in given, `${recipe.id} ${list}`)
      }
    }
  }
  assert.ok(proposed > 100)
})

test('ports that depend on the port of the game move with it, and what stays is said', () => {
  assert.equal(list(depending, false), '100 udp, 101 udp, 102 udp, 200 tcp, 300 udp')
  assert.equal(list(depending, true, [150]), '150 udp, 151 udp, 152 udp, 200 tcp, 149 tcp, 300 udp')
  assert.equal(list(depending, false, [150, 151]), '150 udp, 151 udp, 152 udp, 200 tcp, 300 udp')
  const stay = (moved: number[]): string | undefined => {
    const result = portsOfGame(depending, false, moved)
    return 'ports' in result ? result.stay : result.fault
  }
  assert.equal(stay([]), undefined)
  assert.equal(stay([100]), undefined)
  assert.equal(
    stay([150]),
    'moves the port of the game; tcp 200 (files), udp 300 (beacon) stay. If your server has another number there, too, list it as well, such as 150,151,152,201'
  )
  assert.equal(
    stay([150, 151, 152, 250]),
    'moves the port of the game; udp 300 (beacon) stays: the game has no setting for it'
  )
  assert.equal(stay([150, 160]), 'gives 160 for "query", which SuperTuxKart derives from the first one: 151')
  assert.equal(
    stay([150, 151, 152, 250, 301]),
    'gives 301 for "beacon", which SuperTuxKart always has at 300'
  )
  assert.equal(stay([65_535]), 'moves port 101 (query) out of 1 to 65535')
})

// [game, the port of the game there, what is shared]
const MOVED: [string, number, string][] = [
  ['valheim', 2466, '2466 udp, 2467 udp'],
  ['7-days-to-die', 26_910, '26910 tcp+udp, 26911 udp, 26912 udp, 26913 udp'],
  ['ark-survival-evolved', 7787, '7787 udp, 7788 udp, 27015 udp'],
  ['unreal-tournament-99', 7787, '7787 udp, 7788 udp, 8777 udp'],
  ['sunshine', 48_989, '48989 tcp, 48984 tcp, 49010 tcp, 48998 udp, 48999 udp, 49000 udp']
]

for (const [id, port, expected] of MOVED) {
  test(`${id}: moved to ${port}, its other ports move as the game moves them`, () => {
    assert.equal(list(parseRecipe(read(id), id), false, [port]), expected)
  })
}

test('no recipe has so many ports that joining its game has to be allowed', () => {
  for (const { id, ports } of recipes) {
    const entries = ports.flatMap(({ port, proto }) => {
      const [first, last = first] = `${port}`.split('-').map(Number) as [number, number?]
      return Array.from({ length: last - first + 1 }, (_, i) => ({ proto, localPort: first + i }))
    })
    assert.equal(surpriseOf(entries as unknown as ClientEntry[], true), undefined, id)
  }
})
