/** How a port map takes part in its game's LAN discovery; one without this takes none. */

import type { Proto } from '../proto.js'
import type { Announces, Queries } from './discovery.js'
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
