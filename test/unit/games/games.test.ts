import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Games, readGames, SHIPPED } from '../../../src/games/games.js'
import { isCalled, mapName, partsOf } from '../../../src/games/map-name.js'

const shipped = readGames([SHIPPED])

test('a game is found by its id, an alias or its name, in any case', () => {
  for (const word of [
    'minecraft-java',
    'minecraft',
    'MC',
    'Minecraft: Java Edition',
    'minecraft java edition'
  ]) {
    assert.equal(shipped.find(word)?.id, 'minecraft-java', word)
  }
  assert.equal(shipped.find('quake 3')?.id, 'quake-3')
  assert.equal(shipped.find('toString'), undefined)
})

test('an unknown game is reported with a guess', () => {
  assert.equal(
    shipped.unknown('mincraft'),
    'unknown game "mincraft"; did you mean "minecraft"? hyper-nat games lists all games, and hyper-nat server -p PORT shares any other by its port'
  )
  assert.match(shipped.unknown('ioquake'), /did you mean "ioquake3"\?/)
  assert.match(
    shipped.unknown('xyzzy'),
    /^unknown game "xyzzy"; hyper-nat games lists all games, and hyper-nat server -p PORT shares any other by its port$/
  )
})

test('words find all that hold them', () => {
  assert.deepEqual(
    shipped.search('age empires').map(({ id }) => id),
    ['age-of-empires-2', 'age-of-empires-2-de']
  )
  assert.deepEqual(shipped.search(''), shipped.all)
  const found = (text: string): string[] => shipped.search(text).map(({ id }) => id)
  assert.deepEqual(found('quake 3'), ['quake-3'])
  assert.deepEqual(found('red alert'), ['openra'])
  assert.deepEqual(found('red alert 2'), [])
})

test('words in other scripts count as words', () => {
  assert.deepEqual(shipped.search('мир'), [])
  assert.deepEqual(shipped.search('...'), [])
  assert.match(shipped.unknown('原神'), /^unknown game "[^;]+"; hyper-nat games lists/)
  assert.equal(shipped.find('Líttle Bíg Plánet'), undefined)
  assert.equal(shipped.find('Mïnecraft')?.id, 'minecraft-java')
  const recipe = (id: string, name: string) => ({ ...shipped.find('openarena')!, id, name, aliases: [] })
  const games = new Games([...shipped.all, recipe('genshin', '原神'), recipe('stars', '★★★')])
  assert.equal(games.find('原神')?.id, 'genshin')
  assert.deepEqual(
    games.search('神').map(({ id }) => id),
    ['genshin']
  )
  for (const word of ['мир', '!!!', '']) assert.equal(games.find(word), undefined, word)
})

test('a list of words may name several games', () => {
  const all = (...words: string[]) => shipped.findAll(words)
  assert.deepEqual(all('minecraft', 'mumble'), { found: ['minecraft', 'mumble'] })
  assert.deepEqual(all('quake', '3', 'quake', '2', 'mumble'), { found: ['quake 3', 'quake 2', 'mumble'] })
  assert.deepEqual(all('Minecraft:', 'Java', 'Edition'), { found: ['Minecraft: Java Edition'] })
  assert.deepEqual(all('mumble', 'quak', '3'), { found: ['mumble'], unknown: 'quak' })
  // Nobody knows where a name ends that is none.
  assert.deepEqual(all('quak', '3'), { found: [], unknown: 'quak 3' })
})

test('the name of a map tells the game, and what its owner calls it', () => {
  const game = shipped.find('minecraft')!
  assert.equal(mapName(game, undefined), 'minecraft-java')
  assert.equal(mapName(game, 'Friday: all'), 'minecraft-java: Friday: all')
  assert.equal(shipped.ofMap('minecraft-java: Friday: all'), game)
  assert.equal(shipped.ofMap('My minecraft'), undefined)
  assert.equal(shipped.ofMap(undefined), undefined)
  assert.equal(shipped.ofMap(''), undefined)
  assert.deepEqual(partsOf('minecraft-java: Friday: all'), { id: 'minecraft-java', own: 'Friday: all' })
  assert.deepEqual(partsOf('minecraft-java'), { id: 'minecraft-java' })
  assert.deepEqual(partsOf('My game: all'), { own: 'My game: all' })
  for (const word of ['Minecraft-Java: Friday', 'minecraft-java', 'FRIDAY ']) {
    assert.ok(isCalled('minecraft-java: Friday', word), word)
  }
  assert.ok(!isCalled('My game: Friday', 'friday'))
  assert.ok(!isCalled(undefined, ''))
})

test("a user's own recipes go before, and one that cannot be used does no harm to others", t => {
  const own = mkdtempSync(join(tmpdir(), 'hyper-nat-own-'))
  t.after(() => rmSync(own, { recursive: true }))
  const openarena = shipped.find('openarena')!
  // With the byte order mark of an editor on Windows.
  const text = `\ufeff${JSON.stringify({ ...openarena, name: 'My arena' })}`
  writeFileSync(join(own, 'openarena.json'), text)
  writeFileSync(join(own, 'broken.json'), '{')
  writeFileSync(join(own, 'readme.txt'), 'no recipe')
  mkdirSync(join(own, 'folder.json'))
  const games = readGames([SHIPPED, own, join(own, 'missing')])
  assert.equal(games.find('openarena')?.name, 'My arena')
  assert.equal(games.all.length, shipped.all.length)
  assert.deepEqual(
    games.faults.map(({ path }) => path),
    [join(own, 'broken.json'), join(own, 'folder.json')]
  )
  assert.match(
    games.unknown('broken'),
    /^the recipe of "broken", .*broken\.json, cannot be used: it is not JSON$/
  )
  assert.match(games.unknown('roken'), /^unknown game "roken"/)
})

test('a folder of recipes that cannot be read is reported, and the others are there', t => {
  const own = mkdtempSync(join(tmpdir(), 'hyper-nat-own-'))
  t.after(() => rmSync(own, { recursive: true }))
  const file = join(own, 'games')
  writeFileSync(file, 'no folder')
  const games = readGames([SHIPPED, file])
  assert.equal(games.all.length, shipped.all.length)
  assert.deepEqual(games.faults, [{ path: file, message: 'no recipes can be read there (ENOTDIR)' }])
})
