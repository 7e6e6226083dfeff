/** What to type into a game or a browser once its ports are open here. */

import type { ClientMapInfo } from '../events.js'
import { guestHelp, serversAmong } from '../games/help.js'
import type { FoundMap } from '../games/lobby.js'
import { partsOf } from '../games/map-name.js'
import type { Recipe } from '../games/recipe.js'
import type { Entry } from '../options/entry.js'
import { hostPort, LOCALHOST, typedHost } from '../text/address.js'
import { formatPorts } from '../text/ports.js'
import { quoteName } from '../text/quote.js'
import { isSocketPath } from '../text/socket-path.js'

/** The game that the name of a port map tells, if it tells one. */
export type GameOf = (name: string | undefined) => Recipe | undefined

/** Ports here that have one name, in the order of the maps. */
interface Place {
  readonly name: string | undefined
  readonly host: string
  readonly ports: Set<number>
  readonly maps: (ClientMapInfo & FoundMap)[]
  udp: boolean
}

/**
 * One line for each name, or for each server of a game: `In "Minecraft", enter 127.0.0.1:25565 (or localhost:25565)`, or what the game's recipe says.
 * @param joined the maps with what their owner calls them
 */
export function joinHints(
  maps: readonly ClientMapInfo[],
  joined: readonly Pick<Entry, 'proto' | 'port' | 'name' | 'lobby'>[],
  gameOf: GameOf = () => undefined
): string {
  const places: Place[] = []
  for (const map of maps) {
    const { proto, port, localHost: host, localPort } = map
    const { name, lobby } = joined.find(one => one.proto === proto && one.port === port) ?? {}
    const place = places.find(one => one.name === name && one.host === host)
    const udp = proto === 'udp'
    if (!place) places.push({ name, host, ports: new Set([localPort]), maps: [{ ...map, lobby }], udp })
    else {
      place.ports.add(localPort)
      place.maps.push({ ...map, lobby })
      place.udp ||= udp
    }
  }
  return places
    .map(place => {
      const game = gameOf(place.name)
      return (game && gameLines(game, place)) ?? line(place)
    })
    .join('')
}

/** One for each server of the game; none where a port that it needs is not open here. */
function gameLines(game: Recipe, { name, maps }: Place): string | undefined {
  const { own } = partsOf(name ?? '')
  const helps = serversAmong(game, maps).map(server => guestHelp(game, server))
  if (helps.includes(undefined)) return undefined
  return helps.map(help => `In ${game.name}${own ? ` (${quoteName(own)})` : ''}: ${help}\n`).join('')
}

function line({ name, host, ports, udp }: Place): string {
  const whose = name === undefined ? 'In the game or program, enter' : `In ${quoteName(name)}, enter`
  const shown = typedHost(host)
  const [first, ...more] = ports
  const local = shown === LOCALHOST && !udp
  if (isSocketPath(shown)) return `${whose} ${shown}\n`
  if (more.length > 0) {
    return `${whose} ${shown}${local ? ' (or localhost)' : ''}, with its port: ${formatPorts([...ports])}\n`
  }
  return `${whose} ${hostPort(shown, first!)}${local ? ` (or localhost:${first})` : ''}\n`
}
