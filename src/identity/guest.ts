/**
 * The keys of guests. A server derives the key pair of each invited guest from its own seed, so that it need not keep it, and
 * gives it away in the guest's ticket:
 *
 *     guest's seed = BLAKE2b-256, keyed with the server's seed, of "hyper-nat/2/guest" | nonce | name
 *
 * The name is the first that the guest had: one who is renamed keeps the key.
 *
 * The guest gets the output of a keyed hash, which reveals nothing about the key of the hash: neither the server's own keys nor those of
 * other guests. With a new nonce, an invite that replaces a revoked one has another key.
 */

import b4a from 'b4a'
import sodium from 'sodium-native'
import { HyperNatError } from '../errors.js'
import { KEY_BYTES, type KeyPair } from './keys.js'
import { Masked } from './masked.js'

const CONTEXT = b4a.from('hyper-nat/2/guest')

/** Bytes of an invite's nonce. */
export const NONCE_BYTES = 16

/** A guest's key pair, which is as secret as a server's. */
export class GuestKey extends Masked {
  /** By which the server knows the guest, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly #secretKey: Uint8Array

  /**
   * @param seed what the guest's ticket holds as its invite
   * @throws HyperNatError `UNSUPPORTED` when that is not 32 bytes: an invite of another kind; `BAD_TICKET` when it is no bytes
   */
  constructor(seed: Uint8Array) {
    if (!(seed instanceof Uint8Array)) {
      throw new HyperNatError(
        'BAD_TICKET',
        'The invite of a guest is missing or no bytes: give the one that decodeTicket returns.'
      )
    }
    if (seed.byteLength !== KEY_BYTES) {
      throw new HyperNatError(
        'UNSUPPORTED',
        'The invite is of a kind that this hyper-nat cannot use: update it.'
      )
    }
    super()
    const publicKey = b4a.alloc(sodium.crypto_sign_PUBLICKEYBYTES)
    const secretKey = b4a.alloc(sodium.crypto_sign_SECRETKEYBYTES)
    sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed)
    this.publicKey = publicKey
    this.#secretKey = secretKey
  }

  /**
   * The key of an invited guest.
   * @param server the server's own key pair
   * @param nonce of the invite, {@link NONCE_BYTES}
   */
  static of(server: KeyPair, name: string, nonce: Uint8Array): GuestKey {
    // What is hashed is unambiguous only if all but the last part have one length.
    if (nonce.byteLength !== NONCE_BYTES) {
      throw new HyperNatError('INTERNAL', `the nonce of an invite has ${NONCE_BYTES} bytes`)
    }
    const seed = b4a.alloc(KEY_BYTES)
    sodium.crypto_generichash_batch(seed, [CONTEXT, nonce, b4a.from(name)], seedOfKeyPair(server))
    const key = new GuestKey(seed)
    sodium.sodium_memzero(seed)
    return key
  }

  /** To dial with. */
  get keyPair(): KeyPair {
    return { publicKey: this.publicKey, secretKey: this.#secretKey }
  }

  /** The invite in the guest's ticket, 32 bytes. Its holder is this guest. */
  get invite(): Uint8Array {
    return seedOfKeyPair(this.keyPair)
  }
}

/** libsodium's secret key begins with the seed. */
function seedOfKeyPair({ secretKey }: KeyPair): Uint8Array {
  return secretKey.subarray(0, KEY_BYTES)
}
