/** What is kept of guests beside the options file: when each was here last, and who has which player address. */

import { codeOf } from '../errors.js'
import type { DaemonEvent } from '../events.js'
import { keyOf } from '../identity/encoding.js'
import { PLAYERS_WRITE_MS, SEEN_WRITE_MS } from '../limits.js'
import type { Log } from '../log/log.js'
import { systemClock } from '../util/clock.js'
import { LastSeen, readSeen, seenFile } from './last-seen.js'
import { PlayerList, playersFile } from './player-list.js'

export class GuestBook {
  readonly #source: string | undefined
  readonly #log: Log
  readonly #seen: LastSeen | null
  #players: PlayerList | null = null

  /** @param source the options file; without one it is not kept when they were here */
  constructor(source: string | undefined, log: Log) {
    this.#source = source
    this.#log = log
    this.#seen =
      source === undefined
        ? null
        : new LastSeen({
            file: seenFile(source),
            clock: systemClock,
            timeOfDay: Date.now,
            everyMs: SEEN_WRITE_MS,
            onfail: err => log.info({ code: codeOf(err) }, 'when guests were seen last cannot be written')
          })
  }

  /** The keys of guests with a name who were seen at this server, the latest at the end. */
  async seenAt(publicKey: string): Promise<Uint8Array[]> {
    if (this.#source === undefined) return []
    const seen = (await readSeen(seenFile(this.#source))).get(publicKey)
    return [...(seen?.values() ?? [])].flatMap(({ key }) => {
      try {
        return [keyOf(key)]
      } catch {
        return []
      }
    })
  }

  note(event: DaemonEvent): void {
    if (event.event !== 'connected' && event.event !== 'disconnected') return
    const { publicKey, peer, name } = event
    if (name !== undefined) this.#seen?.note(publicKey, name, peer)
    if (event.event === 'connected' && event.address !== undefined)
      this.#playerList().note(publicKey, event.address, peer, name)
  }

  /** Made for the first who has an address: most servers give none. */
  #playerList(): PlayerList {
    if (this.#players) return this.#players
    const file = playersFile(this.#source)
    this.#players = new PlayerList({
      file,
      clock: systemClock,
      timeOfDay: Date.now,
      everyMs: PLAYERS_WRITE_MS,
      onfail: err =>
        this.#log.warn({ code: codeOf(err), file }, 'who has which player address cannot be written')
    })
    return this.#players
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    await Promise.all([this.#seen?.close(), this.#players?.close()])
  }
}
