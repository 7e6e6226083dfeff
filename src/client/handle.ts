/** A server's port maps as the library opens them here, on the local ports that were asked for or the next free ones. */

import { codeOf } from '../errors.js'
import type { ClientMapInfo, ConnectionInfo } from '../events.js'
import type { Lobby } from '../games/lobby.js'
import type { PortSet } from '../games/port-set.js'
import type { Proto } from '../proto.js'
import { freePorts, type LocalPlace, type MovedPorts, type WantedPort } from '../sockets/free-ports.js'
import type { ClientStatus } from '../status.js'
import { LOCALHOST } from '../text/address.js'
import { formatPorts } from '../text/ports.js'
import { Client, type ClientParts } from './client.js'
import type { MapEntry } from './open-map.js'

/** A port map to open. */
export interface MapToOpen {
  proto: Proto
  /** The port at the server, 1 to 65535. */
  port: number
  /** The port here: 1 to 65535, or 0 for any free one; left out: the server's. */
  localPort?: number
  /** The address here to listen on; 127.0.0.1 if left out. */
  localHost?: string
  /** How games here find it (`lobbyOf` makes it of a recipe); left out: not in their LAN lists. */
  lobby?: Lobby
  /**
   * When the local port is in use, or not for this user: take the next free one, and tell so by a `warning` event of code
   * `PORT_MOVED`. Maps of one local port stay together. Left out: opening fails.
   */
  nextFree?: boolean
  /** The maps that it depends on (`portSetOf` makes it of a recipe or a ticket), all with `nextFree`; left out: none. */
  set?: PortSet | undefined
  /** Whether small payloads to the server are sent twice, for lines that lose packets; `udp` only. */
  duplicate?: boolean | undefined
  /** Where it was written, for error messages; and where `localHost` was. */
  path?: string
  localHostPath?: string
}

/** What `HyperNat.open` gives. */
export interface Opened {
  /** The maps with the local ports that were bound. */
  readonly maps: readonly ClientMapInfo[]
  /** The connection to the host that new flows go to, of perhaps several under the server's secret; null while there is none. */
  readonly connection: ConnectionInfo | null
  /** The connections to all hosts. */
  readonly connections: readonly ConnectionInfo[]
  /**
   * Whether the router of the host in use takes another port for each partner, as it said itself when it was dialled; null
   * when it did not come to that.
   */
  readonly serverIsRandom: boolean | null
  /**
   * Measures the path once, with a packet of the session's own.
   * @param host the name of the host to ask; the one that new flows go to if left out
   * @returns the round trip in ms; null without a connection, or without an answer within `answerMs`
   */
  ping(host?: string): Promise<number | null>
  /**
   * Other port maps from now on. Those that are as they were stay open, and what goes through them goes on; connections of the
   * others are reset. To be called again when it has settled.
   * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE, LISTEN_FAILED; none of the new ones is open then
   */
  setMaps(maps: readonly Omit<MapToOpen, 'nextFree' | 'set'>[]): Promise<void>
  close(): Promise<void>
}

/** What opened maps need besides the maps. */
export interface OpenedMapsParts extends ClientParts {
  /** Hears that they are being closed. */
  readonly onclose: () => void
}

/** A map with its port here, which may make way. */
type WantedMap = MapEntry & WantedPort

export class OpenedMaps implements Opened {
  readonly #parts: OpenedMapsParts
  readonly #client: Client

  constructor(parts: OpenedMapsParts) {
    this.#parts = parts
    this.#client = new Client(parts)
  }

  /**
   * Binds the local ports, those in use exchanged for the next free ones where that will do, and begins to dial.
   * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE, LISTEN_FAILED, CLOSED; it is closed then
   */
  async open(maps: readonly MapToOpen[]): Promise<void> {
    const wanted = maps.map(map => ({ ...mapEntry(map), nextFree: map.nextFree ?? false, set: map.set }))
    try {
      await this.#listen(wanted)
    } catch (err) {
      await this.close()
      throw err
    }
    this.#client.start()
  }

  get maps(): readonly ClientMapInfo[] {
    return this.#client.maps
  }

  get connection(): ConnectionInfo | null {
    return this.#client.connection
  }

  get connections(): readonly ConnectionInfo[] {
    return this.#client.connections
  }

  get serverIsRandom(): boolean | null {
    return this.#client.serverIsRandom
  }

  ping(host?: string): Promise<number | null> {
    return this.#client.ping(host)
  }

  status(): ClientStatus {
    return this.#client.status()
  }

  setMaps(maps: readonly Omit<MapToOpen, 'nextFree' | 'set'>[]): Promise<void> {
    return this.#client.setMaps(maps.map(mapEntry))
  }

  close(): Promise<void> {
    this.#parts.onclose()
    return this.#client.close()
  }

  async #listen(wanted: readonly WantedMap[]): Promise<void> {
    const { limits } = this.#parts
    for (let tries = limits.nextFreeTries; ; tries--) {
      const { places, moved } = await freePorts(wanted, limits.nextFreePorts)
      const entries = wanted.map((map, i) => ({ ...map, ...places[i]! }))
      try {
        await this.#client.listen(entries)
      } catch (err) {
        // Taken since it was found free.
        if (codeOf(err) === 'PORT_IN_USE' && tries > 1 && wanted.some(({ nextFree }) => nextFree)) continue
        throw err
      }
      for (const group of moved) this.#tellMoved(group, wanted, places)
      return
    }
  }

  #tellMoved(
    { members, set, cause }: MovedPorts,
    wanted: readonly WantedMap[],
    places: readonly LocalPlace[]
  ): void {
    const maps = members.map(index => ({ ...wanted[index]!, now: places[index]! }))
    // Games of this kind take their server's port for themselves, and go on to the next one when it is taken.
    const advice = maps.some(({ lobby }) => lobby?.discovery.how === 'client-queries')
      ? ' Start hyper-nat before the game, and it stays the same.'
      : ''
    const { localHost, localPort } = maps[0]!.now
    const there = formatPorts([...new Set(maps.map(({ port }) => port))])
    const here = formatPorts([...new Set(maps.map(({ now }) => now.localPort))])
    const several = there.includes(',') || there.includes('-')
    const where =
      localHost !== maps[0]!.localHost
        ? `all of ${set?.title ?? 'it'} is at ${localHost} here, with the same port numbers, which it needs`
        : several
          ? `ports ${there} of the server are at ${here} here: ${set?.title ?? 'they'} moved together`
          : `port ${there} of the server is at ${localPort === 0 ? 'any free port' : `port ${here}`} here`
    this.#parts.emit({ event: 'warning', code: 'PORT_MOVED', message: `${cause}, so ${where}.${advice}` })
  }
}

function mapEntry({
  path,
  localHostPath,
  proto,
  port,
  localPort = port,
  localHost = LOCALHOST,
  lobby,
  duplicate = false
}: Omit<MapToOpen, 'nextFree' | 'set'>): MapEntry {
  const place = { path: path ?? `${proto} ${port}`, proto, port, localPort, localHost }
  return { ...place, ...(localHostPath && { localHostPath }), duplicate, ...(lobby && { lobby }) }
}
