/** Whether programs of this computer listen at a port: read from the system's table, of which the programs notice nothing. */
import { isIPv6 } from 'node:net'
import { isIPv4Loopback, LOCALHOST } from '../text/address.js'
import { ipv6Bytes, ipv6Text } from '../text/ipv6.js'
import { interfaceAddresses } from '../util/interfaces.js'
import { socketsOfNetwork } from './linux.js'

/** Whether a program is reached at an address of this computer. */
export type Listeners = (proto: 'tcp' | 'udp', host: string, port: number) => boolean

/** The sockets that accept any peer now; null where the system has no table of them that costs little to read. */
export async function listeners(): Promise<Listeners | null> {
  if (process.platform !== 'linux') return null
  const sockets = await socketsOfNetwork('self')
  // Without the node's own sockets it is no table that can be relied on.
  if (!sockets.some(({ proto }) => proto === 'udp')) return null
  const bound = new Set(sockets.map(({ proto, address, port }) => `${proto} ${address} ${port}`))
  return (proto, host, port) =>
    reachedAt(asListed(host)).some(address => bound.has(`${proto} ${address} ${port}`))
}

/** Whether programs at this host are on this computer. */
export function isOwnHost(host: string): boolean {
  if (isIPv4Loopback(host) || asListed(host) === '::1') return true
  const listed = asListed(host)
  return interfaceAddresses().some(({ address }) => address === listed)
}

/** A host in the form in which the system writes addresses: people write an IPv6 address in several ways. */
function asListed(host: string): string {
  const bare = host.replace(/%.*$/, '').toLowerCase()
  return isIPv6(bare) ? ipv6Text(ipv6Bytes(bare)) : bare
}

/** The addresses at which a program listens that is reached at a host. On `::`, most take IPv4 as well. */
function reachedAt(host: string): string[] {
  const any = ['0.0.0.0', '::']
  if (host === 'localhost') return [LOCALHOST, '::1', ...any]
  return host.includes(':') ? [host, '::'] : [host, ...any]
}
