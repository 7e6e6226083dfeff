/**
 * A ticket: everything that a friend needs to reach a server, as one text. The layout is in TICKET.md, which changes with
 * this file and with ticket-text.ts.
 *
 *     Ticket -> fields -> body -> text (ticket-text.ts), and back
 */

import sodium from 'sodium-native'
import { HyperNatError } from '../errors.js'
import type { Proto } from '../proto.js'
import { bootstrapFault, relayUrlFault } from '../text/hosts.js'
import { Reader, writeVarint } from '../wire/bytes.js'
import { KEY_BYTES } from './keys.js'
import { bad, newer } from './ticket-faults.js'
import { ticketBody, ticketText } from './ticket-text.js'

/** A port map as a ticket names it. */
export interface TicketMap {
  readonly proto: Proto
  /** The port at the server: 1 to 65535. */
  readonly port: number
  /** What its owner calls it: up to {@link NAME_BYTES} bytes of UTF-8, nothing that does not print. */
  readonly name?: string
  /** What the maps of this name need of their ports at a guest; left out: nothing. Maps of one name have it alike. */
  readonly guestPorts?: GuestPorts
}

/**
 * What programs need of local ports that lead to several ports of one server. `same`: the numbers of the server; `together`: those
 * plus one offset for all.
 */
export type GuestPorts = 'same' | 'together'

/** What a ticket holds. */
export interface Ticket {
  /** The server's, 32 bytes. */
  readonly publicKey: Uint8Array
  /** What it shares: one at least, none twice. */
  readonly maps: readonly TicketMap[]
  /** Public keys of relays, 32 bytes each, the preferred first. */
  readonly relays?: readonly Uint8Array[]
  /** Addresses of relays by TCP (`wss://..`), the preferred first: for guests whose network blocks UDP. */
  readonly addresses?: readonly string[]
  /** `host:port` of the DHT that the server is in; left out: the public one. */
  readonly bootstrap?: readonly string[]
  /**
   * What makes the ticket one guest's, up to {@link INVITE_BYTES} bytes: 32 are the seed of the guest's key pair
   * (identity/guest.ts). A ticket with it is a secret.
   */
  readonly invite?: Uint8Array
}

/** Bytes of a map's name. */
export const NAME_BYTES = 64

/** Bytes of an invite. */
export const INVITE_BYTES = 64

/** Relays in one ticket: further ones are asked only when all before them fail. */
export const TICKET_RELAYS = 4

/** Addresses of relays by TCP in one ticket. */
export const TICKET_ADDRESSES = 4

/** DHT nodes in one ticket: one that answers is enough to find the others. */
export const TICKET_BOOTSTRAP = 4

/** Port maps that a few bytes of ranges may stand for. */
const MAPS_MAX = 12_288

/** Fields of a body. One with an odd number may be passed over by who does not know it. */
const FIELD = { maps: 0, relays: 1, bootstrap: 2, addresses: 3, invite: 4, guestPorts: 5 } as const

/** The bytes of {@link GuestPorts}; 0 is for none. */
const GUEST_PORTS: readonly (GuestPorts | undefined)[] = [undefined, 'together', 'same']

/** Bits of a port map's first byte. */
const MAP_RANGE = 8
const MAP_NAME = 16
const MAP_KNOWN = 31
const PROTO_BITS: readonly (readonly [Proto, number])[] = [
  ['udp', 1],
  ['tcp', 2],
  ['tcpudp', 4]
]

/** Consecutive ports that share protocols and name. */
interface Run {
  first: number
  last: number
  readonly bits: number
  readonly name: string | undefined
}

/**
 * Writes a ticket.
 * @returns lower-case text without blanks; 74 characters for one port map without a name
 * @throws HyperNatError `BAD_TICKET` when a part is not as {@link Ticket} says, `TICKET_TOO_LONG` when there is too much
 */
export function encodeTicket(ticket: Ticket): string {
  refuseTypes(ticket)
  refuseParts(ticket)
  const { publicKey, maps, relays = [], bootstrap = [], addresses = [], invite } = ticket
  const body: number[] = [...publicKey]
  field(body, FIELD.maps, toRuns(maps).flatMap(runBytes))
  if (relays.length > 0)
    field(
      body,
      FIELD.relays,
      relays.flatMap(key => [...key])
    )
  if (bootstrap.length > 0) field(body, FIELD.bootstrap, bootstrap.flatMap(nodeBytes))
  if (addresses.length > 0) field(body, FIELD.addresses, addresses.flatMap(addressBytes))
  if (invite) field(body, FIELD.invite, [...invite])
  const needs = guestPortBytes(maps)
  if (needs.length > 0) field(body, FIELD.guestPorts, needs)
  return ticketText(Uint8Array.from(body))
}

