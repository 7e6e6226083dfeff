/**
 * Child keys: what the DHT sees instead of the key that people share. Whoever knows the parent public key derives the
 * same child public key; from the child alone nobody gets back to the parent. The derivation is keypear's: the child is
 * the parent point plus a tweak point, the tweak a BLAKE2b hash of the parent public key and a name.
 */

import b4a from 'b4a'
import Keychain from 'keypear'
import { HyperNatError } from '../errors.js'
import type { KeyPair } from './keys.js'

/** Name of the child that a server announces and listens on. Part of the protocol: it changes only with the wire. */
export const ANNOUNCE = 'hyper-nat/2/announce'

/** Name of the child that relays know a server by, so that they can tell those that they serve. */
export const RELAYED = 'hyper-nat/2/relayed'

/** Name of the child that a relay announces and listens on. */
export const RELAY = 'hyper-nat/2/relay'

/** What the names of hosts' children begin with; the host's id follows, in hex. */
const HOST = 'hyper-nat/2/host/'

/**
 * Name of the child that one host listens on: one running server process of perhaps several under one secret.
 * @param id what the host drew at random, 32 bytes
 */
export function hostName(id: Uint8Array): string {
  return HOST + b4a.toString(id, 'hex')
}

/**
 * A child key pair, in the shape that hyperdht takes for `server.listen(keyPair)` and `connect(key, { keyPair })`: its
 * Noise curve uses `scalar` in place of a secret key, its announcements call `sign`.
 */
export interface ChildKeyPair {
  /** 32 bytes. */
  readonly publicKey: Buffer
  /** 32 bytes; there is no libsodium secret key for a tweaked scalar. */
  readonly scalar: Buffer
  /** Diffie-Hellman with another ed25519 public key: 32 bytes. */
  dh(publicKey: Uint8Array): Buffer
  /** An ordinary ed25519 signature, 64 bytes, that verifies against `publicKey`. */
  sign(message: Uint8Array): Buffer
}

/** The child key pair of a server's own key pair under `name`. */
export function childKeyPair(parent: KeyPair, name: string = ANNOUNCE): ChildKeyPair {
  const { publicKey, scalar, dh, sign } = new Keychain(parent).get(name)
  if (!scalar || !dh || !sign)
    throw new HyperNatError('INTERNAL', 'a key pair gave a child without its scalar')
  return { publicKey, scalar, dh, sign }
}

/**
 * The child public key under `name`, from the parent public key alone: where a client dials.
 * @throws HyperNatError `BAD_PUBLIC_KEY` when `parent` is not a point of the curve
 */
export function childPublicKey(parent: Uint8Array, name: string = ANNOUNCE): Buffer {
  try {
    // keypear takes only a real Buffer for a public key.
    return new Keychain(Buffer.from(parent)).get(name).publicKey
  } catch (cause) {
    throw new HyperNatError('BAD_PUBLIC_KEY', 'not a public key: no point of the curve', { cause })
  }
}
