/** Writing to options.json: what is new or gone, everything else as its owner left it, comments and order included. */

import { readFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import jsonc, { type FormattingOptions, type JSONPath, type Node } from 'jsonc-parser'
import writeFileAtomic from 'write-file-atomic'
import { codeOf, HyperNatError } from '../errors.js'
import { decodeText } from '../util/decode-text.js'
import { checkOptions } from './check.js'
import type { Options } from './entry.js'
import { parseOptions, reason } from './file.js'
import { parseJson } from './json.js'
import { locked } from './lock.js'
import type { RawOptions } from './schema.js'

/** An element of `schema` as it stands in the file. */
export type RawEntry = Readonly<Record<string, unknown>>

/** What a file begins as. */
export const EMPTY = '{\n  "schema": []\n}\n'

/**
 * Adds entries to an options file, which is made, readable by its owner only, when there is none. Other processes that do the
 * same wait for each other; the file is replaced whole or stays as it is. Entries that are in it already are not added again.
 * @param path absolute, or relative to the working directory
 * @returns how many entries were added
 * @throws OptionsError `BAD_OPTIONS` when the file has faults, or would have with these entries; it stays as it is then
 * @throws HyperNatError `OPTIONS_UNREADABLE` when it cannot be read or written, `OPTIONS_BUSY` when another process keeps it
 */
export async function saveEntries(path: string, entries: readonly RawEntry[]): Promise<number> {
  return replaceFile(path, bytes => {
    const text = bytes ? decodeText(bytes) : EMPTY
    const missing = entries.filter(entry => !holdsEntry(text, entry))
    return { text: missing.length > 0 ? addEntries(text, missing) : text, result: missing.length }
  })
}

/**
 * The secret under which an options file has the same entries as these; undefined if it has none, or cannot be read.
 */
export async function secretIn(path: string, entries: readonly RawEntry[]): Promise<string | undefined> {
  const without = ({ secret: _, ...entry }: RawEntry): string => canonical(entry)
  try {
    const { schema } = parseJson(decodeText(await readFile(path))) as { schema: RawEntry[] }
    const secrets = entries.map(entry => schema.find(one => without(one) === without(entry))?.secret)
    const [first] = secrets
    return typeof first === 'string' && secrets.every(one => one === first) ? first : undefined
  } catch {
    // It is not there yet, or has faults that saving reports.
    return undefined
  }
}

/**
 * Names an identity file in an options file that is there, if none is named.
 * @param identity absolute, or relative to the working directory; written relative to the options file
 * @returns whether that is the one which is named now
 * @throws what {@link editOptions} throws
 */
export async function saveIdentity(path: string, identity: string): Promise<boolean> {
  const folder = dirname(resolve(path))
  return editOptions(path, (text, { identity: named }) => {
    if (named !== undefined) return { text, result: resolve(folder, named) === resolve(identity) }
    const value = relative(folder, resolve(identity)).replaceAll('\\', '/')
    return { text: append(text, [], '"identity": ', value, styleOf(text)), result: true }
  })
}

/**
 * Changes an options file that is there, as {@link saveEntries} does.
 * @param edit gets the text and what it says; returns the new text, and what to resolve with
 * @param how.make whether a file that is not there is made when there is something to write
 * @throws HyperNatError `OPTIONS_NOT_FOUND`, and what {@link saveEntries} and `edit` throw
 */
export async function editOptions<T>(
  path: string,
  edit: (text: string, options: Options) => { readonly text: string; readonly result: T },
  { make = false }: { readonly make?: boolean } = {}
): Promise<T> {
  return replaceFile(path, bytes => {
    if (!bytes && !make) throw new HyperNatError('OPTIONS_NOT_FOUND', `there is no file ${path}`)
    const text = bytes ? decodeText(bytes) : EMPTY
    return edit(text, parseOptions(text))
  })
}

async function replaceFile<T>(
  path: string,
  edit: (bytes: Buffer | undefined) => { readonly text: string; readonly result: T }
): Promise<T> {
  try {
    return await locked(path, async lock => {
      const bytes = await readIfThere(path)
      const { text, result } = edit(bytes)
      if (text === (bytes ? decodeText(bytes) : EMPTY)) return result
      parseOptions(text)
      // A file that is there keeps its owner and mode.
      await writeFileAtomic(path, encodeText(text, bytes), {
        ...(!bytes && { mode: 0o600 }),
        tmpfileCreated: lock.note
      })
      return result
    })
  } catch (cause) {
    if (cause instanceof HyperNatError) throw cause
    throw new HyperNatError('OPTIONS_UNREADABLE', `cannot write ${path}: ${reason(codeOf(cause))}`, { cause })
  }
}

/**
 * The text of an options file with entries added at the end of `schema`, in the indentation and line ends that it has.
 * @throws OptionsError `BAD_OPTIONS` when it is not the JSON of options
 */
export function addEntries(text: string, entries: readonly RawEntry[]): string {
  const value = parseJson(text)
  const { schema } = (value ?? {}) as { schema?: unknown }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) checkOptions(value)
  if (schema !== undefined && !Array.isArray(schema)) checkOptions(value)
  const style = styleOf(text)
  const edits = schema === undefined ? jsonc.modify(text, ['schema'], [], { formattingOptions: style }) : []
  return entries.reduce(
    (result, entry) => append(result, ['schema'], '', entry, style),
    jsonc.applyEdits(text, edits)
  )
}

