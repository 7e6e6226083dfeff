/**
 * What the port maps of a game are called, which tickets tell to guests: the id of its recipe, and behind it what its owner
 * calls it. So a ticket needs no field for games, and shows something useful where the game is not known.
 */
import { ID_PATTERN } from './notation.js'
import type { Recipe } from './recipe.js'

const SEPARATOR = ': '

/** `openarena`, or `openarena: Friday`. */
export function mapName({ id }: Pick<Recipe, 'id'>, name: string | undefined): string {
  return name === undefined ? id : `${id}${SEPARATOR}${name}`
}

/** The two parts of such a name; of another one, all of it is its owner's. */
export function partsOf(name: string): { readonly id?: string; readonly own?: string } {
  const at = name.indexOf(SEPARATOR)
  const id = at < 0 ? name : name.slice(0, at)
  if (!ID_PATTERN.test(id)) return { own: name }
  return at < 0 ? { id } : { id, own: name.slice(at + SEPARATOR.length) }
}

/** Whether a map is meant by a word: its name, its game or what its owner calls it, in any case. */
export function isCalled(name: string | undefined, word: string): boolean {
  if (name === undefined) return false
  const wanted = word.trim().toLowerCase()
  const { id, own } = partsOf(name)
  return [name, id, own].some(one => one?.toLowerCase() === wanted)
}
