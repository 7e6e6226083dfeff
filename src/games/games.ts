/** All recipes: those that come with hyper-nat, and the user's own in the folder for settings, which go before. */

import { basename, join } from 'node:path'
import { codeOf, type Fault, HyperNatError } from '../errors.js'
import { listAny, readAny, shippedPath } from '../shipped.js'
import { guess } from '../text/guess.js'
import { oneOf, quote } from '../text/quote.js'
import { userFolders } from '../user-folders.js'
import { decodeText } from '../util/decode-text.js'
import { partsOf } from './map-name.js'
import type { Recipe } from './recipe.js'
import { recipeShape } from './recipe-shape.js'

/** Recipes that come with the program. */
export const SHIPPED = shippedPath('config/games')

/** Where `hyper-nat learn --save` puts recipes. */
export function ownFolder(): string {
  return join(userFolders().config, 'games')
}

/** Games that are proposed for a word, at most. */
const GUESSES = 5

export class Games {
  readonly #byWord = new Map<string, Recipe>()

  /**
   * @param recipes the later ones go before those of the same id
   * @param faults files that cannot be used, and why
   */
  constructor(
    recipes: readonly Recipe[],
    readonly faults: readonly Fault[] = []
  ) {
    for (const recipe of recipes) this.#byWord.set(recipe.id, recipe)
    for (const recipe of this.all) {
      for (const word of [...(recipe.aliases ?? []), bare(recipe.name)]) {
        if (word !== '' && !this.#byWord.has(word)) this.#byWord.set(word, recipe)
      }
    }
  }

  /** Every recipe once, by id. */
  get all(): readonly Recipe[] {
    return [...new Set(this.#byWord.values())].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** The recipe of this id, alias or name, whatever its case. */
  find(word: string): Recipe | undefined {
    return this.#byWord.get(word.toLowerCase()) ?? this.#byWord.get(bare(word))
  }

  /**
   * The games that a list of words names, such as `minecraft quake 3`: each is as many words as make a name.
   * @returns those found, and the first word where no name begins, if there is one
   */
  findAll(words: readonly string[]): { readonly found: readonly string[]; readonly unknown?: string } {
    const found: string[] = []
    for (let at = 0; at < words.length; ) {
      const rest = words.slice(at)
      const size = rest.findLastIndex((_, last) => this.find(rest.slice(0, last + 1).join(' '))) + 1
      if (size === 0) return { found, unknown: found.length === 0 ? words.join(' ') : rest[0]! }
      found.push(rest.slice(0, size).join(' '))
      at += size
    }
    return { found }
  }

  /** The game that was probably meant by a word that names none. */
  guess(word: string): string | undefined {
    return guess(bare(word), [...this.#byWord.keys()], {})
  }

  /** What is wrong with a word that is no game, as the rest of a sentence. */
  unknown(word: string): string {
    const broken = this.faults.find(({ path }) => basename(path) === `${word}.json`)
    if (broken) return `the recipe of ${quote(word)}, ${broken.path}, cannot be used: ${broken.message}`
    const meant = this.guess(word)
    const found = meant === undefined ? this.search(word).map(({ id }) => id) : [meant]
    const hint =
      found.length === 0 ? '' : `did you mean ${oneOf(found.slice(0, GUESSES).map(id => `"${id}"`))}? `
    return `unknown game ${quote(word)}; ${hint}hyper-nat games lists all games, and hyper-nat server -p PORT shares any other by its port`
  }

  /** Other games that a word could mean as well: `minecraft` is an alias of one of two. */
  alsoCalled(word: string): Recipe[] {
    const meant = this.find(word)
    if (!meant || [meant.id, bare(meant.name)].includes(bare(word))) return []
    const begins = `${bare(word)}-`
    return this.all.filter(
      other => other !== meant && [other.id, bare(other.name)].some(title => title.startsWith(begins))
    )
  }

  /** Those whose id, name or one alias holds every word of a text, a number as a word of its own; all for an empty text. */
  search(text: string): Recipe[] {
    const words = bare(text).split('-').filter(Boolean)
    if (words.length === 0 && text.trim() !== '') return []
    return this.all.filter(({ id, name, aliases = [] }) =>
      [id, bare(name), ...aliases].some(title => {
        const parts = title.split('-')
        return words.every(word => (/^\d+$/.test(word) ? parts.includes(word) : title.includes(word)))
      })
    )
  }

  /** The game that the name of a port map tells, as `mapName` writes it. */
  ofMap(name: string | undefined): Recipe | undefined {
    const { id } = partsOf(name ?? '')
    return id === undefined ? undefined : this.#byWord.get(id)
  }
}

/** In lower case and without accents, with a dash for anything that is not a letter or digit of any script. */
function bare(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
}

let known: Games | undefined

/** The recipes, read at the first call. */
export function knownGames(): Games {
  known ??= readGames([SHIPPED, ownFolder()])
  return known
}

/**
 * What people call a port map: in its owner's words, or else as the game does. Of all recipes it reads that of the game alone.
 */
export function titleOf(name: string): string {
  const { id, own } = partsOf(name)
  if (own || id === undefined) return own || name
  let title = titles.get(id)
  if (title === undefined) {
    const [recipe] = [ownFolder(), SHIPPED].flatMap(folder => recipesOf(folder, `${id}.json`)[0])
    title = recipe?.name ?? name
    titles.set(id, title)
  }
  return title
}

/** What was read for {@link titleOf}. */
const titles = new Map<string, string>()

/** Reads every recipe of some folders; one that is missing is empty. */
export function readGames(folders: readonly string[]): Games {
  const all = folders.map(folder => recipesOf(folder))
  return new Games(
    all.flatMap(([recipes]) => recipes),
    all.flatMap(([, faults]) => faults)
  )
}

/**
 * The recipes of a folder, and the faults of those that cannot be used.
 * @param only the one file to read; left out: all
 */
function recipesOf(folder: string, only?: string): [Recipe[], Fault[]] {
  const recipes: Recipe[] = []
  const faults: Fault[] = []
  let names: string[] = []
  try {
    names = listAny(folder)
  } catch (err) {
    const code = codeOf(err)
    if (code !== 'ENOENT') faults.push({ path: folder, message: `no recipes can be read there (${code})` })
  }
  for (const file of names.sort()) {
    if (only === undefined ? !file.endsWith('.json') : file !== only) continue
    const path = join(folder, file)
    try {
      recipes.push(parseRecipe(decodeText(readAny(path)), file.replace(/\.json$/, '')))
    } catch (err) {
      faults.push({ path, message: err instanceof Error ? err.message : String(err) })
    }
  }
  return [recipes, faults]
}

/**
 * Judges the text of one recipe.
 * @param id what its file is called
 * @throws HyperNatError `BAD_RECIPE` with all that is wrong
 */
export function parseRecipe(text: string, id: string): Recipe {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new HyperNatError('BAD_RECIPE', 'it is not JSON', { cause })
  }
  const result = recipeShape().safeParse(value)
  if (!result.success) {
    const faults = result.error.issues.map(({ path, message }) => `${path.join('.') || 'it'}: ${message}`)
    throw new HyperNatError('BAD_RECIPE', faults.join('; '))
  }
  if (result.data.id !== id) {
    throw new HyperNatError('BAD_RECIPE', `its id is ${quote(result.data.id)}, but its file is ${id}.json`)
  }
  return result.data
}
