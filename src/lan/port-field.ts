/**
 * The port of the server inside a datagram of a game's LAN discovery: where it stands is data of the recipe
 * (`games/discovery-shape.ts`), read and changed here. Pure.
 */
import b4a from 'b4a'
import type { Announces, PortField, Queries } from '../games/discovery.js'
import { cut } from '../text/quote.js'

/** Digits of the largest port. */
const PORT_DIGITS = 5

/** Characters of a name that is announced: more than a list shows, and few enough for every game's announcements. */
const NAME_CHARACTERS = 64

/** What opens an answer to A2S_INFO: four bytes of ones and an `I`. */
const A2S_ANSWER = b4a.from('ffffffff49', 'hex')

/** Bit of the extra data flag that says that a port follows. */
const A2S_PORT = 0x80

/** Where a port stands, and how it is written there. */
interface Place {
  readonly at: number
  readonly bytes: number
  readonly port: number
}

/**
 * The port that an announcement tells.
 * @param sender the port that it came from
 * @returns null when it is none of this game: too long, another beginning, not text where it should be, no port
 */
export function announcedPort(discovery: Announces, payload: Uint8Array, sender: number): number | null {
  const { maxBytes, starts, text, field } = discovery
  if (payload.byteLength > maxBytes || payload.byteLength === 0) return null
  if (starts !== undefined && !startsWith(payload, starts)) return null
  if (text && !isText(payload)) return null
  if (field.codec === 'none') return sender
  return find(field, payload)?.port ?? null
}

/** Whether a datagram is a query that the game sends to find servers. */
export function isQuery({ starts, maxBytes }: Queries, payload: Uint8Array): boolean {
  if (payload.byteLength > maxBytes) return false
  return starts === undefined || starts.some(start => startsWith(payload, start))
}

/**
 * The datagram with another port in it; the same one where it tells none.
 * @param port 1 to 65535
 */
export function withPort(field: PortField, payload: Uint8Array, port: number): Uint8Array {
  const place = find(field, payload)
  if (!place || place.port === port) return payload
  if (field.codec === 'text-field') {
    const digits = b4a.from(String(port))
    return b4a.concat([payload.subarray(0, place.at), digits, payload.subarray(place.at + place.bytes)])
  }
  const changed = b4a.from(payload)
  const bigEndian = field.codec === 'u16be-at'
  const view = new DataView(changed.buffer, changed.byteOffset, changed.byteLength)
  if (place.bytes === 4) view.setUint32(place.at, port, true)
  else view.setUint16(place.at, port, !bigEndian)
  return changed
}

/** The announcement of a server that makes none itself. */
export function announcementOf(template: string, name: string, port: number): Uint8Array {
  // A name must not end the field that it stands in.
  const plain = name.replace(/[[\]]|\p{C}/gu, ' ').trim()
  const shown = cut(plain, NAME_CHARACTERS)
  return b4a.from(
    template.replace(/\{(name|port)\}/g, (_, place) => (place === 'name' ? shown : String(port))),
    'utf8'
  )
}

function find(field: PortField, payload: Uint8Array): Place | null {
  switch (field.codec) {
    case 'none':
      return null
    case 'text-field':
      return inText(payload, field.before, field.after)
    case 'u16le-at':
      return asNumber(payload, field.at, 2, true)
    case 'u16be-at':
      return asNumber(payload, field.at, 2, false)
    case 'u32le-at':
      return asNumber(payload, field.at, 4, true)
    case 'a2s':
      return inA2s(payload)
  }
}

function asNumber(payload: Uint8Array, at: number, bytes: 2 | 4, littleEndian: boolean): Place | null {
  if (at + bytes > payload.byteLength) return null
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const port = bytes === 4 ? view.getUint32(at, littleEndian) : view.getUint16(at, littleEndian)
  return isPort(port) ? { at, bytes, port } : null
}

function inText(payload: Uint8Array, before: string, after: string): Place | null {
  const start = b4a.from(before, 'latin1')
  const found = b4a.indexOf(payload, start)
  // Of two fields, the game might read the other one, which would lead it to a port that nobody looked at.
  if (found < 0 || b4a.indexOf(payload, start, found + 1) >= 0) return null
  const at = found + start.byteLength
  const end = b4a.indexOf(payload, b4a.from(after, 'latin1'), at)
  if (end < 0 || end - at > PORT_DIGITS) return null
  const digits = b4a.toString(payload.subarray(at, end), 'latin1')
  if (!/^[1-9]\d*$/.test(digits) || !isPort(Number(digits))) return null
  return { at, bytes: end - at, port: Number(digits) }
}

/**
 * The port in the extra data of Source's answer: behind the protocol, four texts, nine bytes, what The Ship adds, and the
 * version (https://developer.valvesoftware.com/wiki/Server_queries).
 */
function inA2s(payload: Uint8Array): Place | null {
  if (!startsWith(payload, b4a.toString(A2S_ANSWER, 'latin1'))) return null
  let at = A2S_ANSWER.byteLength + 1
  for (let texts = 0; texts < 4; texts++) at = behindText(payload, at)
  const theShip = payload[at] === (THE_SHIP & 0xff) && payload[at + 1] === THE_SHIP >> 8
  at = behindText(payload, at + (theShip ? 12 : 9))
  const extra = payload[at] ?? 0
  return extra & A2S_PORT ? asNumber(payload, at + 1, 2, true) : null
}

/** The one game whose answer has three bytes more. */
const THE_SHIP = 2400

function behindText(payload: Uint8Array, at: number): number {
  const end = payload.indexOf(0, at)
  return end < 0 ? payload.byteLength : end + 1
}

function startsWith(payload: Uint8Array, start: string): boolean {
  if (payload.byteLength < start.length) return false
  for (let i = 0; i < start.length; i++) if (payload[i] !== start.charCodeAt(i)) return false
  return true
}

/** Whether it is UTF-8 that prints; the game shows it. */
function isText(payload: Uint8Array): boolean {
  try {
    return !/\p{C}/u.test(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch {
    return false
  }
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535
}
