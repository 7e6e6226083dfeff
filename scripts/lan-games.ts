/** Writes the table of docs/lan-games.md from the recipes; a unit test fails while the committed page is not current. */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readGames, SHIPPED } from '../src/games/games.js'
import type { Recipe } from '../src/games/recipe.js'

const PAGE = 'docs/lan-games.md'

/** What stands before and behind the tables. */
const BEGIN = '<!-- made by scripts/lan-games.ts -->'
const END = '<!-- end -->'

const TITLES = {
  yes: 'In the LAN list',
  'by address': 'Joined by the address',
  no: 'Games that do not work'
} as const

/** The page with its tables as the recipes have them. */
export function lanGamesPage(page: string, recipes: readonly Recipe[]): string {
  const [head, rest] = page.split(BEGIN)
  const foot = rest?.split(END)[1]
  if (head === undefined || foot === undefined) throw new Error(`${PAGE} has no place for the tables`)
  const tables = Object.entries(TITLES).map(([works, title]) => {
    const rows = recipes.filter(recipe => recipe.works === works).map(row)
    return `### ${title}\n\n| game | ports | to know | tried |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`
  })
  return `${head}${BEGIN}\n\n${tables.join('\n')}\n${END}${foot}`
}

function row({ id, name, ports, why = '', tried, confidence }: Recipe): string {
  const list = ports.filter(({ optional }) => !optional).map(({ proto, port }) => `${proto} ${port}`)
  const seen = tried ?? `no; from its documents or source (${confidence} confidence)`
  return `| ${[`${name} (\`${id}\`)`, list.join(', '), why, seen].map(escaped).join(' | ')} |`
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|')
}

// Run from the root of the project: node dist/scripts/lan-games.js
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, lanGamesPage(readFileSync(PAGE, 'utf8'), readGames([SHIPPED]).all))
}
