/**
 * Who has which player address, in a small file beside the options: a game's log and its bans know no more than the address. Guests
 * who have gone stay in it, the oldest until there are too many.
 */

import { join } from 'node:path'
import { shortKey } from '../identity/encoding.js'
import { userFolders } from '../user-folders.js'
import { type Noted, type NoteKind, Notes, type NotesParts, noteFile, readNotes } from './notes.js'

/** A guest at its address. */
export interface Player {
  /** What the server's owner calls the guest, or else the start of its key. */
  readonly name: string
  /** The guest's key, in base58. */
  readonly peer: string
  /** When it came first with this address, and when it came last, ms since 1970. */
  readonly since: number
  readonly last: number
}

const PLAYER: NoteKind<Player> = {
  read(json) {
    const { name, peer, since, last } = (json ?? {}) as Record<string, unknown>
    if (typeof name !== 'string' || typeof peer !== 'string') return undefined
    const times = [since, last].map(time => Date.parse(String(time)))
    if (times.some(Number.isNaN)) return undefined
    return { name, peer, since: times[0]!, last: times[1]! }
  },
  write: ({ name, peer, since, last }) => ({
    name,
    peer,
    since: new Date(since).toISOString(),
    last: new Date(last).toISOString()
  }),
  at: ({ last }) => last,
  merge: (old, player) => (old.peer === player.peer ? { ...player, since: old.since } : player)
}

/** `options.players.json` for `options.json`; without such a file, `players.json` in this system's folder for programs' data. */
export function playersFile(optionsFile?: string): string {
  if (optionsFile !== undefined) return noteFile(optionsFile, 'players')
  return join(userFolders().data, 'players.json')
}

/** By the server's public key and then the address; nothing if there is no such file, or it is damaged. */
export function readPlayers(file: string): Promise<Noted<Player>> {
  return readNotes(file, PLAYER)
}

export class PlayerList {
  readonly #notes: Notes<Player>

  constructor(parts: NotesParts) {
    this.#notes = new Notes(PLAYER, parts)
  }

  /** A guest is here, with this address. */
  note(publicKey: string, address: string, peer: string, name = shortKey(peer)): void {
    this.#notes.note(publicKey, address, now => ({ name, peer, since: now, last: now }))
  }

  /** Writes what is left. */
  close(): Promise<void> {
    return this.#notes.close()
  }
}
