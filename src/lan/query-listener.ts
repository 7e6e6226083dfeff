/**
 * A guest's side of games that ask the LAN for servers: receives the broadcasts of this machine's own games on the port of a map, for
 * the map to carry them as it carries the game. It sends nothing: answers leave from the map's own socket on loopback, so that the
 * game learns an address which nobody else in the LAN can use.
 */
import type { RemoteInfo } from 'node:dgram'
import type { Lobby } from '../games/lobby.js'
import type { Limits } from '../limits.js'
import { TokenBucket } from '../util/token-bucket.js'
import { type GameListenerDeps, gameListener, type OpenLanListener } from './lan-listener.js'
import { isQuery } from './port-field.js'

export interface QueryListenerParts extends GameListenerDeps {
  readonly lobby: Lobby
  /** The map's local port. */
  readonly port: number
  readonly limits: Pick<Limits, 'lanLookMs' | 'queriesPerSecond' | 'queriesAtOnce'>
  /** A query; the buffer may be kept. */
  readonly onquery: (payload: Uint8Array, from: RemoteInfo) => void
}

/** A listener for the queries of a map that games ask; to be opened. */
export function makeQueryListener(parts: QueryListenerParts): OpenLanListener {
  const { port, clock, limits, onquery } = parts
  const { discovery, title, game } = parts.lobby
  if (discovery.how !== 'client-queries') throw new Error(`${game} does not ask`)
  const bucket = new TokenBucket(limits.queriesPerSecond / 1000, limits.queriesAtOnce)
  const onmessage = (payload: Uint8Array, from: RemoteInfo): void => {
    if (!isQuery(discovery, payload) || !bucket.tryTake(1, clock.now())) return
    onquery(payload, from)
  }
  return gameListener(
    parts,
    { port, onmessage },
    code =>
      `${title} is not in the LAN list of the game yet, as another program has UDP port ${port} (${code}): start hyper-nat before the game, or join by the address.`
  )
}
