/**
 * Public keys as text. We write base58; we read base58 (32 to 44 characters), z-base-32 (52) and hex (64). The lengths do
 * not overlap, so the length alone selects the encoding; the characters are checked after that.
 */

import bs58 from 'bs58'
import sodium from 'sodium-native'
import z32 from 'z32'
import { InputError } from '../errors.js'
import { KEY_BYTES } from './keys.js'
import { looksLikeTicket } from './ticket-prefix.js'

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const HEX = '0123456789abcdefABCDEF'

/** Base58 characters of 32 bytes: 44 at the most, nearly always 43 or 44, fewer only if the key starts with zeros. */
const BASE58_MIN = 32
const BASE58_MAX = 44
const Z32_LENGTH = 52
const HEX_LENGTH = 64

/** Characters that base58 leaves out because they look like others, and what they probably were. */
const LOOKALIKES: Record<string, string> = { '0': 'o', O: 'Q', I: '1', l: '1' }

/**
 * A public key in base58, as people share it.
 * @throws InputError `BAD_PUBLIC_KEY` for what is no bytes
 */
export function encodeKey(key: Uint8Array): string {
  if (!(key instanceof Uint8Array)) throw bad('is no bytes; give 32 of them')
  return bs58.encode(key)
}

/** The start of a key in base58, for a person to recognise; never to compare. */
export function shortKey(key: Uint8Array | string): string {
  return `${(typeof key === 'string' ? key : encodeKey(key)).slice(0, 8)}..`
}

/**
 * Reads a public key in base58, hex or z-base-32; blanks around it are ignored.
 * @returns 32 bytes that are a valid ed25519 point: 15 of 16 typos give none, although base58 has no checksum
 * @throws InputError `BAD_PUBLIC_KEY`
 */
export function decodeKey(text: string): Uint8Array {
  if (typeof text !== 'string') throw bad('is missing or no text; give the public key that the server shows')
  const key = text.trim()
  if (key === '') throw bad('is empty; give the public key that the server shows when it starts')
  if (/^<.*>$/.test(key)) {
    throw bad('is a placeholder; put the public key there that the server shows when it starts')
  }
  if (looksLikeTicket(key))
    throw bad('is a ticket; use it with hyper-nat join, or as "ticket" in options.json')
  const bytes = decodeByLength(key)
  if (!sodium.crypto_core_ed25519_is_valid_point(bytes)) {
    throw bad(
      'has the form of a public key but cannot be one; probably a character is wrong or missing, copy it again'
    )
  }
  return bytes
}

/** A public key that the library was given: as bytes, or as text for {@link decodeKey}. */
export function keyOf(key: string | Uint8Array): Uint8Array {
  if (typeof key === 'string') return decodeKey(key)
  // Its own copy: a caller may use the buffer again.
  if (key instanceof Uint8Array && key.byteLength === KEY_BYTES) return Uint8Array.from(key)
  throw bad(
    `is neither a text nor ${KEY_BYTES} bytes; give the public key that the server shows when it starts`
  )
}

function decodeByLength(key: string): Uint8Array {
  // A character outside the Unicode base plane counts twice here; the check of the characters refuses it anyway.
  if (key.length === HEX_LENGTH) {
    refuseForeign(key, HEX, 'hex')
    return Buffer.from(key, 'hex')
  }
  if (key.length === Z32_LENGTH) {
    refuseForeign(key, z32.ALPHABET, 'z-base-32')
    const bytes = z32.decode(key)
    // 52 characters hold 260 bits: the last four must be zero, or two texts would mean one key.
    if (z32.encode(bytes) !== key) throw bad(`has a wrong last character ${quote(key.at(-1)!)}`)
    return bytes
  }
  if (key.length < BASE58_MIN || key.length > BASE58_MAX) {
    throw bad(
      `has ${key.length} character${key.length === 1 ? '' : 's'}; a public key has 43 or 44 in base58, ${Z32_LENGTH} in z-base-32 or ${HEX_LENGTH} in hex`
    )
  }
  refuseForeign(key, BASE58, 'base58')
  const bytes = bs58.decode(key)
  if (bytes.length < KEY_BYTES) {
    throw bad(`is too short (${bytes.length} of ${KEY_BYTES} bytes); a character is missing, copy it again`)
  }
  if (bytes.length > KEY_BYTES) {
    throw bad(
      `is too long (${bytes.length} bytes for ${KEY_BYTES}); a character is wrong or too many, copy it again`
    )
  }
  return bytes
}

function refuseForeign(key: string, alphabet: string, encoding: string): void {
  let at = 0
  for (const char of key) {
    at++
    if (alphabet.includes(char)) continue
    const like = encoding === 'base58' ? LOOKALIKES[char] : undefined
    const hint = like ? `; it is probably ${quote(like)}` : ''
    throw bad(`has ${quote(char)} at position ${at}, which ${encoding} does not have${hint}`)
  }
}

/** Printable ASCII as it is, anything else as an escape: messages must not upset a console. */
function quote(char: string): string {
  return /^[\x20-\x7e]$/.test(char)
    ? `"${char}"`
    : `U+${char.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
}

function bad(fault: string): InputError {
  return new InputError('BAD_PUBLIC_KEY', 'the public key', fault)
}
