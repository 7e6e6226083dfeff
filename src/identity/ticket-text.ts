/**
 * The text of a ticket: its body, with a head and a checksum, in characters that survive a chat, and back. The layout is in
 * TICKET.md.
 *
 *     body -> symbols of 5 bits -> checksum -> text
 */

import z32 from 'z32'
import { HyperNatError } from '../errors.js'
import { CHECK_SYMBOLS, CODE_SYMBOLS, checkSymbols, findSlip, isChecked } from './checksum.js'
import { decodeKey } from './encoding.js'
import { KEY_BYTES } from './keys.js'
import { bad, cut, mistyped, newer } from './ticket-faults.js'

/** What every ticket begins with; in capitals in a QR code. */
export const TICKET_PREFIX = 'hnat1'

/** Version of what stands between the prefix and the checksum. */
const TICKET_VERSION = 1

/** Symbols before the body: one of the version, two of the body's length. */
const HEAD_SYMBOLS = 3

/** Symbols that a body may have. */
const BODY_SYMBOLS = CODE_SYMBOLS - HEAD_SYMBOLS - CHECK_SYMBOLS

/** Longer than any ticket, however many blanks and line breaks a chat program put into it. */
const TEXT_MAX = 16_384

/** What chat programs and editors put between characters; none of it is in the alphabet. */
const BLANK = /[\s\u00ad\u200b-\u200f\u2060\ufeff]+/g

/** What stands before a ticket where more than the ticket was copied: a quotation mark, or all of the line to run. */
const BEFORE = /^.*?(?=hnat\d)/

/** What stands behind it then: with an end, as a long text of dots would be searched from each of them. */
const BEHIND = /[^\p{L}\p{N}]{1,16}$/u

/** Characters that z-base-32 leaves out because they look like others. */
const LOOKALIKES: Record<string, string> = { '0': 'o', l: '1', v: 'u', '2': 'z' }

const VALUE = new Map([...z32.ALPHABET].map((char, value) => [char, value]))

/**
 * Writes a body as text.
 * @returns lower-case text without blanks
 * @throws HyperNatError `TICKET_TOO_LONG`
 */
export function ticketText(body: Uint8Array): string {
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
 * The body of a ticket as people paste it. Case does not matter; blanks and line breaks anywhere in it are passed over: none of
 * them can stand for another character, and the checksum covers what is left. So is what was copied with it: quotation marks,
 * or the line to run.
 * @throws HyperNatError `TICKET_MISTYPED`, `TICKET_CUT`, `TICKET_VERSION` for one of a newer kind, `BAD_TICKET` for all else
 */
export function ticketBody(text: string): Uint8Array {
  return bodyOf(symbolsOfText(text))
}

/** The symbols behind the prefix. */
function symbolsOfText(given: string): number[] {
  if (typeof given !== 'string') throw bad('is missing or no text; give the text that begins with hnat1')
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
    throw mistyped(`has an invalid character ${quote(char)} at position ${place}${hint}`)
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
      ? mistyped(`has a wrong character, probably the one at position ${place}`)
      : mistyped(
          `has two characters in the wrong order, probably those at positions ${place} and ${place + 1}`
        )
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

/** Printable ASCII as it is, anything else as an escape: messages must not upset a console. */
function quote(char: string): string {
  return /^[\x20-\x7e]$/.test(char)
    ? `"${char}"`
    : `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}
