/** What to type into a game or a browser once its ports are open here. */

import type { ClientMapInfo } from '../events.js'
import type { Entry } from '../options/entry.js'
import { formatPorts } from '../options/ports.js'
import { quote } from '../options/quote.js'

/** What programs find under the name localhost; for UDP some take only the IPv6 address, where nobody listens. */
const LOCALHOST = '127.0.0.1'

/** Ports here that have one name, in the order of the maps. */
interface Place {
  readonly name: string | undefined
  readonly host: string
  readonly ports: Set<number>
  udp: boolean
}

/**
 * One line for each name: `In "Minecraft", type 127.0.0.1:25565 (or localhost:25565)`.
 * @param joined the maps with what their owner calls them
 */
export function joinHints(
  maps: readonly ClientMapInfo[],
  joined: readonly Pick<Entry, 'proto' | 'port' | 'name'>[]
): string {
  const places: Place[] = []
  for (const { proto, port, localHost: host, localPort } of maps) {
    const name = joined.find(one => one.proto === proto && one.port === port)?.name
    const place = places.find(one => one.name === name && one.host === host)
    const udp = proto === 'udp'
    if (!place) places.push({ name, host, ports: new Set([localPort]), udp })
    else {
      place.ports.add(localPort)
      place.udp ||= udp
    }
  }
  return places.map(line).join('')
}

function line({ name, host, ports, udp }: Place): string {
  const whose = name === undefined ? 'In the game or program, type' : `In ${quote(name)}, type`
  // The address of any interface is none to connect to.
  const shown = host === '0.0.0.0' || host === '::' ? LOCALHOST : host
  const [first, ...more] = ports
  const address = shown.includes(':') ? `[${shown}]` : shown
  const local = shown === LOCALHOST && !udp
  if (more.length > 0) {
    return `${whose} ${shown}${local ? ' (or localhost)' : ''}, with its port: ${formatPorts([...ports])}\n`
  }
  return `${whose} ${address}:${first}${local ? ` (or localhost:${first})` : ''}\n`
}
