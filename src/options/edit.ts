/** Writing to options.json: new entries, everything else as its owner left it, comments and order included. */

import { readFile } from 'node:fs/promises'
import jsonc, { type FormattingOptions } from 'jsonc-parser'
import writeFileAtomic from 'write-file-atomic'
import { codeOf, HyperNatError } from '../errors.js'
import { checkOptions } from './check.js'
import { decodeText, parseOptions } from './file.js'
import { parseJson } from './json.js'
import { locked } from './lock.js'
import type { RawOptions } from './schema.js'

/** An element of `schema` as it stands in the file. */
export type RawEntry = Readonly<Record<string, unknown>>

/** What a file begins as. */
const EMPTY = '{\n  "schema": []\n}\n'

/**
 * Adds entries to an options file, which is made, readable by its owner only, when there is none. Other processes that do the
 * same wait for each other; the file is replaced whole or stays as it is. Entries that are in it already are not added again.
 * @param path absolute, or relative to the working directory
 * @returns how many entries were added
 * @throws OptionsError `BAD_OPTIONS` when the file has faults, or would have with these entries; it stays as it is then
 * @throws HyperNatError `OPTIONS_UNREADABLE` when it cannot be read or written, `OPTIONS_BUSY` when another process keeps it
 */
export async function saveEntries(path: string, entries: readonly RawEntry[]): Promise<number> {
  try {
    return await locked(path, async () => {
      const bytes = await readIfThere(path)
      const text = bytes ? decodeText(bytes) : EMPTY
      const missing = entries.filter(entry => !holdsEntry(text, entry))
      if (missing.length === 0) return 0
      const edited = addEntries(text, missing)
      parseOptions(edited)
      // A file that is there keeps its owner and mode.
      await writeFileAtomic(path, encodeText(edited, bytes), bytes ? {} : { mode: 0o600 })
      return missing.length
    })
  } catch (cause) {
    if (cause instanceof HyperNatError) throw cause
    throw new HyperNatError('OPTIONS_UNREADABLE', `cannot write ${path}: ${codeOf(cause)}`, { cause })
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
  return entries.reduce((result, entry) => addEntry(result, entry, style), jsonc.applyEdits(text, edits))
}

/** jsonc-parser could do it, too, but lays out the entry before anew. */
function addEntry(text: string, entry: RawEntry, style: Style): string {
  const list = jsonc.findNodeAtLocation(jsonc.parseTree(text, [], { allowTrailingComma: true })!, ['schema'])!
  const outer = indentAt(text, list.offset)
  const last = list.children?.at(-1)
  const indent = last && isFirstOfLine(text, last.offset) ? indentAt(text, last.offset) : outer + style.unit
  const lines = JSON.stringify(entry, null, style.unit).split('\n')
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
