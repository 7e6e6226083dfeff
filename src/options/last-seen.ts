/**
 * When each guest of a server was seen last, in a small file beside the options: the one place that the daemon and
 * `hyper-nat guests` both know.
 */

import { type Noted, type NoteKind, Notes, type NotesParts, noteFile, readNotes } from './notes.js'

export interface Seen {
  /** Milliseconds since 1970. */
  readonly at: number
  /** The guest's key, in base58. */
  readonly key: string
}

/** By the server's public key and then the guest's name. */
export type SeenGuests = Noted<Seen>

const SEEN: NoteKind<Seen> = {
  read(json) {
    const { at, key } = (json ?? {}) as Record<string, unknown>
    const ms = typeof at === 'string' ? Date.parse(at) : Number.NaN
    return Number.isNaN(ms) || typeof key !== 'string' ? undefined : { at: ms, key }
  },
  write: ({ at, key }) => ({ at: new Date(at).toISOString(), key }),
  at: ({ at }) => at,
  merge: (_old, seen) => seen
}

/** `options.seen.json` for `options.json`. */
export function seenFile(optionsFile: string): string {
  return noteFile(optionsFile, 'seen')
}

/** What the file holds; nothing if there is none, or it is damaged. */
export function readSeen(file: string): Promise<SeenGuests> {
  return readNotes(file, SEEN)
}

export class LastSeen {
  readonly #notes: Notes<Seen>

  constructor(parts: NotesParts) {
    this.#notes = new Notes(SEEN, parts)
  }

  /** A guest is here now. */
  note(publicKey: string, name: string, key: string): void {
    this.#notes.note(publicKey, name, at => ({ at, key }))
  }

  /** Writes what is left. */
  close(): Promise<void> {
    return this.#notes.close()
  }
}
