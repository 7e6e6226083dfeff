/** JSON with comments and trailing commas, as text to value; every fault with its line and column. */

import jsonc, { type Node, type ParseError } from 'jsonc-parser'
import { type Fault, OptionsError } from '../errors.js'
import { quote } from '../text/quote.js'

/** What the parser wanted where it stopped; by its own error codes, which it keeps to itself at run time. */
const EXPECTED: Record<number, string> = {
  1: 'this is not expected here; texts and keys go in double quotes',
  2: 'this is not a number',
  3: 'a key in double quotes is expected here',
  4: 'a value is expected here',
  5: 'a colon is expected here, after the key',
  6: 'a comma is expected here',
  7: 'a closing brace } is expected here',
  8: 'a closing bracket ] is expected here',
  9: 'nothing more is expected here',
  10: 'this is not a comment',
  11: 'a comment begins that nowhere ends',
  12: 'a text begins that does not end on its line; a double quote is missing',
  13: 'this number is not finished',
  14: 'after \\u four hexadecimal digits are expected',
  15: 'a backslash in a text stands before one of "\\/bfnrtu only; write \\\\ for a backslash itself',
  16: 'a text cannot contain a line break or control character'
}

/**
 * Parses JSON; comments and trailing commas are fine, a key written twice is not.
 * @throws OptionsError `BAD_OPTIONS`; only the first fault of the syntax, as what comes after it is guesswork
 */
export function parseJson(text: string): unknown {
  try {
    return readTree(text)
  } catch (err) {
    // The parser and what walks its tree call themselves for each level. Nothing in options is deeper than four.
    if (err instanceof RangeError)
      throw new OptionsError([{ path: '', message: 'nested too deeply for options' }])
    throw err
  }
}

/** What can be read from a text that may have faults. */
export function looseJson(text: string): unknown {
  try {
    return jsonc.parse(text, [], { allowTrailingComma: true })
  } catch {
    // It is nested too deeply.
    return undefined
  }
}

function readTree(text: string): unknown {
  if (text.trim() === '') throw new OptionsError([{ path: '', message: 'not JSON: there is nothing in it' }])
  const errors: ParseError[] = []
  const root = jsonc.parseTree(text, errors, { allowTrailingComma: true })
  const first = errors[0]
  if (first) {
    const message = `not JSON: ${EXPECTED[first.error] ?? 'this is not expected here'}`
    throw new OptionsError([{ path: placeOf(text, first.offset), message }])
  }
  if (!root)
    throw new OptionsError([{ path: 'line 1, column 1', message: 'not JSON: a value is expected here' }])
  const twice = [...repeatedKeys(root, text)]
  if (twice.length > 0) throw new OptionsError(twice)
  return jsonc.getNodeValue(root)
}

/** JSON would let the last one win in silence. */
function* repeatedKeys(node: Node, text: string): Generator<Fault> {
  const seen = new Set<string>()
  for (const child of node.children ?? []) {
    if (node.type === 'object') {
      const key = child.children![0]!
      if (seen.has(key.value)) {
        yield {
          path: placeOf(text, key.offset),
          message: `the key ${quote(key.value)} is written twice; take one out`
        }
      }
      seen.add(key.value)
    }
    yield* repeatedKeys(child, text)
  }
}

/** `line 3, column 14`, both counted from 1. */
function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split(/\r\n|\r|\n/)
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`
}
