/** `hyper-nat games`: which games there are recipes for, and what one of them says. */

import type { recipeHelp } from '../games/help.js'
import type { Recipe } from '../games/recipe.js'
import { LOCALHOST } from '../text/address.js'
import { type Arguments, type Command, type Job, words } from './command.js'
import { EXIT } from './context.js'
import { table } from './table.js'

export const games: Command = {
  name: 'games',
  describe: 'List the games that can be shared by name',
  positional: { name: 'search', describe: 'Words to look for; the name of one game shows its details' },
  flags: {},
  examples: [
    ['hyper-nat games', 'all of them'],
    ['hyper-nat games strike', 'those with strike in the name']
  ],
  subject: () => 'hyper-nat games',
  job
}

async function job(args: Arguments): Promise<Job> {
  const { knownGames } = await import('../games/games.js')
  const { OptionsError } = await import('../errors.js')
  const { recipeHelp } = await import('../games/help.js')
  const known = knownGames()
  const search = words(args, 'search').join(' ')
  const one = search === '' ? undefined : known.find(search)
  const found = one ? [one] : known.search(search)
  if (found.length === 0) {
    throw new OptionsError([{ path: 'SEARCH', message: known.unknown(search), code: 'UNKNOWN_GAME' }])
  }
  return {
    warnings: known.faults.map(({ path, message }) => ({ code: 'BAD_RECIPE', path, message })),
    task: async context => {
      if (args.json)
        for (const { $schema: _, ...recipe } of found)
          context.stdout(`${JSON.stringify({ event: 'game', ...recipe })}\n`)
      else context.stdout(one ? describe(one, recipeHelp(one, LOCALHOST)) : listOf(found))
      return EXIT.done
    }
  }
}

/** How friends find a game, in a column. */
const JOINED: Readonly<Record<Recipe['works'], string>> = {
  yes: 'LAN list',
  'by address': 'address',
  no: 'not playable'
}

function listOf(recipes: readonly Recipe[]): string {
  const rows = recipes.map(recipe => [recipe.id, portText(recipe, false), JOINED[recipe.works], recipe.name])
  return table(['GAME', 'PORTS', 'JOINED BY', 'NAME'], rows)
}

function describe(recipe: Recipe, { host, guest }: ReturnType<typeof recipeHelp>): string {
  const { id, name, aliases = [], ports, works, why, tried } = recipe
  return [
    `${name} (${[id, ...aliases].join(', ')})`,
    ...ports.map(
      ({ proto, port, purpose, optional }) =>
        `  ${proto} ${port}: ${purpose}${optional ? ' (--optional)' : ''}`
    ),
    `${works === 'no' ? 'Not playable' : `Joined by: ${JOINED[works]}`}.${why === undefined ? '' : ` ${why}`}`,
    ...(tried === undefined ? [] : [`Tried: ${tried}`]),
    `Host: ${host}`,
    `Guest: ${guest}`,
    ''
  ].join('\n')
}

/** `tcp 25565`, `udp 2456-2458`. */
export function portText({ ports }: Recipe, optional: boolean): string {
  return ports
    .filter(port => optional || !port.optional)
    .map(({ proto, port }) => `${proto} ${port}`)
    .join(', ')
}
