/**
 * The addresses of one host. There is one look-up at a time, so that a resolver that does not answer holds up nothing else, and its
 * result is valid for a while. The address that failed last comes last.
 */
import dns from 'node:dns/promises'
import net from 'node:net'
import type { Limits } from '../limits.js'
import { SingleFlight } from '../util/single-flight.js'
import { routeError } from './route.js'

export type LookUp = (host: string) => Promise<readonly string[]>

/** The system's errors for addresses that it has no route to. */
export type Unrouted = ReadonlyMap<string, Error>

/** IPv4 first: most programs listen there. */
const systemLookUp: LookUp = async host =>
  (await dns.lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address)

/** The one address of a host to listen at, or to ask: an address as it is, the first of a name, IPv4 before IPv6. */
export async function addressOf(host: string): Promise<string> {
  if (net.isIP(host)) return host
  return (await dns.lookup(host, { order: 'ipv4first' })).address
}

export class HostResolver {
  /** Whether the host is a name, whose addresses may change. */
  readonly isName: boolean
  readonly #limits: Pick<Limits, 'resolveMs'>
  readonly #lookUp: LookUp
  readonly #routeError: (address: string) => Promise<Error | null>
  #addresses: readonly string[] = []
  /** Addresses that have failed since others were found, the one that failed last at the end. */
  readonly #failed = new Set<string>()
  readonly #lookUps = new SingleFlight<readonly string[]>()
  #at = Number.NEGATIVE_INFINITY
  #unrouted: Promise<Unrouted> | null = null
  #unroutedAt = Number.NEGATIVE_INFINITY

  constructor(
    readonly host: string,
    limits: Pick<Limits, 'resolveMs'>,
    lookUp: LookUp = systemLookUp,
    findRoute: (address: string) => Promise<Error | null> = routeError
  ) {
    this.#limits = limits
    this.#lookUp = lookUp
    this.#routeError = findRoute
    this.isName = net.isIP(host) === 0
    if (!this.isName) this.#addresses = [host]
  }

  /** The addresses that are known and hold; null when they have to be looked up. */
  get known(): readonly string[] | null {
    if (!this.isName) return this.#addresses
    return performance.now() - this.#at < this.#limits.resolveMs ? this.#ordered : null
  }

  /**
   * The addresses, the one to try first in front; at least one.
   * @param again whether they are looked up even if they still hold
   * @throws the system's error when the name is not known
   */
  async addresses(again = false): Promise<readonly string[]> {
    const known = again && this.isName ? null : this.known
    if (known) return known
    return this.#lookUps.run(() => this.#refresh())
  }

  /** The known addresses that the system has no route to. The result is valid as long as they are. */
  unrouted(): Promise<Unrouted> {
    const now = performance.now()
    if (!this.#unrouted || now - this.#unroutedAt >= this.#limits.resolveMs) {
      this.#unrouted = this.#findUnrouted(this.#addresses)
      this.#unroutedAt = now
    }
    return this.#unrouted
  }

  async #findUnrouted(addresses: readonly string[]): Promise<Unrouted> {
    const found = new Map<string, Error>()
    await Promise.all(
      addresses.map(async address => {
        const err = await this.#routeError(address)
        if (err) found.set(address, err)
      })
    )
    return found
  }

  /** An address does not answer, or refuses: others are tried first. */
  failed(address: string): void {
    if (!this.isName) return
    this.#failed.delete(address)
    this.#failed.add(address)
  }

  /** An address answers. */
  answered(address: string): void {
    this.#failed.delete(address)
  }

  get #ordered(): readonly string[] {
    if (this.#failed.size === 0) return this.#addresses
    const failed = [...this.#failed]
    return [...this.#addresses].sort((a, b) => failed.indexOf(a) - failed.indexOf(b))
  }

  async #refresh(): Promise<readonly string[]> {
    const found = [...new Set(await this.#lookUp(this.host))]
    if (found.length === 0) throw Object.assign(new Error('The name has no address.'), { code: 'ENOTFOUND' })
    const before = this.#addresses
    // Another answer is another beginning; the same one says nothing new of those that failed.
    if (found.length !== before.length || found.some(address => !before.includes(address))) {
      this.#failed.clear()
      this.#unrouted = null
    }
    this.#addresses = found
    this.#at = performance.now()
    return this.#ordered
  }
}
