/** The topic under which the hosts of one secret are found. */
import b4a from 'b4a'
import sodium from 'sodium-native'
import { KEY_BYTES } from './keys.js'

const CONTEXT = b4a.from('hyper-nat/2/hosts')

/**
 * BLAKE2b-256 of a context, keyed with the shared public key: who has the key computes the topic, who sees the topic learns
 * nothing of the key.
 */
export function topicOf(sharedKey: Uint8Array): Uint8Array {
  const topic = b4a.alloc(KEY_BYTES)
  sodium.crypto_generichash(topic, CONTEXT, sharedKey)
  return topic
}
