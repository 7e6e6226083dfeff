/** What tickets in client entries stand for: port maps of the entry, and where on the network their servers are. */

import b4a from 'b4a'
import type { Fault } from '../errors.js'
import type { GuestPorts, Ticket } from '../identity/ticket.js'
import type { Proto } from '../proto.js'
import { formatPorts } from '../text/ports.js'
import type { NetworkOptions, RelayName, Warning } from './entry.js'
import type { Places } from './places.js'

/** A port at the server with the protocols to open it in. */
export interface PortToOpen {
  readonly port: number
  readonly protos: readonly Proto[]
  /** The first of its names, unless the entry has one. */
  readonly name?: string | undefined
  readonly guestPorts?: GuestPorts | undefined
}

/** A ticket and the element of `schema` that holds it. */
export interface PlacedTicket {
  readonly index: number
  readonly ticket: Ticket
}

/**
 * The ports of a client's entry: all of the ticket's, or those that the entry names, in the ticket's protocols or the entry's
 * own. With both, the ticket need not know them: its server may share more by now.
 * @returns a fault as the rest of a sentence about `port`, or the ports in the order of the entry or the ticket
 */
export function portsOfTicket(
  ticket: Ticket,
  ports: readonly number[] | undefined,
  protos: readonly Proto[] | undefined
): { readonly ports: readonly PortToOpen[] } | { readonly fault: string } {
  const known = new Map<number, Omit<PortToOpen, 'port'> & { protos: Proto[]; name: string | undefined }>()
  for (const { port, proto, name, guestPorts } of ticket.maps) {
    const one = known.get(port)
    if (!one) known.set(port, { protos: [proto], name, guestPorts })
    else {
      one.protos.push(proto)
      one.name ??= name
    }
  }
  const wanted = ports ?? [...known.keys()].filter(port => !protos || meets(known.get(port)!.protos, protos))
  const unknown = protos ? [] : wanted.filter(port => !known.has(port))
  if (wanted.length === 0) return { fault: 'is missing: the ticket has no port of the protocol in "proto"' }
  if (unknown.length > 0) {
    return {
      fault: `names ${formatPorts(unknown)}, which the ticket does not have; it has ${formatPorts([...known.keys()])}; say in "proto" how to open others`
    }
  }
  return {
    ports: wanted.map(port => {
      const one = known.get(port)
      // Without named ports, a protocol only chooses among the ticket's.
      const own = protos && one && !ports ? one.protos.filter(proto => protos.includes(proto)) : protos
      return { port, protos: own ?? one!.protos, name: one?.name, guestPorts: one?.guestPorts }
    })
  }
}

function meets<T>(some: readonly T[], others: readonly T[]): boolean {
  return some.some(one => others.includes(one))
}

/**
 * The network of all entries together, as one process is in one DHT: what the options name, else what the tickets name.
 * @param others whether there are entries without a ticket, which are for the public DHT unless the options name another
 */
export function networkOf(
  options: NetworkOptions,
  tickets: readonly PlacedTicket[],
  others: boolean,
  places: Places,
  faults: Fault[],
  warnings: Warning[]
): NetworkOptions {
  const relay = [...(options.relay ?? [])]
  for (const name of tickets.flatMap(({ ticket }) => [
    ...(ticket.relays ?? []),
    ...(ticket.addresses ?? [])
  ])) {
    if (!relay.some(known => isSameRelay(known, name))) relay.push(name)
  }
  const bootstrap = options.bootstrap
    ? checkAgainst(options.bootstrap, tickets, places, warnings)
    : fromTickets(tickets, others, places, faults)
  return { ...options, ...(bootstrap && { bootstrap }), ...(relay.length > 0 && { relay }) }
}

function isSameRelay(a: RelayName, b: RelayName): boolean {
  return typeof a === 'string' || typeof b === 'string' ? a === b : b4a.equals(a, b)
}

/** What the options name holds for all; a ticket that names something else is probably for another DHT. */
function checkAgainst(
  bootstrap: readonly string[],
  tickets: readonly PlacedTicket[],
  places: Places,
  warnings: Warning[]
): readonly string[] {
  for (const { index, ticket } of tickets) {
    if (ticket.bootstrap && meets(ticket.bootstrap, bootstrap)) continue
    const message = `its server is in ${dhtOf(ticket.bootstrap)}, but this computer is told to use ${dhtOf(bootstrap)}: unless both are one, the server is not found`
    warnings.push({ code: 'OTHER_DHT', path: ticketPlace(index, places), message })
  }
  return bootstrap
}

function fromTickets(
  tickets: readonly PlacedTicket[],
  others: boolean,
  places: Places,
  faults: Fault[]
): readonly string[] | undefined {
  const [first, ...rest] = tickets
  if (!first) return undefined
  let nodes = others ? undefined : first.ticket.bootstrap
  const lead = others ? 'the other entries are in' : `the server of ${ticketPlace(first.index, places)} is in`
  for (const { index, ticket } of others ? tickets : rest) {
    const { bootstrap } = ticket
    if (!bootstrap && !nodes) continue
    if (bootstrap && nodes && meets(bootstrap, nodes)) nodes = [...new Set([...nodes, ...bootstrap])]
    else {
      const message = `its server is in ${dhtOf(bootstrap)}, ${lead} ${dhtOf(nodes)}, and one process is in one; name the nodes for all in network.bootstrap, or run it from a file of its own`
      faults.push({ path: ticketPlace(index, places), message })
    }
  }
  return nodes
}

function dhtOf(bootstrap: readonly string[] | undefined): string {
  return bootstrap ? `the DHT of ${bootstrap.join(', ')}` : 'the public DHT'
}

function ticketPlace(index: number, places: Places): string {
  return places.field(['schema', index, 'ticket'])
}
