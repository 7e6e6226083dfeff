/** The tickets that a server gives away: as much of what it knows as one ticket holds. */

import { HyperNatError } from '../errors.js'
import type { Invite } from './access-rules.js'
import { GuestKey } from './guest.js'
import type { KeyPair } from './keys.js'
import {
  encodeTicket,
  refuseTypes,
  TICKET_ADDRESSES,
  TICKET_BOOTSTRAP,
  TICKET_RELAYS,
  type Ticket,
  type TicketMap,
  ticketName
} from './ticket.js'

/** What a ticket is written from: relays of both kinds in one list, as options name them. */
export interface TicketContents extends Omit<Ticket, 'relays' | 'addresses'> {
  readonly relays?: readonly (Uint8Array | string)[]
}

/**
 * Writes a ticket, with names shortened, or left out where they do not fit, and only the first relays and DHT nodes where there are more than fit.
 * @throws HyperNatError `TICKET_TOO_LONG` when the ports alone are too many, `BAD_TICKET` when a part cannot be in a ticket
 */
export function serverTicket(contents: TicketContents): string {
  refuseTypes(contents)
  const { maps, relays = [], bootstrap = [], ...rest } = contents
  const named = alike(
    maps.map(({ proto, port, name, guestPorts }) => {
      const fitting = name === undefined ? undefined : ticketName(name)
      return {
        proto,
        port,
        ...(fitting !== undefined && { name: fitting }),
        ...(guestPorts !== undefined && { guestPorts })
      }
    })
  )
  const ticket: Ticket = {
    ...rest,
    maps: named,
    relays: relays.filter(relay => typeof relay !== 'string').slice(0, TICKET_RELAYS),
    addresses: relays.filter(relay => typeof relay === 'string').slice(0, TICKET_ADDRESSES),
    bootstrap: bootstrap.slice(0, TICKET_BOOTSTRAP)
  }
  // Names are for comfort, save where they tell which ports a game needs together.
  const nameless = named.map(({ name: _, ...map }) => map)
  const shorter = named.map((map, i) => (map.guestPorts ? map : nameless[i]!))
  return (
    encodeIfShort(ticket) ??
    encodeIfShort({ ...ticket, maps: alike(shorter) }) ??
    encodeTicket({ ...ticket, maps: alike(nameless) })
  )
}

/** Undefined for a ticket that is too long. */
function encodeIfShort(ticket: Ticket): string | undefined {
  try {
    return encodeTicket(ticket)
  } catch (err) {
    if (err instanceof HyperNatError && err.code === 'TICKET_TOO_LONG') return undefined
    throw err
  }
}

/** Maps that have one name here need the strictest of what each of them needs. */
function alike(maps: readonly TicketMap[]): TicketMap[] {
  const needs = new Map<string | undefined, TicketMap['guestPorts']>()
  for (const { name, guestPorts } of maps) {
    if (guestPorts && needs.get(name) !== 'same') needs.set(name, guestPorts)
  }
  return maps.map(map => {
    const guestPorts = needs.get(map.name)
    return guestPorts ? { ...map, guestPorts } : map
  })
}

/**
 * The ticket of one guest: a secret, as who has it is that guest.
 * @param server the server's own key pair
 * @param what the rest of what the server's tickets hold; of the maps, the guest's
 * @throws HyperNatError as {@link serverTicket}
 */
export function inviteTicket(
  server: KeyPair,
  { name, madeFor, nonce, maps: own }: Pick<Invite, 'name' | 'madeFor' | 'nonce' | 'maps'>,
  what: Pick<TicketContents, 'maps' | 'relays' | 'bootstrap'>
): string {
  const maps = own
    ? what.maps.filter(map => own.some(({ proto, port }) => proto === map.proto && port === map.port))
    : what.maps
  return serverTicket({
    ...what,
    publicKey: server.publicKey,
    maps,
    invite: GuestKey.of(server, madeFor ?? name, nonce).invite
  })
}
