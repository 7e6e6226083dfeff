/**
 * A ticket: everything that a friend needs to reach a server, as one text. The layout is in TICKET.md, which changes with
 * this file.
 *
 *     Ticket -> fields -> bytes -> symbols of 5 bits -> checksum -> text, and back
 */

import sodium from 'sodium-native'
import z32 from 'z32'
import { type ErrorCode, HyperNatError } from '../errors.js'
import type { Proto } from '../options/entry.js'
import { bootstrapFault } from '../options/hosts.js'
import { Reader, writeVarint } from '../session/bytes.js'
import { CHECK_SYMBOLS, CODE_SYMBOLS, checkSymbols, findSlip, isChecked } from './checksum.js'
import { decodeKey } from './encoding.js'
import { KEY_BYTES } from './keys.js'

/** A port map as a ticket names it. */
export interface TicketMap {
  readonly proto: Proto
  /** The port at the server: 1 to 65535. */
  readonly port: number
  /** What its owner calls it: up to {@link NAME_BYTES} bytes of UTF-8, nothing that does not print. */
  readonly name?: string
}

/** What a ticket holds. */
export interface Ticket {
  /** The server's, 32 bytes. */
  readonly publicKey: Uint8Array
  /** What it shares: one at least, none twice. */
  readonly maps: readonly TicketMap[]
  /** Public keys of relays, 32 bytes each, the preferred first. */
  readonly relays?: readonly Uint8Array[]
  /** `host:port` of the DHT that the server is in; left out: the public one. */
  readonly bootstrap?: readonly string[]
  /**
   * What makes the ticket one guest's, up to {@link INVITE_BYTES} bytes: 32 are the seed of the guest's key pair
   * (identity/guest.ts). A ticket with it is a secret.
   */
  readonly invite?: Uint8Array
}

/** What every ticket begins with; in capitals in a QR code. */
export const TICKET_PREFIX = 'hnat1'

/** Version of what stands between the prefix and the checksum. */
const TICKET_VERSION = 1

/** Symbols before the body: one of the version, two of the body's length. */
const HEAD_SYMBOLS = 3

/** Symbols that a body may have. */
const BODY_SYMBOLS = CODE_SYMBOLS - HEAD_SYMBOLS - CHECK_SYMBOLS

/** Bytes of a map's name. */
export const NAME_BYTES = 64

/** Bytes of an invite. */
export const INVITE_BYTES = 64

/** Relays in one ticket: further ones are asked only when all before them fail. */
export const TICKET_RELAYS = 4

/** DHT nodes in one ticket: one that answers is enough to find the others. */
export const TICKET_BOOTSTRAP = 4

/** Port maps that a few bytes of ranges may stand for. */
const MAPS_MAX = 12_288

/** Longer than any ticket, however many blanks and line breaks a chat program put into it. */
const TEXT_MAX = 16_384

/** Fields of a body. One with an odd number may be passed over by who does not know it. */
const FIELD = { maps: 0, relays: 1, bootstrap: 2, invite: 4 } as const

/** Bits of a port map's first byte. */
const MAP_RANGE = 8
const MAP_NAME = 16
const MAP_KNOWN = 31
const PROTO_BITS: readonly (readonly [Proto, number])[] = [
  ['udp', 1],
  ['tcp', 2],
  ['tcpudp', 4]
]

/** What chat programs and editors put between characters; none of it is in the alphabet. */
const BLANK = /[\s\u00ad\u200b-\u200f\u2060\ufeff]+/g

/** What stands before a ticket where more than the ticket was copied: a quotation mark, or all of the line to run. */
const BEFORE = /^.*?(?=hnat\d)/

/** What stands behind it then: with an end, as a long text of dots would be searched from each of them. */
const BEHIND = /[^\p{L}\p{N}]{1,16}$/u

/** Characters that z-base-32 leaves out because they look like others. */
const LOOKALIKES: Record<string, string> = { '0': 'o', l: '1', v: 'u', '2': 'z' }

const VALUE = new Map([...z32.ALPHABET].map((char, value) => [char, value]))

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
  refuseParts(ticket)
  const { publicKey, maps, relays = [], bootstrap = [], invite } = ticket
  const body: number[] = [...publicKey]
  field(body, FIELD.maps, toRuns(maps).flatMap(runBytes))
  if (relays.length > 0)
    field(
      body,
      FIELD.relays,
      relays.flatMap(key => [...key])
    )
  if (bootstrap.length > 0) field(body, FIELD.bootstrap, bootstrap.flatMap(nodeBytes))
  if (invite) field(body, FIELD.invite, [...invite])
  const text = z32.encode(Buffer.from(body))
  if (text.length > BODY_SYMBOLS) {
    throw new HyperNatError(
      'TICKET_TOO_LONG',
      `This is too much for one ticket (${text.length} of ${BODY_SYMBOLS} characters): leave out names, write ports as ranges, or share the public key.`
    )
  }
  const symbols = [...headSymbols(TICKET_VERSION, text.length), ...symbolsOf(text)]
  return TICKET_PREFIX + textOf([...symbols, ...checkSymbols(symbols)])
}

