/** The flags of `hyper-nat join`, turned into what a file would hold; and back, with the ports that were bound. */

import { type Fault, OptionsError } from '../errors.js'
import { isCalled } from '../games/map-name.js'
import type { PortSet } from '../games/port-set.js'
import { decodeTicket, type Ticket } from '../identity/ticket.js'
import type { Proto } from '../proto.js'
import { LOCALHOST } from '../text/address.js'
import { formatPorts, PORT_MAX, parsePorts } from '../text/ports.js'
import { quote, quoteName } from '../text/quote.js'
import { isSocketPath } from '../text/socket-path.js'
import { checkJoined } from './arguments.js'
import { checkOptions } from './check.js'
import type { RawEntry } from './edit.js'
import type { ClientEntry, Options, Warning } from './entry.js'
import { type NetworkFlags, networkPlaces, withNetwork } from './network-flags.js'
import { portsOfTicket } from './tickets.js'

/** What the command line of `join` says, as text; undefined where a flag is not given. */
export interface JoinFlags extends NetworkFlags {
  readonly ticket: string
  /** What to add to each port. */
  readonly offset?: string | undefined
  /** Names and ports of those to open. */
  readonly only?: readonly string[] | undefined
  readonly localPorts?: string | undefined
  readonly localHost?: string | undefined
  /** Permissions of a socket in localHost. */
  readonly socketMode?: string | undefined
  /** False: the LAN lists of games here are left alone. */
  readonly discovery?: boolean | undefined
  readonly duplicate?: boolean | undefined
}

/** A port map that is open, or is to be opened. */
interface Opened {
  readonly proto: Proto
  readonly port: number
  readonly localPort: number
  /** Left out: as all others. */
  readonly localHost?: string | undefined
}

/** A port at the server with one local port. */
interface Item {
  readonly port: number
  readonly localPort: number
  readonly localHost: string | undefined
  readonly protos: Proto[]
}

const PLACES: Record<string, string> = {
  localPort: '-l',
  localHost: '--local-host',
  socketMode: '--socket-mode',
  duplicate: '--duplicate'
}

/**
 * Options of `hyper-nat join`; local ports that are in use make way for the next free ones.
 * @throws HyperNatError a code of `decodeTicket`
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag
 */
export function joinOptions(flags: JoinFlags): Options {
  const ticket = decodeTicket(flags.ticket)
  const faults: Fault[] = []
  const ports = choose(ticket, flags.only, faults)
  const localPorts = localPortsOf(ports, flags, faults)
  const maps = ticket.maps.flatMap(({ proto, port }) => {
    const localPort = localPorts.get(port)
    return localPort === undefined ? [] : [{ proto, port, localPort }]
  })
  const raw = { schema: joinEntries(flags.ticket, ticket, apart(maps), flags) }
  const field = (path: readonly PropertyKey[]): string => PLACES[String(path.at(-1))] ?? 'TICKET'
  const places = networkPlaces({ field, entry: () => 'TICKET' }, flags)
  if (faults.length > 0) throw new OptionsError(faults)
  const options = checkOptions(withNetwork(raw, flags), places)
  const clients = options.entries.filter(entry => entry.mode === 'client')
  const wide = new Map<string, PortSet>()
  for (const { set } of clients) if (set && !isKept(set, clients)) wide.set(set.id, set)
  const entries = clients.map(({ set, ...entry }) => ({
    ...entry,
    nextFree: true,
    ...(set && !wide.has(set.id) && { set })
  }))
  const warnings = [...wide.values()].map(({ title, guestPorts }): Warning => {
    const needs = guestPorts === 'same' ? 'the port numbers that the server has' : 'its ports side by side'
    return {
      code: 'PORTS_APART',
      path: flags.offset === undefined ? '-l' : '--offset',
      message: `${title} needs ${needs} here, and may not work without`
    }
  })
  return { ...options, entries, warnings: [...options.warnings, ...warnings] }
}

/** Whether the local ports of a set are as its game needs them. */
function isKept({ id, guestPorts }: PortSet, entries: readonly ClientEntry[]): boolean {
  const shifts = entries.flatMap(({ set, port, localPort, proto }) =>
    // A second listener for TCP has any port.
    set?.id === id && !(proto === 'tcpudp' && localPort === 0) ? [localPort - port] : []
  )
  return shifts.every(shift => shift === (guestPorts === 'same' ? 0 : shifts[0]))
}

