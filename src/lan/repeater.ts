/**
 * A guest's side of games whose servers announce themselves: what the host's daemon has received is sent again, to this machine's
 * programs only, with the port where the server is found here.
 *
 * What comes is a stranger's: it goes to the port that our own recipe names, if our own recipe knows its form, and not often.
 */
import dgram from 'node:dgram'
import { codeOf } from '../errors.js'
import { type FoundMap, isFoundOnLoopback } from '../games/lobby.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import { LOCALHOST } from '../text/address.js'
import type { Clock } from '../util/clock.js'
import { announcedPort, withPort } from './port-field.js'

/** A guest's map, as far as this matters. */
export interface RepeatedMap extends FoundMap {
  /** The socket of a UDP map. */
  readonly udp: { send(payload: Uint8Array, port: number, address: string): void } | null
}

export interface RepeaterParts {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'announceMinMs'>
  readonly log: Log
  /** Sends from a port of no meaning on loopback. */
  readonly send: (payload: Uint8Array, port: number) => void
}

/** Stands for the sender's port where a recipe says that this is the server's: it is put in its place here in any case. */
const ANY_PORT = 1

export class Repeater {
  readonly #parts: RepeaterParts
  /** When something was last repeated for a map. */
  readonly #last = new WeakMap<RepeatedMap, number>()

  constructor(parts: RepeaterParts) {
    this.#parts = parts
  }

  /**
   * Repeats what the server's game is said to have announced for a map.
   * @returns whether it was; not what is malformed, too frequent or not asked for
   */
  repeat(map: RepeatedMap, payload: Uint8Array): boolean {
    const { clock, limits, log } = this.#parts
    const { lobby, localHost, localPort } = map
    if (lobby?.discovery.how !== 'server-announces') return false
    // Elsewhere, the game would get an address where nothing listens.
    if (!isFoundOnLoopback(localHost)) return false
    const { port, field } = lobby.discovery
    if (announcedPort(lobby.discovery, payload, ANY_PORT) === null) {
      log.debug({ game: lobby.game }, 'an announcement that is none was dropped')
      return false
    }
    const now = clock.now()
    const last = this.#last.get(map)
    if (last !== undefined && now - last < limits.announceMinMs) return false
    if (last === undefined)
      log.info({ game: lobby.game, port: localPort }, 'shown in the LAN list of the game')
    this.#last.set(map, now)
    if (field.codec === 'none') map.udp?.send(payload, port, LOCALHOST)
    else this.#parts.send(withPort(field, payload, localPort), port)
    return true
  }
}

/** A socket on loopback that only sends, made when it is first used. */
export class LoopbackSender {
  readonly #log: Log
  #socket: dgram.Socket | null = null

  constructor(log: Log) {
    this.#log = log
  }

  send(payload: Uint8Array, port: number): void {
    if (!this.#socket) {
      this.#socket = dgram.createSocket('udp4')
      // Nobody listens there, as some systems report it: the game is not running.
      this.#socket.on('error', err => this.#log.debug({ code: codeOf(err) }, 'announcing on loopback'))
      this.#socket.bind({ address: LOCALHOST, port: 0, exclusive: true })
    }
    this.#socket.send(payload, port, LOCALHOST)
  }

  async close(): Promise<void> {
    const socket = this.#socket
    this.#socket = null
    if (socket) await new Promise<void>(resolve => socket.close(() => resolve()))
  }
}
