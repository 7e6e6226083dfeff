/** What `HyperNat.open` takes and gives. */
import type { ClientMapInfo, ConnectionInfo } from '../events.js'
import type { Lobby } from '../games/lobby.js'
import type { PortSet } from '../games/port-set.js'
import type { Proto } from '../proto.js'

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
export interface ClientHandle {
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
  /** Ends the session and closes the local ports. */
  close(): Promise<void>
  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