/**
 * The entries of options.json that open these maps of a ticket: one for all of them if each is where the ticket says.
 * @param text the ticket as it is written there
 * @param extra.discovery false: the LAN lists of games here are left alone
 * @param extra.duplicate for the entries with udp; for all, whose fault it is then, where there are none
 * @throws OptionsError BAD_OPTIONS
 */
export function joinEntries(
  text: string,
  ticket: Ticket,
  opened: readonly Opened[],
  {
    localHost,
    socketMode,
    discovery = true,
    duplicate
  }: Pick<JoinFlags, 'localHost' | 'socketMode' | 'discovery' | 'duplicate'> = {}
): RawEntry[] {
  checkJoined(text, ticket, opened)
  const common = {
    mode: 'client',
    ticket: text.replace(/\s+/g, ''),
    ...(localHost !== undefined && { localHost }),
    ...(socketMode !== undefined && { socketMode }),
    ...(!discovery && { discovery })
  }
  if (localHost !== undefined && isSocketPath(localHost)) return joinSocket(opened, common)
  const asIs = new Set(apart(ticket.maps.map(map => ({ ...map, localPort: map.port }))).map(keyOf))
  const usual = localHost ?? LOCALHOST
  const maps = opened.map(map => (map.localHost === usual ? { ...map, localHost: undefined } : map))
  const anyUdp = maps.some(({ proto }) => proto === 'udp')
  const doubled = (protos: readonly Proto[]) =>
    duplicate && (protos.includes('udp') || !anyUdp) ? { duplicate } : {}
  if (maps.length === asIs.size && maps.every(map => asIs.has(keyOf(map)))) {
    return [{ ...common, ...doubled(maps.map(({ proto }) => proto)) }]
  }
  const groups = new Map<string, Item[]>()
  for (const item of toItems(maps)) {
    // Any free port for one is any for all of a list.
    const key = `${item.protos.join('+')} ${item.localPort === 0} ${item.localHost}`
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  const { mode, ...rest } = common
  return [...groups.values()].map(items => ({
    mode,
    proto: items[0]!.protos.join('+'),
    port: portText(items.map(({ port }) => port)),
    localPort: items[0]!.localPort === 0 ? 0 : portText(items.map(({ localPort }) => localPort)),
    ...rest,
    ...(items[0]!.localHost !== undefined && { localHost: items[0]!.localHost }),
    ...doubled(items[0]!.protos)
  }))
}

/** The same where a socket with a path is in place of local ports. */
function joinSocket(opened: readonly Opened[], common: RawEntry): RawEntry[] {
  return opened.map(({ proto, port }) => ({ ...common, proto, port }))
}

function keyOf({ proto, port, localPort, localHost }: Opened): string {
  return `${proto} ${port} ${localPort} ${localHost}`
}

/** A port as a number, several as a list. */
function portText(ports: readonly number[]): number | string {
  return ports.length === 1 ? ports[0]! : formatPorts(ports)
}

function toItems(maps: readonly Opened[]): Item[] {
  const items = new Map<string, Item>()
  for (const { proto, port, localPort, localHost } of maps) {
    const key = `${port} ${localPort} ${localHost}`
    const item = items.get(key)
    if (item) item.protos.push(proto)
    else items.set(key, { port, localPort, localHost, protos: [proto] })
  }
  return [...items.values()]
}

/** Both `tcp` and `tcpudp` listen for TCP: where they have one local port, the second takes any free one. */
function apart(maps: readonly Opened[]): Opened[] {
  const tcp = new Set(maps.flatMap(({ proto, localPort }) => (proto === 'tcp' ? [localPort] : [])))
  return maps.map(map => (map.proto === 'tcpudp' && tcp.has(map.localPort) ? { ...map, localPort: 0 } : map))
}

/** The ports that `--only` names, in the ticket's order; all without it. */
function choose(ticket: Ticket, only: readonly string[] | undefined, faults: Fault[]): number[] {
  const all = portsOfTicket(ticket, undefined, undefined)
  const known = 'ports' in all ? all.ports.map(({ port }) => port) : []
  if (only === undefined) return known
  const wanted = new Set<number>()
  for (const word of only) {
    // A name may hold a comma.
    for (const item of named(ticket, word).length > 0 ? [word] : word.split(',')) {
      const text = item.trim()
      if (text === '') continue
      const numbers = parsePorts(text)
      const found = [...named(ticket, text), ...('ports' in numbers ? numbers.ports : [])].filter(port =>
        known.includes(port)
      )
      for (const port of found) wanted.add(port)
      if (found.length === 0)
        faults.push({ path: '--only', message: `names ${quote(text)}; ${holds(ticket)}` })
    }
  }
  if (wanted.size === 0 && faults.length === 0)
    faults.push({ path: '--only', message: `names nothing; ${holds(ticket)}` })
  return known.filter(port => wanted.has(port))
}

function named(ticket: Ticket, text: string): number[] {
  return ticket.maps.flatMap(({ name, port }) => (isCalled(name, text) ? [port] : []))
}

function holds({ maps }: Ticket): string {
  const names = [...new Set(maps.flatMap(({ name }) => (name === undefined ? [] : [quoteName(name)])))]
  const ports = formatPorts([...new Set(maps.map(({ port }) => port))])
  return `the ticket has ${names.length > 0 ? `${names.join(', ')} and ` : ''}port ${ports}`
}

function localPortsOf(ports: readonly number[], flags: JoinFlags, faults: Fault[]): Map<number, number> {
  const { offset, localPorts, localHost = '' } = flags
  if (isSocketPath(localHost)) {
    const message = 'cannot be combined with a socket in --local-host, which has no port; give one of them'
    if (offset !== undefined) faults.push({ path: '--offset', message })
    if (localPorts !== undefined) faults.push({ path: '-l', message })
    return new Map(ports.map(port => [port, 0]))
  }
  if (offset !== undefined && localPorts !== undefined) {
    faults.push({ path: '--offset', message: 'cannot be combined with -l; give one of them' })
  } else if (offset !== undefined) {
    const by = /^[+-]?\d{1,5}$/.test(offset.trim()) ? Number(offset) : Number.NaN
    const bad = ports.filter(port => !(port + by >= 1 && port + by <= PORT_MAX))
    if (bad.length === 0 && !Number.isNaN(by)) return new Map(ports.map(port => [port, port + by]))
    const message = Number.isNaN(by)
      ? `is ${quote(offset)}; give a whole number to add to each port, such as 1000, or --offset=-1000`
      : `leads port ${formatPorts(bad)} out of 1 to ${PORT_MAX}`
    faults.push({ path: '--offset', message })
  } else if (localPorts !== undefined) {
    const given = parsePorts(localPorts, 0)
    if ('fault' in given) faults.push({ path: '-l', message: given.fault })
    else if (given.ports.length === 1 && given.ports[0] === 0) return new Map(ports.map(port => [port, 0]))
    else if (given.ports.length === ports.length)
      return new Map(ports.map((port, i) => [port, given.ports[i]!]))
    else if (ports.length > 0) {
      const message = `names ${given.ports.length === 1 ? '1 local port' : `${given.ports.length} local ports`} (${formatPorts(given.ports)}) for ${ports.length} of the ticket (${formatPorts(ports)}); give as many, or -l 0 for any free ones`
      faults.push({ path: '-l', message })
    }
  }
  return new Map(ports.map(port => [port, port]))
}

/** Ports that a ticket may open without a question: more than the largest recipe has. */
const FEW_PORTS = 150

/** So many of them are named. */
const SHOWN_PORTS = 100

/** Ports below are those of services of the system. */
const FIRST_FREE_PORT = 1024

/** Others, of TCP, at which programs of this computer expect its own services, and tell them passwords. */
const SERVICE_PORTS: ReadonlySet<number> = new Set([
  1433, 1521, 2375, 3306, 3389, 5432, 5672, 5900, 5985, 6379, 9200, 11211, 27017
])

/**
 * What is unusual about these entries, as the end of a sentence: the number of ports, or ports of services on this computer.
 * @param chosen whether the user named the local ports
 */
export function surpriseOf(entries: readonly ClientEntry[], chosen: boolean): string | undefined {
  const ports = (some: readonly ClientEntry[]): string => {
    const all = [...new Set(some.map(({ localPort }) => localPort))].sort((a, b) => a - b)
    return formatPorts(all.slice(0, SHOWN_PORTS)) + (all.length > SHOWN_PORTS ? ',..' : '')
  }
  if (entries.length > FEW_PORTS) return `opens ${entries.length} ports on this computer: ${ports(entries)}`
  const services = entries.filter(isAtService)
  if (chosen || services.length === 0) return undefined
  return `opens ports where programs on this computer look for its own services: ${ports(services)}`
}

function isAtService({ proto, localPort }: ClientEntry): boolean {
  if (localPort === 0) return false
  return localPort < FIRST_FREE_PORT || (proto !== 'udp' && SERVICE_PORTS.has(localPort))
}
