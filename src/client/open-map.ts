/** A port map at a client's end: what was asked for, and the local sockets that were opened for it. */
import { isDeepStrictEqual } from 'node:util'
import { type Fault, HyperNatError, OptionsError } from '../errors.js'
import type { ClientMapInfo } from '../events.js'
import type { ClientEntry } from '../options/entry.js'
import { portHolders } from '../programs/port-holder.js'
import { tryPort } from '../sockets/free-ports.js'
import type { Listener } from '../sockets/tcp.js'
import type { UdpListener } from '../sockets/udp.js'
import { SOCKET_MODE } from '../text/socket-path.js'
import { portInUse } from '../util/listen-error.js'
import type { MapToOpen } from './handle.js'

/** A port map to open. */
export type MapEntry = Pick<
  ClientEntry,
  'path' | 'proto' | 'port' | 'localPort' | 'localHost' | 'localHostPath' | 'lobby'
> &
  Pick<MapToOpen, 'socketMode' | 'duplicate' | 'failover'>

/** Where it is written what keeps an entry from being opened. */
function placeOf({ path, localHostPath = path }: MapEntry, { code }: HyperNatError): string {
  return code === 'ADDRESS_NOT_HERE' || code === 'SOCKET_IN_USE' ? localHostPath : path
}

/** The errors of entries, those of ports in use with the name of the program that has the port, where that can be found out. */
export async function withHolders(
  failed: readonly { readonly entry: MapEntry; readonly err: HyperNatError }[]
): Promise<Fault[]> {
  const holders = failed.some(({ err }) => err.code === 'PORT_IN_USE') ? await portHolders() : null
  return failed.map(({ entry, err }) => {
    const { proto, localHost, localPort } = entry
    const transport = proto === 'udp' ? 'udp' : 'tcp'
    const holder = err.code === 'PORT_IN_USE' ? holders?.(transport, localHost, localPort) : undefined
    const kind = transport === 'udp' ? 'UDP' : 'TCP'
    const { code, message } = holder ? portInUse(err.cause, kind, localPort, localHost, holder) : err
    return { path: placeOf(entry, err), message, code }
  })
}

/**
 * Opens each local port and closes it again.
 * @throws OptionsError for all that cannot be had now
 */
export async function tryMaps(entries: readonly MapEntry[]): Promise<void> {
  const failed: { entry: MapEntry; err: HyperNatError }[] = []
  for (const entry of entries) {
    try {
      await tryPort(entry.proto, entry.localHost, entry.localPort)
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      failed.push({ entry, err })
    }
  }
  if (failed.length > 0) throw new OptionsError(await withHolders(failed))
}

/** A port map with its local sockets. */
export interface OpenMap extends ClientMapInfo {
  /** What its game's LAN discovery wants of it. */
  readonly lobby: ClientEntry['lobby']
  /** Receives the queries that games send to the LAN. */
  queryListener: { close(): Promise<void> } | null
  /** Its place among those that the hosts are asked for. */
  readonly index: number
  /** The local port that was asked for: 0 for any free one. */
  readonly wantedPort: number
  /** Permission bits of the socket file. */
  readonly socketMode: number
  listener: Listener | null
  udp: UdpListener | null
  /** Whether small payloads to the server are sent twice. */
  readonly duplicate: boolean
  /** Whether UDP conversations leave a host that is silent. */
  readonly failover: boolean
  /** Whether this process itself uses it: it has no local port. */
  readonly inProcess: boolean
}

/** What is reported of it. */
export function mapInfo({ proto, port, localHost, localPort }: OpenMap): ClientMapInfo {
  return { proto, port, localHost, localPort }
}

/** The part of an open map that its entry decides. */
type Wanted = Pick<
  OpenMap,
  'proto' | 'port' | 'localHost' | 'wantedPort' | 'socketMode' | 'lobby' | 'duplicate' | 'failover'
>

function wantedBy(entry: MapEntry): Wanted {
  const { proto, port, localHost, localPort, socketMode, lobby, duplicate, failover } = entry
  return {
    proto,
    port,
    localHost,
    wantedPort: localPort,
    socketMode: socketMode ?? SOCKET_MODE,
    lobby,
    duplicate: duplicate ?? false,
    failover: failover ?? false
  }
}

/** A map whose sockets are still to be opened. */
export function closedMap(entry: MapEntry, index: number, inProcess: boolean): OpenMap {
  return {
    ...wantedBy(entry),
    index,
    localPort: entry.localPort,
    inProcess,
    queryListener: null,
    listener: null,
    udp: null
  }
}

/** Whether it is what the entry asks for. */
export function isSameMap(map: OpenMap, entry: MapEntry): boolean {
  const wanted = wantedBy(entry)
  return (Object.keys(wanted) as (keyof Wanted)[]).every(key => isDeepStrictEqual(map[key], wanted[key]))
}