/**
 * Reads a ticket, as people paste it: {@link ticketBody}.
 * @throws HyperNatError `TICKET_MISTYPED`, `TICKET_CUT`, `TICKET_VERSION` for one of a newer kind, `BAD_TICKET` for all
 * else. No message holds the ticket, as an invite is a secret.
 */
export function decodeTicket(text: string): Ticket {
  return readBody(ticketBody(text))
}

/** A name as a ticket can hold it: nothing that does not print, cut to {@link NAME_BYTES}; undefined if nothing is left. */
export function ticketName(name: string): string | undefined {
  let result = ''
  let bytes = 0
  for (const char of name.replace(/\p{C}+/gu, ' ').trim()) {
    bytes += Buffer.byteLength(char)
    if (bytes > NAME_BYTES) break
    result += char
  }
  return result.trim() || undefined
}

// --- fields ---

function field(body: number[], type: number, value: readonly number[]): void {
  varint(body, type)
  varint(body, value.length)
  for (const byte of value) body.push(byte)
}

function varint(out: number[], value: number): void {
  writeVarint(out as unknown as Uint8Array, out.length, value)
}

function readBody(body: Uint8Array): Ticket {
  try {
    return readFields(new Reader(body))
  } catch (err) {
    // The reader's own complaint is about a peer on the wire.
    if (err instanceof HyperNatError && err.code === 'PROTOCOL_ERROR') throw bad('holds less than it says')
    throw err
  }
}

function readFields(reader: Reader): Ticket {
  const publicKey = readKey(reader)
  let maps: TicketMap[] | undefined
  let relays: Uint8Array[] | undefined
  let bootstrap: string[] | undefined
  let addresses: string[] | undefined
  let needs: readonly (GuestPorts | undefined)[] = []
  let invite: Uint8Array | undefined
  let previous = -1
  while (reader.left > 0) {
    const type = reader.varint()
    if (type <= previous) throw bad('holds its parts in the wrong order')
    previous = type
    const value = new Reader(reader.bytes(reader.varint()))
    if (type === FIELD.maps) maps = readMaps(value)
    else if (type === FIELD.relays) relays = several(value, TICKET_RELAYS, readKey)
    else if (type === FIELD.bootstrap) bootstrap = several(value, TICKET_BOOTSTRAP, readNode)
    else if (type === FIELD.addresses) addresses = several(value, TICKET_ADDRESSES, readAddress)
    else if (type === FIELD.guestPorts) needs = readGuestPorts(value)
    else if (type === FIELD.invite) invite = readInvite(value)
    else if (type % 2 === 0) throw newer(`holds a part of kind ${type}`)
  }
  if (!maps) throw bad('names no port')
  return {
    publicKey,
    maps: withGuestPorts(maps, needs),
    ...(relays && { relays }),
    ...(bootstrap && { bootstrap }),
    ...(addresses && { addresses }),
    ...(invite && { invite })
  }
}

function several<T>(reader: Reader, most: number, read: (reader: Reader) => T): T[] {
  const result: T[] = []
  while (reader.left > 0) result.push(read(reader))
  if (result.length === 0 || result.length > most) throw bad('holds a list that is empty or too long')
  return result
}

function readKey(reader: Reader): Uint8Array {
  const key = Uint8Array.from(reader.bytes(KEY_BYTES))
  if (!sodium.crypto_core_ed25519_is_valid_point(Buffer.from(key))) throw bad('holds an invalid public key')
  return key
}

function readInvite(reader: Reader): Uint8Array {
  if (reader.left === 0 || reader.left > INVITE_BYTES) throw bad('holds an invite of a wrong length')
  return Uint8Array.from(reader.bytes(reader.left))
}

// --- port maps ---

