/** From a checked element of `schema` to its port maps, an entry each, and what is wrong with them. */
import type { z } from 'zod'
import { codeOf, type ErrorCode, type Fault } from '../errors.js'
import { knownGames } from '../games/games.js'
import { lobbyOf } from '../games/lobby.js'
import { mapName } from '../games/map-name.js'
import { portSetOf } from '../games/port-set.js'
import { type GamePort, portsOfGame, type Recipe } from '../games/recipe.js'
import { GuestKey } from '../identity/guest.js'
import type { Proto } from '../proto.js'
import { formatPorts } from '../text/ports.js'
import { quote } from '../text/quote.js'
import { isSocketPath } from '../text/socket-path.js'
import type { Placed } from './conflicts.js'
import type { ClientEntry, ServerEntry, Warning } from './entry.js'
import { featureFaults, featuresOn } from './features.js'
import type { Places } from './places.js'
import type { clientEntry, serverEntry } from './schema.js'
import { portsOfTicket } from './tickets.js'

const DEFAULT_PROTOS = ['udp'] as const

/** What is found in entries besides their port maps; added to. */
export interface Found {
  readonly faults: Fault[]
  readonly warnings: Warning[]
}

export function expandServer(
  entry: z.output<typeof serverEntry>,
  index: number,
  places: Places,
  found: Found
): Placed<ServerEntry>[] {
  const { faults } = found
  const { mode, host, secret } = entry
  const game = entry.game === undefined ? undefined : gameOf(entry.game, index, places, faults)
  if (game === null) return []
  const name = game ? mapName(game, entry.name) : entry.name
  const ports = game
    ? portsFrom(game, entry.optionalPorts, entry.port, index, places, found)
    : listedPorts(entry)
  const path = places.entry(index)
  const protosOfAll = ports.flatMap(({ protos }) => protos)
  faults.push(...featureFaults(entry, protosOfAll, feature => places.field(['schema', index, feature])))
  faults.push(...socketFaults(host, protosOfAll, places.field(['schema', index, 'host'])))
  return ports.flatMap(({ port, protos }) =>
    protos.map(proto => {
      const isShown = entry.discovery !== false && !isSocketPath(host)
      const lobby = game && isShown ? lobbyOf(game, proto, name) : undefined
      return {
        index,
        entry: {
          mode,
          path,
          ...(name !== undefined && { name }),
          proto,
          port,
          host,
          ...featuresOn(entry, proto),
          secret,
          ...(lobby && { lobby }),
          ...(game?.guestPorts && { guestPorts: game.guestPorts }),
          ...(entry.paused === true && { paused: true as const })
        }
      }
    })
  )
}

/** The ports that an entry without a game lists. */
function listedPorts({ port, proto }: Pick<z.output<typeof serverEntry>, 'port' | 'proto'>) {
  return port!.map(port => ({ port, protos: proto ?? DEFAULT_PROTOS }))
}

/** A socket with a path carries streams. */
function socketFaults(host: string, protos: readonly Proto[], path: string): Fault[] {
  if (!isSocketPath(host) || !protos.includes('udp')) return []
  const message = `is ${quote(host)}, which carries tcp and tcpudp, but this is ${[...new Set(protos)].join('+')}; give proto tcp, or an address`
  return [{ path, message }]
}

/** The recipe that an entry names; null when there is none, which is reported as a fault. */
function gameOf(word: string, index: number, places: Places, faults: Fault[]): Recipe | null {
  const games = knownGames()
  const recipe = games.find(word)
  if (recipe) return recipe
  faults.push({
    path: places.field(['schema', index, 'game']),
    message: games.unknown(word),
    code: 'UNKNOWN_GAME'
  })
  return null
}

/** The ports of a game, those in `port` in the place of its own. */
function portsFrom(
  game: Recipe,
  optional: boolean | undefined,
  moved: readonly number[] | undefined,
  index: number,
  places: Places,
  { faults, warnings }: Found
): readonly GamePort[] {
  const result = portsOfGame(game, optional, moved)
  const path = places.field(['schema', index, 'port'])
  if ('ports' in result) {
    if (result.stay !== undefined) warnings.push({ code: 'PORTS_STAY', path, message: result.stay })
    return result.ports
  }
  faults.push({ path, message: result.fault })
  return []
}

