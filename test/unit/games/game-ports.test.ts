// Our ports beside those of other projects.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { differences, gamePortsPage, type PortData, readPortData } from '../../../scripts/game-ports.js'
import { readGames, SHIPPED } from '../../../src/games/games.js'
import { root } from '../root.js'

const recipes = readGames([SHIPPED]).all
const { projects, decisions } = readPortData(root)

test('every difference to the ports of other projects has a decision, and no decision is left over', () => {
  const found = new Set(differences(recipes, projects).map(({ game }) => game))
  assert.deepEqual(Object.keys(decisions), [...found].sort())
})

test('the lists are of games that there are recipes for', () => {
  for (const { games } of Object.values(projects)) {
    assert.ok(Object.keys(games).length >= 40)
    for (const id of Object.keys(games))
      assert.ok(
        recipes.some(recipe => recipe.id === id),
        id
      )
  }
})

test('docs/game-ports.md is current', () => {
  const page = readFileSync(join(root, 'docs', 'game-ports.md'), 'utf8')
  assert.equal(
    page,
    gamePortsPage(page, recipes, projects, decisions),
    'build, then run: node dist/scripts/game-ports.js'
  )
})

test('another game port and a query port that is missing are differences, optional ports are none', () => {
  const list = (valheim: PortData['games'][string]): string[] => {
    const data = { source: 'x', commit: 'x', date: 'x', games: { valheim } }
    return differences(recipes, { list: data }).map(({ theirs, ours }) => `${theirs} | ${ours}`)
  }
  assert.deepEqual(list({ name: 'x', port: 2456, query: 2458 }), [])
  assert.deepEqual(list({ name: 'x', port: 2457 }), ['game 2457 | 2456-2458'])
  assert.deepEqual(list({ name: 'x', query: 2459 }), ['query 2459 | 2456-2458'])
})

test('every recipe that comes with the program says when its sources were looked at', () => {
  assert.deepEqual(
    recipes.filter(({ checked }) => checked === undefined).map(({ id }) => id),
    []
  )
})