/**
 * The text with a value added at the end of a list; the list is made where there is none in its object.
 * @param path of the object
 * @param key of the list in there
 */
export function addToList(text: string, path: JSONPath, key: string, value: object): string {
  const style = styleOf(text)
  return nodeAt(text, [...path, key])
    ? append(text, [...path, key], '', value, style)
    : append(text, path, `${JSON.stringify(key)}: `, [value], style)
}

/** The text with one key of an object at another value; the key is added where there is none. */
export function setValue(text: string, path: JSONPath, value: unknown): string {
  const there = nodeAt(text, path)
  if (there) {
    return text.slice(0, there.offset) + JSON.stringify(value) + text.slice(there.offset + there.length)
  }
  const key = `${JSON.stringify(path.at(-1))}: `
  return append(text, path.slice(0, -1), key, value, styleOf(text))
}

/** The text without a key of an object. */
export function removeValue(text: string, path: JSONPath): string {
  return jsonc.applyEdits(text, jsonc.modify(text, path, undefined, { formattingOptions: styleOf(text) }))
}

/** The text without one element of a list, and without the comments on its lines. */
export function removeFromList(text: string, path: JSONPath, index: number): string {
  const elements = nodeAt(text, path)!.children!
  const { offset, length } = elements[index]!
  const previous = elements[index - 1]
  const after = behind(text, offset + length)
  // All of its lines, if they are its alone.
  let start = offset
  let end = after.at
  if (isFirstOfLine(text, offset) && /^[ \t]*(\r\n|\n|\r|$)/.test(text.slice(end))) {
    start = lineStart(text, offset)
    end += /^[ \t]*(\r\n|\n|\r)?/.exec(text.slice(end))![0].length
  } else end += /^[ \t]*/.exec(text.slice(end))![0].length
  const left = text.slice(0, start)
  if (after.comma || !previous) return left + text.slice(end)
  // The comma before it has nothing to separate any more.
  const comma = commaBehind(text, previous.offset + previous.length)
  return left.slice(0, comma) + left.slice(comma + 1) + text.slice(end)
}

/** Where the comma behind an element is that another one follows. */
function commaBehind(text: string, end: number): number {
  const scanner = jsonc.createScanner(text, true)
  scanner.setPosition(end)
  scanner.scan()
  return scanner.getTokenOffset()
}

function nodeAt(text: string, path: JSONPath): Node | undefined {
  return jsonc.findNodeAtLocation(jsonc.parseTree(text, [], { allowTrailingComma: true })!, path)
}

/**
 * jsonc-parser could do it, too, but reformats the text before it.
 * @param path of a list or an object
 * @param key what stands before the value: nothing in a list
 */