/** Ports in the order in which they are first named, each with all its protocols; neighbours alike become a range. */
function toRuns(maps: readonly TicketMap[]): Run[] {
  const ports = new Map<string, { port: number; bits: number; name: string | undefined }>()
  for (const { proto, port, name } of maps) {
    const bit = PROTO_BITS.find(([known]) => known === proto)![1]
    const key = `${port} ${name ?? ''}`
    const one = ports.get(key)
    if (one) one.bits |= bit
    else ports.set(key, { port, bits: bit, name })
  }
  const runs: Run[] = []
  for (const { port, bits, name } of ports.values()) {
    const run = runs.at(-1)
    if (run && run.last + 1 === port && run.bits === bits && run.name === name) run.last = port
    else runs.push({ first: port, last: port, bits, name })
  }
  return runs
}

function runBytes({ first, last, bits, name }: Run): number[] {
  const flags = bits | (last > first ? MAP_RANGE : 0) | (name === undefined ? 0 : MAP_NAME)
  const bytes = [flags, first >> 8, first & 255]
  if (last > first) varint(bytes, last - first)
  if (name !== undefined) bytes.push(Buffer.byteLength(name), ...Buffer.from(name))
  return bytes
}

function readMaps(reader: Reader): TicketMap[] {
  const maps: TicketMap[] = []
  const seen = new Set<string>()
  while (reader.left > 0) {
    const flags = reader.byte()
    if (flags > MAP_KNOWN) throw newer('holds a port of an unknown kind')
    const protos = PROTO_BITS.filter(([, bit]) => flags & bit).map(([proto]) => proto)
    const first = (reader.byte() << 8) | reader.byte()
    const last = first + (flags & MAP_RANGE ? reader.varint() : 0)
    const name = flags & MAP_NAME ? readText(reader) : undefined
    if (name !== undefined && !isName(name)) throw bad('holds a name that does not print')
    if (protos.length === 0 || first === 0 || last > 65_535) throw bad('holds a port that is none')
    for (let port = first; port <= last; port++) {
      for (const proto of protos) {
        const key = `${proto} ${port}`
        if (seen.has(key)) throw bad('names a port twice')
        seen.add(key)
        if (seen.size > MAPS_MAX) throw bad('names too many ports')
        maps.push({ proto, port, ...(name !== undefined && { name }) })
      }
    }
  }
  if (maps.length === 0) throw bad('names no port')
  return maps
}

function isName(name: string): boolean {
  return name !== '' && ticketName(name) === name
}

// --- what each name needs of its ports at a guest ---

/** A byte for each name, in the order of {@link namesOf}; zeros at the end are left out. */
function guestPortBytes(maps: readonly TicketMap[]): number[] {
  const needs = new Map(maps.map(({ name, guestPorts }) => [name, guestPorts]))
  const bytes = namesOf(maps).map(name => GUEST_PORTS.indexOf(needs.get(name)))
  return bytes.slice(0, bytes.findLastIndex(byte => byte !== 0) + 1)
}

function readGuestPorts(reader: Reader): (GuestPorts | undefined)[] {
  const needs: (GuestPorts | undefined)[] = []
  // A need that is unknown here cannot be met: the ports may work without.
  while (reader.left > 0) needs.push(GUEST_PORTS[reader.byte()])
  return needs
}

function withGuestPorts(maps: TicketMap[], needs: readonly (GuestPorts | undefined)[]): TicketMap[] {
  if (needs.length === 0) return maps
  const names = namesOf(maps)
  if (needs.length > names.length) throw bad('has requirements of ports that it does not name')
  const byName = new Map(names.map((name, i) => [name, needs[i]]))
  return maps.map(map => {
    const guestPorts = byName.get(map.name)
    return guestPorts ? { ...map, guestPorts } : map
  })
}

/** The names of maps, each once, in the order in which they come; that of maps without a name is undefined. */
function namesOf(maps: readonly TicketMap[]): (string | undefined)[] {
  return [...new Set(maps.map(({ name }) => name))]
}

// --- DHT nodes: a byte 0 and an IPv4 address with its port, or a length and text ---

function nodeBytes(node: string): number[] {
  const ipv4 = /^(\d+)\.(\d+)\.(\d+)\.(\d+):(\d+)$/.exec(node)
  if (ipv4) {
    const [a, b, c, d, port] = ipv4.slice(1).map(Number) as [number, number, number, number, number]
    return [0, a, b, c, d, port >> 8, port & 255]
  }
  return [Buffer.byteLength(node), ...Buffer.from(node)]
}

