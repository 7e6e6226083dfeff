/** Writing to options.json: new entries, everything else as its owner left it, comments and order included. */

import { readFile } from 'node:fs/promises'
import jsonc, { type FormattingOptions } from 'jsonc-parser'
import writeFileAtomic from 'write-file-atomic'
import { codeOf, HyperNatError } from '../errors.js'
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
 * @throws OptionsError `BAD_OPTIONS` when it is not JSON
 */
export function addEntries(text: string, entries: readonly RawEntry[]): string {
  parseJson(text)
  const formattingOptions = styleOf(text)
  let edited = text
  for (const entry of entries) {
    // -1 stands for the end of the list; where there is no list, it is made.
    const edits = jsonc.modify(edited, ['schema', -1], entry, { isArrayInsertion: true, formattingOptions })
    edited = jsonc.applyEdits(edited, edits)
  }
  return edited
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

/** Indentation and line ends as the text's own first ones. */
function styleOf(text: string): FormattingOptions {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? '  '
  const insertSpaces = !indent.startsWith('\t')
  return {
    insertSpaces,
    tabSize: insertSpaces ? indent.length : 1,
    eol: text.includes('\r\n') ? '\r\n' : '\n'
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
