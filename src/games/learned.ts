/** A recipe from what a running program has open, for its owner to use and to complete. */

import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, HyperNatError } from '../errors.js'
import type { RunningProgram } from '../programs/open-ports.js'
import { LOCALHOST } from '../text/address.js'
import { makeFolder } from '../util/folder.js'
import { ownFolder } from './games.js'
import { ID_MAX } from './notation.js'
import type { Recipe } from './recipe.js'
import { recipeShape } from './recipe-shape.js'

/** Ports of one program that are taken for those of a game; one with more is something else. */
const PORTS_MAX = 64

/**
 * Writes a recipe. UDP ports that the system gave out are most likely those of a client: they become optional, unless there
 * are no others.
 * @param name what the game is called; left out: as the program
 * @throws HyperNatError `NO_PORTS` for a program that listens nowhere on loopback, `BAD_RECIPE` for a name without letters and digits
 */
export function learnedRecipe(program: RunningProgram, name = program.name): Recipe {
  const isDoubtful = ({ proto, ephemeral }: RunningProgram['ports'][number]) => proto === 'udp' && ephemeral
  const sure = program.ports.filter(port => !isDoubtful(port))
  const doubtful = program.ports.filter(isDoubtful)
  if (program.ports.length === 0) {
    throw new HyperNatError(
      'NO_PORTS',
      `${program.name} has no port open at ${LOCALHOST}: start a game in it that others can join, on all addresses of this computer, and try again.`
    )
  }
  if (program.ports.length > PORTS_MAX) {
    throw new HyperNatError(
      'NO_PORTS',
      `${program.name} has ${program.ports.length} ports open, too many for a game: is it the right process?`
    )
  }
  const id = name
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, ID_MAX)
    .replace(/^-|-$/g, '')
  if (id === '') {
    throw new HyperNatError(
      'BAD_RECIPE',
      'The name of a game needs letters from a to z, or digits, to be typed on a command line: give another --name.'
    )
  }
  const recipe = {
    id,
    name,
    ports: [
      ...sure.map(({ proto, port }) => ({ proto, port, purpose: 'open while the game ran' })),
      ...doubtful.map(({ proto, port }) => ({
        proto,
        port,
        purpose: 'perhaps of a client, with a new number each time',
        ...(sure.length > 0 && { optional: true as const })
      }))
    ],
    discovery: { how: 'none' },
    host: 'Open the game for others; its port is {port}.',
    guest: 'Join by the address {address}',
    works: 'by address',
    why: 'It was learned from the open ports; how the game finds servers in a LAN is not known.',
    source: ['said: hyper-nat learn, from the open ports of a running program'],
    confidence: 'low'
  }
  const result = recipeShape().safeParse(recipe)
  if (result.success) return result.data
  const message = result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
  throw new HyperNatError(
    'BAD_RECIPE',
    `No recipe can be made under this name; give another --name. ${message}`
  )
}

/**
 * Keeps a recipe in the user's own folder.
 * @returns its file
 * @throws HyperNatError `NAME_TAKEN` when there is one of that name, `OPTIONS_UNREADABLE` when it cannot be written
 */
export async function saveRecipe(recipe: Recipe, folder = ownFolder()): Promise<string> {
  const path = join(folder, `${recipe.id}.json`)
  try {
    await makeFolder(folder)
    await writeFile(path, `${JSON.stringify(recipe, null, 2)}\n`, { flag: 'wx' }).catch(async err => {
      // A partial file would block the next attempt.
      if (codeOf(err) !== 'EEXIST') await rm(path, { force: true })
      throw err
    })
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'EEXIST' && existsSync(path)) {
      const message = `There is a recipe in ${path} already: give another --name, or remove it first.`
      throw new HyperNatError('NAME_TAKEN', message, { cause })
    }
    const message = `The recipe cannot be written to ${path} (${code}): check that its folder allows writing and its disk has space left.`
    throw new HyperNatError('OPTIONS_UNREADABLE', message, { cause })
  }
  return path
}
