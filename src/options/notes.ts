/**
 * A small file beside the options in which a daemon notes things for people and other commands: by the server's public key, and
 * then by something of its own. Losing it loses no more than that.
 */

import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import type { Clock, Timer } from '../util/clock.js'
import { makeFolder } from '../util/folder.js'

/** What a file holds: by the server's public key, and then by its own key. */
export type Noted<T> = Map<string, Map<string, T>>

/** How one kind of note is kept. */
export interface NoteKind<T> {
  /** The value of what the file says, as JSON; undefined for what makes no sense. */
  read(json: unknown): T | undefined
  /** As JSON. */
  write(value: T): unknown
  /** When it was noted, ms since 1970: the oldest go first. */
  at(value: T): number
  /** What stands there after a further note. */
  merge(old: T, value: T): T
}

/** Notes kept per server: more than one options file has guests for. */
const NOTES_MAX = 4096

/** `options.seen.json` for `options.json` and `seen`. */
export function noteFile(optionsFile: string, what: string): string {
  return `${optionsFile.replace(/\.jsonc?$/i, '')}.${what}.json`
}

/** What the file holds; nothing if there is none, or it is damaged. */
export async function readNotes<T>(file: string, kind: NoteKind<T>): Promise<Noted<T>> {
  const noted: Noted<T> = new Map()
  try {
    const servers = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>
    for (const [publicKey, notes] of Object.entries(servers)) {
      const own = new Map<string, T>()
      for (const [key, json] of Object.entries(notes)) {
        const value = kind.read(json)
        if (value !== undefined) own.set(key, value)
      }
      noted.set(publicKey, own)
    }
  } catch {
    // It is written again.
  }
  return noted
}

/** Where and when notes are written. */
export interface NotesParts {
  readonly file: string
  readonly clock: Clock
  /** Milliseconds since 1970, which a user may set back. */
  readonly timeOfDay: () => number
  /** Milliseconds between two writes at the least. */
  readonly everyMs: number
  /** Called once, with why, when the file cannot be written. */
  readonly onfail: (err: unknown) => void
}

export class Notes<T> {
  readonly #parts: NotesParts
  #noted: Noted<T> = new Map()
  #timer: Timer | null = null
  #writing: Promise<void> = Promise.resolve()
  #failed = false

  constructor(
    readonly kind: NoteKind<T>,
    parts: NotesParts
  ) {
    this.#parts = parts
  }

  /** What is so now. Written at once when nothing was for a while. */
  note(publicKey: string, key: string, value: (now: number) => T): void {
    const { clock, everyMs, timeOfDay } = this.#parts
    const own = this.#noted.get(publicKey) ?? new Map<string, T>()
    own.set(key, value(timeOfDay()))
    this.#noted.set(publicKey, own)
    if (this.#timer) return
    this.#write()
    this.#timer = clock.after(everyMs, () => {
      this.#timer = null
      if (this.#noted.size > 0) this.#write()
    })
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    if (this.#noted.size > 0) this.#write()
    await this.#writing
  }

  #write(): void {
    const noted = this.#noted
    this.#noted = new Map()
    this.#writing = this.#writing
      .then(() => this.#merge(noted))
      .catch(err => {
        if (!this.#failed) this.#parts.onfail(err)
        this.#failed = true
      })
  }

  /** Another process may serve another secret of the same file. */
  async #merge(noted: Noted<T>): Promise<void> {
    const { kind } = this
    const { file } = this.#parts
    const all = await readNotes(file, kind)
    for (const [publicKey, own] of noted) {
      const merged = all.get(publicKey) ?? new Map<string, T>()
      for (const [key, value] of own) {
        const old = merged.get(key)
        merged.set(key, old === undefined ? value : kind.merge(old, value))
      }
      const oldestFirst = [...merged].sort(([, a], [, b]) => kind.at(a) - kind.at(b))
      all.set(publicKey, new Map(oldestFirst.slice(-NOTES_MAX)))
    }
    const servers = [...all].map(([publicKey, own]) => [
      publicKey,
      Object.fromEntries([...own].map(([key, value]) => [key, kind.write(value)]))
    ])
    await makeFolder(dirname(file), 0o700)
    await writeFileAtomic(file, `${JSON.stringify(Object.fromEntries(servers), null, 2)}\n`, { mode: 0o600 })
  }
}
