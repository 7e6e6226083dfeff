/**
 * The loopback address that belongs to a guest: 127.x.y.z, the same each time, from the guest's public key.
 *
 *     number = BLAKE2b-256, keyed with the server's seed, of "hyper-nat/2/player" | guest's public key, modulo PLAYER_ADDRESSES
 *
 * Keyed with what only the server has: a guest who could compute addresses could try keys until it had the address of
 * another guest, with that one's bans or rights.
 */

import b4a from 'b4a'
import sodium from 'sodium-native'
import { KEY_BYTES, type KeyPair } from './keys.js'

const CONTEXT = b4a.from('hyper-nat/2/player')

/** Values of the second number: 1 to 254. With 0 come the addresses that programs take for the machine's own. */
const SECONDS = 254
/** Values of the last number: 1 to 254. Some programs take 0 for a network and 255 for a broadcast. */
const LASTS = 254
const THIRDS = 256

/** How many addresses there are. */
export const PLAYER_ADDRESSES = SECONDS * THIRDS * LASTS

/** Bytes of the hash that choose: below 2^53, and far above the number of addresses. */
const CHOOSING_BYTES = 6

/**
 * The number of the address that a guest has, unless another one has it already: 0 to below {@link PLAYER_ADDRESSES}.
 * @param server the server's own key pair
 * @param guestKey 32 bytes, as Noise has proved them
 */
export function playerNumber(server: KeyPair, guestKey: Uint8Array): number {
  const hash = b4a.alloc(KEY_BYTES)
  const seed = server.secretKey.subarray(0, KEY_BYTES)
  sodium.crypto_generichash_batch(hash, [CONTEXT, guestKey], seed)
  let number = 0
  for (const byte of hash.subarray(0, CHOOSING_BYTES)) number = number * 256 + byte
  return number % PLAYER_ADDRESSES
}

/** The address of this number, as text. */
export function playerAddress(number: number): string {
  const last = (number % LASTS) + 1
  const third = Math.floor(number / LASTS) % THIRDS
  const second = Math.floor(number / (LASTS * THIRDS)) + 1
  return `127.${second}.${third}.${last}`
}