function append(text: string, path: JSONPath, key: string, value: unknown, style: Style): string {
  const list = nodeAt(text, path)!
  const outer = indentAt(text, list.offset)
  const last = list.children?.at(-1)
  const indent = last && isFirstOfLine(text, last.offset) ? indentAt(text, last.offset) : outer + style.unit
  const lines = (key + JSON.stringify(value, null, style.unit)).split('\n')
  const added = lines.map(line => style.eol + indent + line).join('')
  if (!last) {
    // What is there is comments.
    const close = list.offset + list.length - 1
    return `${text.slice(0, close).trimEnd()}${added}${style.eol}${outer}${text.slice(close)}`
  }
  const end = last.offset + last.length
  const { at, comma } = behind(text, end)
  return `${text.slice(0, end)}${comma ? '' : ','}${text.slice(end, at)}${added}${comma ? ',' : ''}${text.slice(at)}`
}

/** Where the line of a list's last element ends with its comments, and whether there is a comma behind the element. */
function behind(text: string, end: number): { at: number; comma: boolean } {
  const scanner = jsonc.createScanner(text, false)
  scanner.setPosition(end)
  let at = end
  let sameLine = true
  for (;;) {
    const token = scanner.scan()
    const position = scanner.getTokenOffset() + scanner.getTokenLength()
    if (token === TOKEN.comma) return { at: restOfLine(text, position), comma: true }
    if (token === TOKEN.lineBreak) sameLine = false
    else if (token === TOKEN.lineComment || token === TOKEN.blockComment) {
      if (sameLine) at = position
    } else if (token !== TOKEN.blank) return { at, comma: false }
  }
}

/** The end of the comments that follow on a line. */
function restOfLine(text: string, from: number): number {
  const scanner = jsonc.createScanner(text, false)
  scanner.setPosition(from)
  let at = from
  for (;;) {
    const token = scanner.scan()
    if (token === TOKEN.lineComment || token === TOKEN.blockComment) {
      at = scanner.getTokenOffset() + scanner.getTokenLength()
    } else if (token !== TOKEN.blank) return at
  }
}

/** Kinds of tokens, by the parser's own numbers, which it keeps to itself at run time. */
const TOKEN = { comma: 5, lineComment: 12, blockComment: 13, lineBreak: 14, blank: 15 }

/** Blanks at the start of the line that holds a place. */
function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset)))![0]
}

function isFirstOfLine(text: string, offset: number): boolean {
  return text.slice(lineStart(text, offset), offset).trim() === ''
}

function lineStart(text: string, offset: number): number {
  return Math.max(text.lastIndexOf('\n', offset - 1), text.lastIndexOf('\r', offset - 1)) + 1
}

function holdsEntry(text: string, entry: RawEntry): boolean {
  const { schema } = (parseJson(text) ?? {}) as Partial<RawOptions>
  const wanted = canonical(entry)
  return Array.isArray(schema) && schema.some(one => canonical(one) === wanted)
}

function canonical(entry: unknown): string {
  if (typeof entry !== 'object' || entry === null) return JSON.stringify(entry)
  return JSON.stringify(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
}

interface Style extends FormattingOptions {
  readonly eol: string
  /** One step of indentation. */
  readonly unit: string
}

/** Indentation and line ends as the text's own first ones. */
function styleOf(text: string): Style {
  const unit = /^([ \t]+)["[{]/m.exec(text)?.[1] ?? '  '
  const insertSpaces = !unit.startsWith('\t')
  return {
    insertSpaces,
    tabSize: insertSpaces ? unit.length : 1,
    eol: text.includes('\r\n') ? '\r\n' : '\n',
    unit: insertSpaces ? unit : '\t'
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (err) {
    if (codeOf(err) === 'ENOENT') return undefined
    throw err
  }
}

/** The opposite of {@link decodeText}: in the encoding and with the byte order mark of what was there. */
function encodeText(text: string, before: Buffer | undefined): Buffer {
  const [first, second, third] = before ?? []
  if (first === 0xff && second === 0xfe) return Buffer.from(`\ufeff${text}`, 'utf16le')
  if (first === 0xfe && second === 0xff) return Buffer.from(`\ufeff${text}`, 'utf16le').swap16()
  const mark = first === 0xef && second === 0xbb && third === 0xbf ? '\ufeff' : ''
  return Buffer.from(mark + text)
}
