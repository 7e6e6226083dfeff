/**
 * From a secret to the keys of a server. Unchanged since hyper-nat 1.x, so that an old secret keeps its public key:
 * seed = BLAKE2b-256 of the secret's UTF-8 bytes, key pair = ed25519 from that seed.
 */

import sodium from 'sodium-native'
import z32 from 'z32'
import { HyperNatError } from '../errors.js'
import { Secret } from './secret.js'

/** Bytes of a public key, of a seed. */
export const KEY_BYTES = 32

/** Random bytes of a secret made by us: 160 bits, which no one guesses, in 32 characters that are easy to copy. */
const SECRET_BYTES = 20

/** An ed25519 key pair. */
export interface KeyPair {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes, in libsodium's form: the seed, then the public key. */
  readonly secretKey: Uint8Array
}

/**
 * The 32-byte seed of a secret.
 * @throws HyperNatError `BAD_SECRET` when the secret is empty, or no text
 */
export function seedOf(secret: string | Secret): Uint8Array {
  const text: unknown = secret instanceof Secret ? secret.reveal() : secret
  if (typeof text !== 'string' || text === '') {
    const fault = text === '' ? 'is empty' : 'is missing or no text'
    throw new HyperNatError('BAD_SECRET', `the secret ${fault}; give a long one that nobody guesses`)
  }
  const bytes = Buffer.from(text, 'utf8')
  const seed = Buffer.alloc(KEY_BYTES)
  sodium.crypto_generichash(seed, bytes)
  sodium.sodium_memzero(bytes)
  return seed
}

/**
 * The key pair whose public key a server's owner gives to friends.
 * @throws HyperNatError `BAD_SECRET` when the secret is empty, or no text
 */
export function keyPairOf(secret: string | Secret): KeyPair {
  const seed = seedOf(secret)
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
  sodium.sodium_memzero(seed)
  return { publicKey, secretKey }
}

/** A fresh secret of 32 lower-case letters and digits (160 bits), safe to paste into any shell and any JSON. */
export function randomSecret(): Secret {
  const bytes = Buffer.alloc(SECRET_BYTES)
  sodium.randombytes_buf(bytes)
  const text = z32.encode(bytes)
  sodium.sodium_memzero(bytes)
  return new Secret(text)
}
