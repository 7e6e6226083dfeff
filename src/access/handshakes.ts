/**
 * How many handshakes a server answers. A flood from one address is held to that address's rate. One from many addresses, or
 * with forged ones (the node that forwards a handshake states its source), is held to the rate of all strangers together, and
 * keeps other strangers out while it lasts; guests whose keys the server knows are admitted meanwhile.
 */
import type { Limits } from '../limits.js'
import { TokenBucket } from '../util/token-bucket.js'

export type HandshakeLimits = Pick<
  Limits,
  'handshakesPerMinute' | 'handshakeBurst' | 'addressHandshakesPerMinute' | 'handshakeSources'
>

const MINUTE = 60_000

export class HandshakeLimiter {
  readonly #limits: HandshakeLimits
  readonly #strangers: TokenBucket
  /** By address or key, in the order in which they came last, the latest at the end. */
  readonly #sources = new Map<string, TokenBucket>()

  constructor(limits: HandshakeLimits) {
    this.#limits = limits
    this.#strangers = perMinute(limits.handshakesPerMinute, limits.handshakeBurst)
  }

  /**
   * Whether to answer one handshake more.
   * @param source where it comes from: the key of a known guest, which is proved, or else the address
   * @param now milliseconds
   */
  admits(source: { readonly key: string } | { readonly address: string }, now: number): boolean {
    const known = 'key' in source
    const bucket = this.#bucket(known ? `key ${source.key}` : `address ${source.address}`)
    if (!bucket.has(1, now) || !(known || this.#strangers.has(1, now))) return false
    bucket.take(1)
    if (!known) this.#strangers.take(1)
    return true
  }

  #bucket(name: string): TokenBucket {
    const { addressHandshakesPerMinute, handshakeBurst, handshakeSources } = this.#limits
    const bucket = this.#sources.get(name) ?? perMinute(addressHandshakesPerMinute, handshakeBurst)
    this.#sources.delete(name)
    // A source that is dropped starts again; the rate of all strangers holds on.
    if (this.#sources.size >= handshakeSources) this.#sources.delete(this.#sources.keys().next().value!)
    this.#sources.set(name, bucket)
    return bucket
  }
}

function perMinute(count: number, most: number): TokenBucket {
  return new TokenBucket(count / MINUTE, Math.min(count, most))
}
