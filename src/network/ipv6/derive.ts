import b4a from 'b4a'
import sodium from 'sodium-native'
import { KEY_BYTES } from '../../wire/constants.js'

/** A key for one purpose, which the context names: its BLAKE2b-256 under another key. */
export function deriveKey(context: Uint8Array, key: Uint8Array): Uint8Array {
  const derived = b4a.alloc(KEY_BYTES)
  sodium.crypto_generichash(derived, context, key)
  return derived
}
