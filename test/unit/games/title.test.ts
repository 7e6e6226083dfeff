import assert from 'node:assert/strict'
import fs, { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { titleOf } from '../../../src/games/games.js'

test('the title of a port map needs no recipe but that of its game', t => {
  const read = t.mock.method(fs, 'readFileSync')
  syncBuiltinESMExports()
  const recipes = (): string[] =>
    read.mock.calls.map(({ arguments: [file] }) => String(file)).filter(file => file.endsWith('.json'))
  assert.equal(titleOf('My own words'), 'My own words')
  assert.equal(titleOf('minecraft-java: Our world'), 'Our world')
  assert.equal(titleOf('no-such-game'), 'no-such-game')
  assert.deepEqual(recipes(), [])
  assert.equal(titleOf('minecraft-java'), 'Minecraft: Java Edition')
  assert.equal(titleOf('minecraft-java'), 'Minecraft: Java Edition')
  assert.equal(recipes().length, 1)
})

test("where a user's own recipe, or the folder for it, cannot be used, the title is that of the shipped one", {
  skip: process.platform !== 'linux'
}, t => {
  const config = mkdtempSync(join(tmpdir(), 'hyper-nat-title-'))
  const before = process.env.XDG_CONFIG_HOME
  process.env.XDG_CONFIG_HOME = config
  t.after(() => {
    if (before === undefined) delete process.env.XDG_CONFIG_HOME
    else process.env.XDG_CONFIG_HOME = before
    rmSync(config, { recursive: true })
  })
  const games = join(config, 'hyper-nat', 'games')
  mkdirSync(games, { recursive: true })
  writeFileSync(join(games, 'openarena.json'), '{')
  assert.equal(titleOf('openarena'), 'OpenArena')
  rmSync(games, { recursive: true })
  writeFileSync(games, 'no folder')
  assert.equal(titleOf('teeworlds'), 'Teeworlds 0.7')
})
