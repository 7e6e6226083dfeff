/**
 * Child keys: what the DHT sees instead of the key that people share. Whoever knows the parent public key derives the
 * same child public key; nobody gets from the child back to the parent. The derivation is that of the `keypear` package: the
 * child is the parent point plus a tweak point, and the tweak is a BLAKE2b hash of the parent public key and a name.
 */

import b4a from 'b4a'
import sodium from 'sodium-native'
import { HyperNatError } from '../errors.js'
import { KEY_BYTES, type KeyPair } from './keys.js'

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
  const tweak = tweakOf(parent.publicKey, name)
  const publicKey = add(parent.publicKey, tweak.point)
  const scalar = Buffer.alloc(KEY_BYTES)
  sodium.extension_tweak_ed25519_sk_to_scalar(scalar, parent.secretKey)
  sodium.extension_tweak_ed25519_scalar_add(scalar, tweak.scalar, scalar)
  return {
    publicKey,
    scalar,
    dh(remotePublicKey) {
      const shared = Buffer.alloc(KEY_BYTES)
      sodium.crypto_scalarmult_ed25519_noclamp(shared, scalar, remotePublicKey)
      return shared
    },
    sign(message) {
      const signature = Buffer.alloc(sodium.crypto_sign_BYTES)
      sodium.extension_tweak_ed25519_sign_detached(signature, message, scalar)
      return signature
    }
  }
}

/**
 * The child public key under `name`, from the parent public key alone: the key that a client dials.
 * @throws HyperNatError `BAD_PUBLIC_KEY` when `parent` is not a point on the curve
 */
export function childPublicKey(parent: Uint8Array, name: string = ANNOUNCE): Buffer {
  try {
    return add(parent, tweakOf(parent, name).point)
  } catch (cause) {
    throw new HyperNatError('BAD_PUBLIC_KEY', 'not a public key: no point of the curve', { cause })
  }
}

function tweakOf(parent: Uint8Array, name: string): { scalar: Buffer; point: Buffer } {
  const [hash, scalar, point] = [Buffer.alloc(KEY_BYTES), Buffer.alloc(KEY_BYTES), Buffer.alloc(KEY_BYTES)]
  sodium.crypto_generichash_batch(hash, [parent, Buffer.from(name)])
  sodium.extension_tweak_ed25519_base(scalar, point, hash)
  return { scalar, point }
}

function add(a: Uint8Array, b: Uint8Array): Buffer {
  const sum = Buffer.alloc(KEY_BYTES)
  sodium.extension_tweak_ed25519_pk_add(sum, a, b)
  return sum
}
