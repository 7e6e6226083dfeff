import b4a from 'b4a'
import type { Link } from '../../src/wire/link.js'

/** Sends these frames in one message. */
export function say(link: Pick<Link, 'alloc' | 'write'>, ...frames: readonly Uint8Array[]): void {
  const bytes = b4a.concat([...frames])
  const message = link.alloc(bytes.byteLength)
  message.set(bytes)
  link.write(message)
}
