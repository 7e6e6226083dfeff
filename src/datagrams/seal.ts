/**
 * Sealed datagrams: ChaCha20-Poly1305 (RFC 8439) under a key that its sender drew at random for this one connection, the
 * counter as nonce. Not secret-stream's own `send`: its key follows from the handshake hash alone.
 */
import b4a from 'b4a'
import sodium from 'sodium-native'
import { COUNTER_BYTES, REPLAY_WINDOW, SEAL_BYTES } from '../wire/constants.js'
import { ReplayWindow } from './replay.js'

const NONCE_BYTES = 12
const TWO_32 = 0x100000000

/** Seals one direction's datagrams. */
export class Sealer {
  #counter = 0
  readonly #nonce = b4a.alloc(NONCE_BYTES)

  constructor(readonly key: Uint8Array) {}

  /** The sealed form of `plain`, in a buffer of its own. */
  seal(plain: Uint8Array): Uint8Array {
    const sealed = b4a.allocUnsafe(plain.byteLength + SEAL_BYTES)
    const nonce = this.#nonce
    const counter = this.#counter++
    let low = counter >>> 0
    let high = Math.floor(counter / TWO_32)
    for (let i = 0; i < 4; i++) {
      sealed[i] = nonce[i] = low & 255
      sealed[i + 4] = nonce[i + 4] = high & 255
      low >>>= 8
      high >>>= 8
    }
    sodium.crypto_aead_chacha20poly1305_ietf_encrypt(
      sealed.subarray(COUNTER_BYTES),
      plain,
      null,
      null,
      nonce,
      this.key
    )
    return sealed
  }
}

/** Why a datagram was not opened. */
export type DropCause = 'short' | 'forged' | 'replayed'

/** Opens the other direction's datagrams, each once. */
export class Opener {
  readonly #nonce = b4a.alloc(NONCE_BYTES)
  readonly #view = new DataView(this.#nonce.buffer, this.#nonce.byteOffset, NONCE_BYTES)
  readonly #window = new ReplayWindow(REPLAY_WINDOW)

  constructor(readonly key: Uint8Array) {}

  /** The content, in place of the ciphertext; or why there is none. Never throws. */
  open(sealed: Uint8Array): Uint8Array | DropCause {
    if (sealed.byteLength < SEAL_BYTES) return 'short'
    this.#nonce.set(sealed.subarray(0, COUNTER_BYTES))
    const high = this.#view.getUint32(4, true)
    if (high >= 0x200000) return 'forged'
    const plain = sealed.subarray(COUNTER_BYTES, sealed.byteLength - (SEAL_BYTES - COUNTER_BYTES))
    try {
      sodium.crypto_aead_chacha20poly1305_ietf_decrypt(
        plain,
        null,
        sealed.subarray(COUNTER_BYTES),
        null,
        this.#nonce,
        this.key
      )
    } catch {
      return 'forged'
    }
    // Only an authentic counter may move the window.
    if (!this.#window.accept(high * TWO_32 + this.#view.getUint32(0, true))) return 'replayed'
    return plain
  }
}