function readNode(reader: Reader): string {
  let node: string
  if (reader.buffer[reader.at] === 0) {
    const [, a, b, c, d, high, low] = reader.bytes(7) as unknown as number[]
    node = `${a}.${b}.${c}.${d}:${(high! << 8) | low!}`
  } else node = readText(reader)
  if (!isNode(node)) throw bad('holds an invalid address of a DHT node')
  return node
}

/** Names in their ASCII form only: others look alike. */
function isNode(node: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(node) && bootstrapFault(node) === undefined
}

// --- addresses of relays by TCP: a length and text ---

function addressBytes(address: string): number[] {
  return [Buffer.byteLength(address), ...Buffer.from(address)]
}

function readAddress(reader: Reader): string {
  const address = readText(reader)
  if (relayUrlFault(address) !== undefined) throw bad('holds an invalid address of a relay')
  return address
}

/** A length of one byte, then UTF-8. */
function readText(reader: Reader): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.bytes(reader.byte()))
  } catch (err) {
    if (err instanceof HyperNatError) throw err
    throw bad('holds text that is not UTF-8')
  }
}

// --- what is no part of a ticket ---

/**
 * Refuses what TypeScript does, for programs without it.
 * @throws HyperNatError `BAD_TICKET`
 */
export function refuseTypes(ticket: Pick<Ticket, 'maps'>): void {
  const { maps, relays = [], bootstrap = [], addresses = [], invite } = Object(ticket) as Partial<Ticket>
  if (![maps, relays, bootstrap, addresses].every(Array.isArray))
    throw bad('would hold something else in place of a list')
  for (const map of maps!) {
    if (typeof map !== 'object' || map === null) throw bad('would name a port that is none')
    if (map.name !== undefined && typeof map.name !== 'string') throw bad('would hold a name that is no text')
  }
  if (!addresses.every(address => typeof address === 'string'))
    throw bad('would hold what is no address of a relay')
  if (invite !== undefined && !(invite instanceof Uint8Array))
    throw bad('would hold an invite that is no bytes')
}

function refuseParts({ publicKey, maps, relays = [], bootstrap = [], addresses = [], invite }: Ticket): void {
  for (const key of [publicKey, ...relays]) {
    if (!(key instanceof Uint8Array)) throw bad('would hold a public key that is no bytes')
    if (key.byteLength !== KEY_BYTES || !sodium.crypto_core_ed25519_is_valid_point(Buffer.from(key))) {
      throw bad('would hold an invalid public key')
    }
  }
  if (maps.length === 0) throw bad('would name no port')
  const keys = new Set(maps.map(({ proto, port }) => `${proto} ${port}`))
  if (keys.size < maps.length) throw bad('would name a port twice')
  if (keys.size > MAPS_MAX)
    throw new HyperNatError('TICKET_TOO_LONG', 'These are too many ports for one ticket.')
  const needs = new Map<string | undefined, GuestPorts | undefined>()
  for (const { proto, port, name, guestPorts } of maps) {
    const known = PROTO_BITS.some(([one]) => one === proto)
    if (!known || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw bad('would name a port that is none')
    if (name !== undefined && !isName(name)) throw bad('would hold a name that is too long or does not print')
    if (guestPorts !== undefined && !GUEST_PORTS.includes(guestPorts))
      throw bad('would hold a need of ports that is none')
    if (needs.has(name) && needs.get(name) !== guestPorts)
      throw bad('would hold two needs for the ports of one name')
    needs.set(name, guestPorts)
  }
  if (relays.length > TICKET_RELAYS) throw bad(`would hold more than ${TICKET_RELAYS} relays`)
  if (bootstrap.length > TICKET_BOOTSTRAP) throw bad(`would hold more than ${TICKET_BOOTSTRAP} DHT nodes`)
  if (addresses.length > TICKET_ADDRESSES)
    throw bad(`would hold more than ${TICKET_ADDRESSES} addresses of relays`)
  if (addresses.some(address => relayUrlFault(address) !== undefined))
    throw bad('would hold what is no address of a relay')
  if (!bootstrap.every(node => typeof node === 'string' && isNode(node)))
    throw bad('would hold what is no DHT node')
  if (invite && (invite.byteLength === 0 || invite.byteLength > INVITE_BYTES)) {
    throw bad('would hold an invite of a wrong length')
  }
}
