/** Looks for an IPv6 path beside each connection to one host, over which the session can go on. */

import { type ClientSearch, Ipv6History, sameAddresses } from '../../network/ipv6/search.js'
import { isRelayed } from '../../network/path.js'
import type { ClientSession } from '../../session/client-session.js'
import type { Ipv6Address } from '../../wire/addresses.js'
import { FEATURE } from '../../wire/constants.js'
import type { DiallerDeps, PathLink, SecondPaths } from './dialler.js'

/** What carries the session, and the keys of its datagrams. */
interface Carried {
  readonly session: ClientSession
  readonly link: PathLink
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
}

export class SecondPath {
  readonly #deps: Pick<DiallerDeps, 'node' | 'keyPair' | 'clock'>
  readonly #hostKey: Uint8Array
  readonly #opened: (link: PathLink) => void
  readonly #history: Ipv6History
  #search: { readonly paths: SecondPaths; readonly client: ClientSearch } | null = null
  /** When a connection over IPv6 began to carry the session, ms; null while none does. */
  #since: number | null = null
  /** This machine's addresses at that time. */
  #addresses: readonly Ipv6Address[] = []

  /**
   * @param hostKey the key that the host listens on
   * @param opened gets each connection that has opened
   */
  constructor(
    deps: Pick<DiallerDeps, 'node' | 'keyPair' | 'clock' | 'limits'>,
    hostKey: Uint8Array,
    opened: (link: PathLink) => void
  ) {
    this.#deps = deps
    this.#hostKey = hostKey
    this.#opened = opened
    this.#history = new Ipv6History(deps.clock, deps.limits)
  }

  /** Another connection carries the session now. */
  begin({ session, link, sendKey, receiveKey }: Carried): void {
    this.end()
    const { node, keyPair, clock } = this.#deps
    if (link.family === 'IPv6') {
      this.#since = clock.now()
      this.#addresses = node.ipv6?.addresses ?? []
      return
    }
    // Neighbours have no use for it.
    if (!node.ipv6 || link.path === 'lan' || !session.has(FEATURE.IPV6)) return
    const client = node.ipv6.client({
      sendKey,
      receiveKey,
      keyPair,
      remoteKey: this.#hostKey,
      tell: addresses => session.sendAddresses(addresses),
      isRelayed: () => isRelayed(link.path),
      measure: done => session.ping(done),
      history: this.#history,
      opened: this.#opened
    })
    this.#search = { paths: node.ipv6, client }
  }

  /** The host has told where it is reached. */
  onAddresses(addresses: readonly Ipv6Address[]): void {
    this.#search?.client.onAddresses(addresses)
  }

  pathChanged(): void {
    this.#search?.client.pathChanged()
  }

  /** A connection that was opened is of no use. */
  failed(): void {
    this.#history.failed()
  }

  /** The connection is gone. */
  lost(): void {
    const { node, clock } = this.#deps
    if (this.#since !== null) {
      if (node.ipv6 && sameAddresses(node.ipv6.addresses, this.#addresses))
        this.#history.lost(clock.now() - this.#since)
      else this.#history.clear()
    }
    this.end()
  }

  end(): void {
    this.#since = null
    this.#search?.paths.end(this.#search.client)
    this.#search = null
  }
}
