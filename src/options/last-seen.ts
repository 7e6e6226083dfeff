/**
 * When each guest of a server was seen last, in a small file beside the options: the one place that the daemon and
 * `hyper-nat guests` both know.
 */

import { type Noted, type NoteKind, Notes, type NotesParts, noteFile, readNotes } from './notes.js'

/** Milliseconds since 1970, by the server's public key and then the guest's name. */
export type SeenTimes = Noted<number>

const SEEN: NoteKind<number> = {
  read(json) {
    const ms = typeof json === 'string' ? Date.parse(json) : Number.NaN
    return Number.isNaN(ms) ? undefined : ms
  },
  write: ms => new Date(ms).toISOString(),
  at: ms => ms,
  merge: (_old, ms) => ms
}

/** `options.seen.json` for `options.json`. */
export function seenFile(optionsFile: string): string {
  return noteFile(optionsFile, 'seen')
}

/** What the file holds; nothing if there is none, or it is damaged. */
export function readSeen(file: string): Promise<SeenTimes> {
  return readNotes(file, SEEN)
}

export class LastSeen {
  readonly #notes: Notes<number>

  constructor(parts: NotesParts) {
    this.#notes = new Notes(SEEN, parts)
  }

  /** A guest is here now. */
  note(publicKey: string, name: string): void {
    this.#notes.note(publicKey, name, now => now)
  }

  /** Writes what is left. */
  close(): Promise<void> {
    return this.#notes.close()
  }
}
