/**
 * Compares the ports of the recipes with those that other projects have for the same games, and writes the differences, each with
 * what was decided, into docs/game-ports.md. A unit test fails while one has no decision, or while the page is not current.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readGames, SHIPPED } from '../src/games/games.js'
import { ownPorts, type Recipe } from '../src/games/recipe.js'
import { formatPorts } from '../src/text/ports.js'

const PAGE = 'docs/game-ports.md'

/** What stands before and behind the tables. */
const BEGIN = '<!-- made by scripts/game-ports.ts -->'
const END = '<!-- end -->'

/** The ports of one project, by the ids of our recipes. */
export interface PortData {
  readonly source: string
  readonly commit: string
  readonly date: string
  readonly games: Readonly<
    Record<string, { readonly name: string; readonly port?: number; readonly query?: number }>
  >
}

/** A port that a project has and the recipe has not, or not as that of the game. */
export interface Difference {
  readonly game: string
  readonly project: string
  readonly theirs: string
  readonly ours: string
}

/** Why a recipe stays as it is, or what was changed, by its id. */
export type Decisions = Readonly<Record<string, string>>

/** The projects, by what people call them. */
const PROJECTS = { gamedig: 'gamedig.json', LinuxGSM: 'linuxgsm.json' } as const

/** Everything that the comparison reads, from the root of the project. */
export function readPortData(root: string): {
  readonly projects: Readonly<Record<string, PortData>>
  readonly decisions: Decisions
} {
  const read = (file: string): unknown =>
    JSON.parse(readFileSync(join(root, 'scripts', 'game-ports', file), 'utf8'))
  return {
    projects: Object.fromEntries(
      Object.entries(PROJECTS).map(([name, file]) => [name, read(file) as PortData])
    ),
    decisions: read('decisions.json') as Decisions
  }
}

/** The differences, by recipe and then by project. */
export function differences(
  recipes: readonly Recipe[],
  projects: Readonly<Record<string, PortData>>
): Difference[] {
  return recipes.flatMap(recipe =>
    Object.entries(projects).flatMap(([project, { games }]) => {
      const theirs = games[recipe.id]
      if (!theirs) return []
      const own = ownPorts(recipe, true).map(({ port }) => port)
      const game = theirs.port !== undefined && theirs.port !== own[0]
      const query = theirs.query !== undefined && !own.includes(theirs.query)
      if (!game && !query) return []
      const told = [...(game ? [`game ${theirs.port}`] : []), ...(query ? [`query ${theirs.query}`] : [])]
      return [{ game: recipe.id, project, theirs: told.join(', '), ours: formatPorts(own) }]
    })
  )
}

/** The page with its tables as recipes, data and decisions have them. */
export function gamePortsPage(
  page: string,
  recipes: readonly Recipe[],
  projects: Readonly<Record<string, PortData>>,
  decisions: Decisions
): string {
  const [head, rest] = page.split(BEGIN)
  const foot = rest?.split(END)[1]
  if (head === undefined || foot === undefined) throw new Error(`${PAGE} has no place for the tables`)
  const sources = Object.entries(projects).map(([name, { source, commit, date, games }]) => {
    const known = recipes.filter(({ id }) => games[id]).length
    return `| [${name}](${source}) | ${commit} | ${date} | ${known} |`
  })
  const rows = differences(recipes, projects).map(({ game, project, theirs, ours }) => {
    const decision = decisions[game]
    if (decision === undefined) throw new Error(`scripts/game-ports/decisions.json says nothing of ${game}`)
    return `| ${game} | ${project}: ${theirs} | ${ours} | ${decision} |`
  })
  return [
    `${head}${BEGIN}\n\n| project | commit | of | games in common |\n| --- | --- | --- | --- |\n${sources.join('\n')}\n`,
    `| recipe | they have | the recipe has | decision |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`,
    `${END}${foot}`
  ].join('\n')
}

// Run from the root of the project: node dist/scripts/game-ports.js
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { projects, decisions } = readPortData('.')
  const recipes = readGames([SHIPPED]).all
  const missing = differences(recipes, projects).filter(({ game }) => decisions[game] === undefined)
  for (const { game, project, theirs, ours } of missing) {
    console.error(`${game}: ${project} has ${theirs}, the recipe ${ours}: no decision`)
  }
  if (missing.length > 0) process.exitCode = 1
  else writeFileSync(PAGE, gamePortsPage(readFileSync(PAGE, 'utf8'), recipes, projects, decisions))
}