/**
 * Reads a ticket. Case does not matter; blanks and line breaks anywhere in it are passed over: none of them can stand for
 * another character, and the checksum covers what is left. So is what was copied with it: quotation marks, or the line to run.
 * @throws HyperNatError `TICKET_MISTYPED`, `TICKET_CUT`, `TICKET_VERSION` for one of a newer kind, `BAD_TICKET` for all
 * else. No message holds the ticket, as an invite is a secret.
 */
export function decodeTicket(text: string): Ticket {
  return readBody(bodyOf(symbolsOfText(text)))
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

// --- text and symbols ---

/** The symbols behind the prefix. */
function symbolsOfText(given: string): number[] {
  if (given.length > TEXT_MAX) throw bad('is too long for one')
  const text = given.replace(BLANK, '').toLowerCase().replace(BEFORE, '')
  if (text === '') throw bad('is empty; paste the text that begins with hnat1')
  if (!text.startsWith(TICKET_PREFIX)) throw notTicket(text, given)
  const symbols = text.slice(TICKET_PREFIX.length)
  const bare = symbols.replace(BEHIND, '')
  // Only where the rest is whole: else it may be a typo in the last place.
  if (bare !== symbols && isChecked([...bare].map(char => VALUE.get(char) ?? 0))) return symbolsOf(bare)
  return symbolsOf(symbols)
}

function isKey(text: string): boolean {
  try {
    return decodeKey(text.trim()).length === KEY_BYTES
  } catch {
    return false
  }
}

/**
 * Why a text does not begin as a ticket does.
 * @param given the text as it was given, whose case tells in base58
 */
function notTicket(text: string, given: string): HyperNatError {
  if (isKey(given)) {
    return bad(
      'is a public key, which names no ports; ask for the ticket that the server shows beside it, or use the key with hyper-nat client -k, or as "publicKey" in options.json'
    )
  }
  if (TICKET_PREFIX.startsWith(text)) return cut('only its beginning is there')
  // What follows tells a slip in these few characters from a ticket of another kind, and from something else.
  const values = [...text].map(char => VALUE.get(char) ?? -1)
  const rest = values.slice(TICKET_PREFIX.length)
  if (isWhole(rest) && (isChecked(rest) || findSlip(rest))) return mistyped('does not begin with hnat1')
  for (let lost = 1; lost <= TICKET_PREFIX.length; lost++) {
    const left = values.slice(TICKET_PREFIX.length - lost)
    if (isWhole(left) && isChecked(left)) return cut('its beginning is missing')
  }
  const newerPrefix = /^hnat\d/.exec(text)
  return newerPrefix
    ? newer(`begins with ${newerPrefix[0]}`)
    : bad('does not begin with hnat1; copy all of it')
}

function isWhole(symbols: readonly number[]): boolean {
  return (
    symbols.length > HEAD_SYMBOLS + CHECK_SYMBOLS && symbols.length <= CODE_SYMBOLS && !symbols.includes(-1)
  )
}

function symbolsOf(text: string): number[] {
  return [...text].map((char, i) => {
    const value = VALUE.get(char)
    if (value !== undefined) return value
    const like = LOOKALIKES[char]
    const hint = like ? `; it is probably "${like}"` : ''
    const place = TICKET_PREFIX.length + i + 1
    throw mistyped(`has ${quote(char)} at place ${place}, which no ticket has${hint}`)
  })
}

function textOf(symbols: readonly number[]): string {
  return symbols.map(symbol => z32.ALPHABET[symbol]).join('')
}

function headSymbols(version: number, length: number): number[] {
  return [version, length >> 5, length & 31]
}

/** The bytes between head and checksum, once both are right. */
function bodyOf(symbols: readonly number[]): Uint8Array {
  if (symbols.length < HEAD_SYMBOLS) throw cut('only its beginning is there')
  const [version, high, low] = symbols as [number, number, number]
  const declared = (high << 5) | low
  const length = symbols.length - HEAD_SYMBOLS - CHECK_SYMBOLS
  if (symbols.length > CODE_SYMBOLS) throw bad(`has ${symbols.length} characters, too many for one`)
  if (length < 0 || !isChecked(symbols)) throw damaged(symbols, declared, length)
  if (version !== TICKET_VERSION) throw newer(`has version ${version}`)
  if (declared !== length) throw bad('holds a length that is not its own')
  const text = textOf(symbols.slice(HEAD_SYMBOLS, -CHECK_SYMBOLS))
  const body = z32.decode(text)
  // The bits left over must be zero, or several texts would mean one ticket.
  if (z32.encode(body) !== text) throw bad('holds bits that mean nothing')
  return body
}

/** What has probably happened to a ticket whose checksum is wrong. */
function damaged(symbols: readonly number[], declared: number, length: number): HyperNatError {
  const slip = length < 0 ? undefined : findSlip(symbols)
  if (slip) {
    const place = TICKET_PREFIX.length + slip.at + 1
    return slip.kind === 'wrong'
      ? mistyped(`has a wrong character, probably the one at place ${place}`)
      : mistyped(`has two characters in the wrong order, probably those at places ${place} and ${place + 1}`)
  }
  if (length < declared) {
    const missing = declared - length
    return cut(`${missing} character${missing === 1 ? ' is' : 's are'} missing, probably at its end`)
  }
  if (length > declared) {
    const more = length - declared
    return mistyped(`has ${more} character${more === 1 ? '' : 's'} too many, or wrong ones`)
  }
  return mistyped('has characters that are wrong')
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
    else if (type === FIELD.invite) invite = readInvite(value)
    else if (type % 2 === 0) throw newer(`holds a part of kind ${type}`)
  }
  if (!maps) throw bad('names no port')
  return {
    publicKey,
    maps,
    ...(relays && { relays }),
    ...(bootstrap && { bootstrap }),
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
  if (!sodium.crypto_core_ed25519_is_valid_point(Buffer.from(key))) throw bad('holds what is no public key')
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
  if (!isNode(node)) throw bad('holds what is no DHT node')
  return node
}

/** Names in their ASCII form only: others look alike. */
function isNode(node: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(node) && bootstrapFault(node) === undefined
}

/** A length of one byte, then UTF-8. */
function readText(reader: Reader): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(reader.bytes(reader.byte()))
  } catch (err) {
    if (err instanceof HyperNatError) throw err
    throw bad('holds what is no text')
  }
}

