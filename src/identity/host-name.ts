import { encodeKey } from './encoding.js'

/** Characters of a host's name: enough to tell a few apart. */
const NAME_LENGTH = 8

/** How events name the host of this id. */
export function nameOfHost(id: Uint8Array): string {
  return encodeKey(id).slice(0, NAME_LENGTH)
}
