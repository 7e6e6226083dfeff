/** What a session has carried, by port map: plain counters, which the data path adds to and a snapshot reads. */
import type { TcpFlow } from '../flows/tcp.js'
import type { TcpudpFlow } from '../flows/tcpudp.js'
import type { Proto } from '../proto.js'
import { MAX_MAPS } from '../wire/constants.js'
import type { WireMap } from '../wire/handshake.js'

/** What went through one port map. `In` came from the other side, `Out` went there. */
export interface Tally {
  /** TCP connections, or UDP conversations, begun so far. */
  opened: number
  /** Bytes of the programs on both ends, without what carries them. */
  bytesIn: number
  bytesOut: number
  /** UDP payloads; of `udp` maps only. */
  datagramsIn: number
  datagramsOut: number
  /** ARQ segments sent again; of `tcp` and `tcpudp` maps only. */
  retransmissions: number
}

/** The same, with the port map that it is about. */
export interface MapTally extends Tally {
  readonly proto: Proto
  /** The port at the server. */
  readonly port: number
}

/** Counters of nothing yet. */
export function emptyTally(): Tally {
  return { opened: 0, bytesIn: 0, bytesOut: 0, datagramsIn: 0, datagramsOut: 0, retransmissions: 0 }
}

/** Adds up. */
export function addTally(to: Tally, from: Tally): void {
  to.opened += from.opened
  to.bytesIn += from.bytesIn
  to.bytesOut += from.bytesOut
  to.datagramsIn += from.datagramsIn
  to.datagramsOut += from.datagramsOut
  to.retransmissions += from.retransmissions
}

/** How many numbers of maps are remembered: those in use, and the latest before them. */
const NUMBERS = 2 * MAX_MAPS

export class Traffic {
  /** By protocol and port: a map that went and came again goes on counting. */
  readonly #maps = new Map<string, MapTally>()
  readonly #byId = new Map<number, MapTally>()
  /** For numbers that stand for no map: they are the other side's to choose, and must take no memory here. */
  readonly #none = emptyTally()

  /** These numbers stand for these maps from now on. */
  learn(maps: readonly WireMap[]): void {
    for (const { id, proto, port } of maps) {
      this.#byId.delete(id)
      this.#byId.set(id, this.#of(proto, port))
    }
    // Flows of earlier numbers may go on, but the other side may give out new ones as often as it likes.
    for (const id of this.#byId.keys()) {
      if (this.#byId.size <= NUMBERS) return
      this.#byId.delete(id)
    }
  }

  /** The counters of a map by its number on the session. */
  of(id: number): Tally {
    return this.#byId.get(id) ?? this.#none
  }

  /** A UDP conversation begins. */
  converse(map: number): void {
    this.of(map).opened++
  }

  /** A UDP payload came. */
  udpIn(map: number, bytes: number): void {
    const tally = this.of(map)
    tally.datagramsIn++
    tally.bytesIn += bytes
  }

  /** A UDP payload went. */
  udpOut(map: number, bytes: number): void {
    const tally = this.of(map)
    tally.datagramsOut++
    tally.bytesOut += bytes
  }

  /** All that a flow of the ordered stream has carried: at its end, or for a copy. */
  addTcp({ map, bytesIn, bytesOut }: TcpFlow): void {
    const tally = this.of(map)
    tally.opened++
    tally.bytesIn += bytesIn
    tally.bytesOut += bytesOut
  }

  /** The same of an ARQ flow. */
  addTcpudp({ map, stats }: TcpudpFlow): void {
    const tally = this.of(map)
    tally.opened++
    tally.bytesIn += stats.bytesReceived
    tally.bytesOut += stats.bytesSent
    tally.retransmissions += stats.retransmits
  }

  /** Adds what others have counted. */
  add(others: Iterable<MapTally>): void {
    for (const other of others) addTally(this.#of(other.proto, other.port), other)
  }

  /** A copy that can be added to, with the same numbers for the maps. */
  copy(): Traffic {
    const copy = new Traffic()
    copy.add(this.#maps.values())
    for (const [id, { proto, port }] of this.#byId) copy.#byId.set(id, copy.#of(proto, port))
    return copy
  }

  list(): MapTally[] {
    return [...this.#maps.values()]
  }

  #of(proto: Proto, port: number): MapTally {
    const key = `${proto} ${port}`
    let tally = this.#maps.get(key)
    if (!tally) {
      tally = { proto, port, ...emptyTally() }
      this.#maps.set(key, tally)
    }
    return tally
  }
}
