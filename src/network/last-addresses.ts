/**
 * Where servers were reached last, by UDP and without a relay. Each server's node answers handshakes itself, so that a client who knows its
 * address needs no DHT to come back: neighbours go on while the internet is away.
 */
import type SecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import type HyperDHT from 'hyperdht'
import type { PathKind } from '../events.js'

export class LastAddresses {
  readonly #addresses = new Map<string, HyperDHT.Address>()

  /** @param most servers that are remembered */
  constructor(readonly most: number) {}

  /**
   * A connection to the server of a key has opened; its address may change while it is.
   * @param link the same connection: on a relayed one the address is the relay's
   */
  note(
    key: Uint8Array,
    { rawStream }: Pick<SecretStream, 'rawStream'>,
    link: { readonly path: PathKind }
  ): void {
    const name = b4a.toString(key, 'hex')
    const keep = (): void => {
      if (link.path === 'relayed') return
      const { remoteHost: host, remotePort: port } = rawStream
      this.#addresses.delete(name)
      if (host === null) return
      if (this.#addresses.size >= this.most) this.#addresses.delete(this.#addresses.keys().next().value!)
      this.#addresses.set(name, { host, port })
    }
    keep()
    rawStream.on('remote-changed', keep)
  }

  of(key: Uint8Array): HyperDHT.Address | null {
    return this.#addresses.get(b4a.toString(key, 'hex')) ?? null
  }
}
