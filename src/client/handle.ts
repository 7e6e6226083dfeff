/** What `HyperNat.open` and `HyperNat.connect` take and give. */
import type { EventEmitter } from 'node:events'
import type { ClientMapInfo, ConnectionInfo, PathKind, SharedMapInfo } from '../events.js'
import type { Lobby } from '../games/lobby.js'
import type { PortSet } from '../games/port-set.js'
import type { Proto } from '../proto.js'
import type { DatagramFlow, DatagramOptions, FlowStream, FlowStreamOptions } from '../sockets/flow-stream.js'

/** A port map to open. */
export interface MapToOpen {
  proto: Proto
  /** The port at the server, 1 to 65535. */
  port: number
  /** The port here: 1 to 65535, or 0 for any free one; left out: the server's. A socket with a path has none. */
  localPort?: number
  /** The address here to listen on, 127.0.0.1 if left out; or a socket, `unix:/run/app.sock` or `\\\\.\\pipe\\app`, not for `udp`. */
  localHost?: string
  /** Permission bits of the socket file, 0 to 0o777; 0o600 if left out: for this user alone. */
  socketMode?: number | undefined
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
  /** Whether conversations go to another host of the server when theirs is silent; `udp` only. */
  failover?: boolean | undefined
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
   * Opens a stream to a TCP port of the server, as {@link Connection.stream} does, over the same session.
   * @throws HyperNatError BAD_OPTIONS, TOO_MANY_FLOWS, CLOSED
   */
  stream(proto: Exclude<Proto, 'udp'>, port: number, options?: FlowStreamOptions): FlowStream
  /**
   * Opens a UDP flow to a port of the server, as {@link Connection.datagrams} does.
   * @throws HyperNatError BAD_OPTIONS, CLOSED
   */
  datagrams(port: number, options?: DatagramOptions): DatagramFlow
  /**
   * Other port maps from now on. Those that are as they were stay open, and what goes through them goes on; connections of the
   * others are reset. To be called again when it has settled.
   * @throws HyperNatError PORT_IN_USE, SOCKET_IN_USE, ADDRESS_NOT_HERE, LISTEN_FAILED; none of the new ones is open then
   */
  setMaps(maps: readonly Omit<MapToOpen, 'nextFree' | 'set'>[]): Promise<void>
  /** Ends the session and closes the local ports. */
  close(): Promise<void>
  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

export interface ConnectOptions {
  /** Gives up, and closes what was opened, with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Whether to go on until the server comes, where it is not there now; left out: that is an error. */
  readonly wait?: boolean | undefined
}

export interface StreamOptions extends FlowStreamOptions {
  /** Whether the server shares the port as `tcp` or `tcpudp`; left out: what the server says, or its ticket; `tcp` if neither does. */
  readonly proto?: Exclude<Proto, 'udp'> | undefined
}

export interface ConnectionEvents {
  /** Packets travel another way now. */
  path: [path: PathKind]
  /** There is no connection any more; streams wait for the next one. */
  lost: [code: string]
  /** There is a connection again, and streams go on. */
  back: [path: PathKind]
  closed: []
}

/** What `HyperNat.connect` gives. */
export interface Connection extends EventEmitter<ConnectionEvents> {
  /** The server's, in base58. */
  readonly publicKey: string
  /** The port maps that the server shares with this guest; those of the ticket while there is no connection. */
  readonly maps: readonly SharedMapInfo[]
  /** Path, round trip and loss; null while there is no connection. */
  readonly info: ConnectionInfo | null
  /**
   * Opens a stream to a port of the server, by number or by the name that its ticket has for it. Bytes may be written at once.
   * @throws HyperNatError BAD_OPTIONS for no such port or name, TOO_MANY_FLOWS, CLOSED; later, the stream fails with a code of
   * its own
   */
  stream(port: number | string, options?: StreamOptions): FlowStream
  /**
   * Opens a UDP flow to a port of the server.
   * @throws HyperNatError BAD_OPTIONS, CLOSED
   */
  datagrams(port: number | string, options?: DatagramOptions): DatagramFlow
  /** The round trip in ms; null without a connection, or without an answer in time. */
  ping(): Promise<number | null>
  /** Ends all streams and the session. */
  close(): Promise<void>
  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}
