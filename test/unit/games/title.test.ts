import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
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
