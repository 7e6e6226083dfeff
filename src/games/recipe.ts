/** The ports of a game, from its recipe. */

import { HyperNatError } from '../errors.js'
import { PORT_MAX } from '../text/ports.js'
import { numbersOf } from './notation.js'
import type { Recipe } from './recipe-shape.js'

export type { Recipe }

type RecipePort = Recipe['ports'][number]

/** A port of a game's server, in all of its protocols. */
export interface GamePort {
  readonly port: number
  readonly protos: readonly ('tcp' | 'udp')[]
}

/** A port of a recipe, in all of its protocols. */
export interface OwnPort extends GamePort {
  readonly moves: RecipePort['moves']
  /** What it is for, of the first protocol that names it. */
  readonly purpose: string
  /** Whether the game can do without it in that protocol. */
  readonly optional: boolean
}

/** The ports of a recipe under their own numbers, each once, in its order. */
export function ownPorts(recipe: Recipe, optional: boolean): OwnPort[] {
  const ports = new Map<number, OwnPort & { protos: ('tcp' | 'udp')[] }>()
  for (const { proto, moves, purpose, ...one } of recipe.ports) {
    if (one.optional && !optional) continue
    for (const port of numbersOf(one)) {
      const known = ports.get(port)
      if (known) known.protos.push(proto)
      else ports.set(port, { port, protos: [proto], moves, purpose, optional: one.optional ?? false })
    }
  }
  return [...ports.values()]
}

/** The ports that a game's server has. */
export interface GamePorts {
  readonly ports: readonly GamePort[]
  /** What to know about those that stayed while the port of the game moved, as the rest of a sentence; left out: nothing. */
  readonly stay?: string
}

/**
 * The ports of a game, in the order of its recipe.
 * @param optional whether those are wanted, too, that the game can do without
 * @param moved other numbers for the first of them, in the same order; those that depend on the first move with it
 * @returns a fault as the rest of a sentence about `moved`, or the ports
 * @throws HyperNatError BAD_RECIPE for what is no recipe
 */
export function portsOfGame(
  recipe: Recipe,
  optional = false,
  moved: readonly number[] = []
): GamePorts | { readonly fault: string } {
  if (!Array.isArray((Object(recipe) as Partial<Recipe>).ports))
    throw new HyperNatError('BAD_RECIPE', 'The game has no ports: give a recipe of knownGames().')
  const own = ownPorts(recipe, optional)
  if (moved.length > own.length) {
    const all = own.map(({ port }) => port).join(', ')
    return { fault: `names ${moved.length} ports, but ${recipe.name} has ${own.length}: ${all}` }
  }
  const shift = (moved[0] ?? own[0]!.port) - own[0]!.port
  const all = own.map((one, i) => {
    const expected = one.moves === 'along' ? one.port + shift : one.port
    return { ...one, was: one.port, expected, port: moved[i] ?? expected }
  })
  for (const { port, expected, moves, was, purpose } of all) {
    if (port < 1 || port > PORT_MAX)
      return { fault: `moves port ${was} (${purpose}) out of 1 to ${PORT_MAX}` }
    if (moves === undefined || port === expected) continue
    const why = moves === 'never' ? 'always has at' : 'derives from the first one:'
    return { fault: `gives ${port} for "${purpose}", which ${recipe.name} ${why} ${expected}` }
  }
  const twice = all.find(({ port }, i) => all.findIndex(other => other.port === port) < i)
  if (twice) return { fault: `gives port ${twice.port} to two purposes of ${recipe.name}` }
  const still = all.slice(moved.length).filter(({ moves }) => moves !== 'along')
  const ports = all.map(({ port, protos }) => ({ port, protos }))
  return shift === 0 || still.length === 0 ? { ports } : { ports, stay: stayText(all, still) }
}

/** What is said of ports that stayed. */
function stayText(all: readonly OwnPort[], still: readonly OwnPort[]): string {
  const list = still.map(({ port, protos, purpose }) => `${protos.join('+')} ${port} (${purpose})`).join(', ')
  const stays = `moves the port of the game; ${list} ${still.length === 1 ? 'stays' : 'stay'}`
  const free = still.find(({ moves }) => moves === undefined)
  if (!free) return `${stays}: the game has no setting for ${still.length === 1 ? 'it' : 'them'}`
  const before = all.filter((_, i) => i < all.indexOf(free)).map(({ port }) => port)
  let other = free.port + 1
  while (all.some(({ port }) => port === other)) other++
  return `${stays}. If your server has another number there, too, list it as well, such as ${[...before, other].join(',')}`
}
