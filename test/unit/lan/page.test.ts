import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lanGamesPage } from '../../../scripts/lan-games.js'
import { readGames, SHIPPED } from '../../../src/games/games.js'
import { root } from '../root.js'

test('docs/lan-games.md is current', () => {
  const page = readFileSync(join(root, 'docs', 'lan-games.md'), 'utf8')
  const { all } = readGames([SHIPPED])
  assert.equal(page, lanGamesPage(page, all), 'build, then run: node dist/scripts/lan-games.js')
  for (const { id } of all) assert.ok(page.includes(`(\`${id}\`)`), id)
})