export function expandClient(
  entry: z.output<typeof clientEntry>,
  index: number,
  places: Places,
  found: Found
): Placed<ClientEntry>[] {
  const { faults } = found
  const { mode, localHost, ticket } = entry
  const place = (key: string): string => places.field(['schema', index, key])
  let guest: GuestKey | undefined
  try {
    guest = ticket?.invite && new GuestKey(ticket.invite)
  } catch (err) {
    const message = 'holds an invite of a kind that this hyper-nat cannot use; update it'
    faults.push({ path: place('ticket'), message, code: codeOf(err) as ErrorCode })
    return []
  }
  const game = entry.game === undefined ? undefined : gameOf(entry.game, index, places, faults)
  if (game === null) return []
  const open: ReturnType<typeof portsOfTicket> = ticket
    ? portsOfTicket(ticket, entry.port, entry.proto)
    : game
      ? { ports: portsFrom(game, false, entry.port, index, places, found) }
      : { ports: listedPorts(entry) }
  if ('fault' in open) {
    faults.push({ path: place('port'), message: open.fault })
    return []
  }
  // Their faults have been reported, and the rest depends on them.
  if (open.ports.length === 0) return []
  const { duplicate, failover } = entry
  const protos = [...new Set(open.ports.flatMap(({ protos }) => protos))]
  faults.push(...featureFaults({ duplicate }, protos, place))
  if (failover && !protos.includes('udp')) {
    faults.push({
      path: place('failover'),
      message: `is for udp, but this is ${protos.join('+')}; leave it out`
    })
  }
  const ports = open.ports.map(({ port }) => port)
  const isSocket = isSocketPath(localHost)
  faults.push(...socketFaults(localHost, protos, place('localHost')))
  if (isSocket && entry.localPort) {
    const message = 'cannot be combined with a socket in localHost, which has no port; take it out'
    faults.push({ path: place('localPort'), message })
  }
  if (!isSocket && entry.socketMode !== undefined) {
    const message = 'goes with a socket in localHost only, such as unix:/run/app.sock; take it out'
    faults.push({ path: place('socketMode'), message })
  }
  const localPorts = isSocket ? [0] : (entry.localPort ?? ports)
  const anyFree = localPorts.length === 1 && localPorts[0] === 0
  if (!anyFree && localPorts.length !== ports.length) {
    const whose = entry.port ? `${place('port')} names` : ticket ? 'the ticket names' : 'the game has'
    faults.push({
      path: place('localPort'),
      message: `names ${count(localPorts)}, but ${whose} ${count(ports)}; give as many, or 0 for any free ones`
    })
    return []
  }
  const path = places.entry(index)
  return open.ports.flatMap(({ port, protos, name: known, guestPorts }, i) =>
    protos.map((proto): Placed<ClientEntry> => {
      const name = entry.name ?? known
      const played = game ?? (known === undefined ? undefined : knownGames().ofMap(known))
      const lobby =
        played && entry.discovery !== false && !isSocket
          ? lobbyOf(played, proto, known ?? entry.name)
          : undefined
      // Both listen for TCP; nobody asked for both but the ticket.
      const set = portSetOf(known ?? entry.name, guestPorts, played)
      const second = ticket && !entry.localPort && proto === 'tcpudp' && protos.includes('tcp')
      return {
        index,
        entry: {
          mode,
          path,
          ...(name !== undefined && { name }),
          proto,
          port,
          localPort: anyFree || second ? 0 : localPorts[i]!,
          localHost,
          localHostPath: place('localHost'),
          ...(isSocket && entry.socketMode !== undefined && { socketMode: entry.socketMode }),
          ...(duplicate && proto === 'udp' && { duplicate }),
          ...(failover && proto === 'udp' && { failover }),
          publicKey: ticket?.publicKey ?? entry.publicKey!,
          ...(lobby && { lobby }),
          ...(guest && { guest }),
          ...(set && { set })
        }
      }
    })
  )
}

function count(ports: readonly number[]): string {
  return `${ports.length} port${ports.length === 1 ? '' : 's'} (${formatPorts(ports)})`
}
