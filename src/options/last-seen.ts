/**
 * When each guest of a server was seen last, in a small file beside the options: the one place that the daemon and
 * `hyper-nat invites` both know.
 */

import type { Clock } from '../clock.js'
import { type Noted, type NoteKind, Notes, noteFile, readNotes } from './notes.js'

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
  readonly #timeOfDay: () => number

  /**
   * @param everyMs between two writes at the least
   * @param onfail called once, with why, when the file cannot be written
   */
  constructor(
    file: string,
    clock: Clock,
    timeOfDay: () => number,
    everyMs: number,
    onfail: (err: unknown) => void
  ) {
    this.#notes = new Notes(file, SEEN, clock, everyMs, onfail)
    this.#timeOfDay = timeOfDay
  }

  /** A guest is here now. Written at once when that was not done for a while. */
  note(publicKey: string, name: string): void {
    this.#notes.note(publicKey, name, this.#timeOfDay())
  }

  /** Writes what is left. */
  close(): Promise<void> {
    return this.#notes.close()
  }
}