// --- faults ---

function refuseParts({ publicKey, maps, relays = [], bootstrap = [], invite }: Ticket): void {
  for (const key of [publicKey, ...relays]) {
    if (key.byteLength !== KEY_BYTES || !sodium.crypto_core_ed25519_is_valid_point(Buffer.from(key))) {
      throw bad('would hold what is no public key')
    }
  }
  if (maps.length === 0) throw bad('would name no port')
  const keys = new Set(maps.map(({ proto, port }) => `${proto} ${port}`))
  if (keys.size < maps.length) throw bad('would name a port twice')
  if (keys.size > MAPS_MAX)
    throw new HyperNatError('TICKET_TOO_LONG', 'These are too many ports for one ticket.')
  for (const { proto, port, name } of maps) {
    const known = PROTO_BITS.some(([one]) => one === proto)
    if (!known || !Number.isInteger(port) || port < 1 || port > 65_535)
      throw bad('would name a port that is none')
    if (name !== undefined && !isName(name)) throw bad('would hold a name that is too long or does not print')
  }
  if (relays.length > TICKET_RELAYS) throw bad(`would hold more than ${TICKET_RELAYS} relays`)
  if (bootstrap.length > TICKET_BOOTSTRAP) throw bad(`would hold more than ${TICKET_BOOTSTRAP} DHT nodes`)
  if (!bootstrap.every(isNode)) throw bad('would hold what is no DHT node')
  if (invite && (invite.byteLength === 0 || invite.byteLength > INVITE_BYTES)) {
    throw bad('would hold an invite of a wrong length')
  }
}

/** Printable ASCII as it is, anything else as an escape: messages must not upset a console. */
function quote(char: string): string {
  return /^[\x20-\x7e]$/.test(char)
    ? `"${char}"`
    : `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}

function fault(code: ErrorCode, what: string): HyperNatError {
  return new HyperNatError(code, `the ticket ${what}`)
}

function bad(what: string): HyperNatError {
  return fault('BAD_TICKET', what)
}

function mistyped(what: string): HyperNatError {
  return fault('TICKET_MISTYPED', `${what}; copy it again`)
}

function cut(what: string): HyperNatError {
  return fault('TICKET_CUT', `is cut off: ${what}; copy all of it`)
}

function newer(what: string): HyperNatError {
  return fault('TICKET_VERSION', `${what}, which this hyper-nat does not know; update it`)
}
