/** How a port map takes part in its game's LAN discovery; one without this takes none. */

import type { Proto } from '../proto.js'
import { isIPv4Loopback, LOCALHOST } from '../text/address.js'
import { type Announces, asksOn, type Queries } from './discovery.js'
import { partsOf } from './map-name.js'
import type { Recipe } from './recipe.js'

export interface Lobby {
  /** The recipe's id. */
  readonly game: string
  /** What people call the server, or else the game: shown in lists and messages. */
  readonly title: string
  readonly discovery: Announces | Queries
}

/**
 * What a map of a game has to do with its discovery.
 * @param name what the map is called, if it is
 * @returns undefined for a protocol that has no part in it
 */
export function lobbyOf(recipe: Recipe, proto: Proto, name?: string): Lobby | undefined {
  const { discovery } = recipe
  if (discovery.how === 'none') return undefined
  // A query is a datagram; an announcement tells the port of the game itself, which comes first.
  const wanted = discovery.how === 'client-queries' ? 'udp' : recipe.ports[0]!.proto
  if (wanted !== (proto === 'tcpudp' ? 'tcp' : proto)) return undefined
  return { game: recipe.id, title: partsOf(name ?? '').own || recipe.name, discovery }
}

/** A guest's map, as far as games can find it. */
export interface FoundMap {
  readonly localHost: string
  readonly localPort: number
  readonly lobby?: Lobby | undefined
}

/** Whether games ask on the local port of a guest's map, and their queries have to be received for it. */
export function isAsked({ lobby, localHost, localPort }: FoundMap): boolean {
  const discovery = lobby?.discovery
  return discovery?.how === 'client-queries' && asksOn(discovery, localPort) && isIPv4Loopback(localHost)
}

/** Whether a map that listens there is found at {@link LOCALHOST}. */
export function isFoundOnLoopback(localHost: string): boolean {
  return [LOCALHOST, 'localhost', '0.0.0.0'].includes(localHost)
}

/** Whether a guest's map gets its server into the LAN list of the game. */
export function isListed(map: FoundMap): boolean {
  if (map.lobby?.discovery.how === 'server-announces') return isFoundOnLoopback(map.localHost)
  // A socket that has all addresses receives the queries itself.
  return isAsked(isFoundOnLoopback(map.localHost) ? { ...map, localHost: LOCALHOST } : map)
}
