/** Which IPv6 addresses are told to a peer, and which of a peer's are sent to. */
import net from 'node:net'
import { interfaceAddresses } from '../../util/interfaces.js'
import type { Ipv6Address } from '../../wire/addresses.js'

/** Addresses of the public internet, without those that are tunnels (Teredo, 6to4) or for documentation. */
const GLOBAL = blockList(['2000::', 3])
const UNUSABLE = blockList(['2001::', 32], ['2001:db8::', 32], ['2002::', 16])

/** Unique local addresses (RFC 4193), which lead somewhere in one network only. */
const LOCAL = blockList(['fc00::', 7])

/** Services of systems listen below; hyper-nat never does. */
const LEAST_PORT = 1024

function blockList(...subnets: readonly (readonly [string, number])[]): net.BlockList {
  const list = new net.BlockList()
  for (const [address, prefix] of subnets) list.addSubnet(address, prefix, 'ipv6')
  return list
}

export function isGlobal(host: string): boolean {
  return GLOBAL.check(host, 'ipv6') && !UNUSABLE.check(host, 'ipv6')
}

export function isUniqueLocal(host: string): boolean {
  return LOCAL.check(host, 'ipv6')
}

/** Whether two addresses have the first 64 bits in common, as those of one LAN have. */
export function isSameNetwork(a: string, b: string): boolean {
  const list = blockList([a, 64])
  return list.check(b, 'ipv6')
}

/** This machine's IPv6 addresses that others may reach: global ones first, then unique local ones. */
export function ownIpv6Addresses(): string[] {
  const usable = interfaceAddresses().filter(({ family, internal }) => family === 'IPv6' && !internal)
  const hosts = [...new Set(usable.map(({ address }) => address))]
  return [...hosts.filter(isGlobal), ...hosts.filter(isUniqueLocal)]
}

/**
 * The first `count` of these, those first that packets to the internet leave from, and then those of further networks: a machine has
 * several addresses in each.
 */
export function chooseAddresses(hosts: readonly string[], preferred: string | null, count: number): string[] {
  const order = [...hosts].sort((a, b) => rank(a) - rank(b))
  const first = order.filter((host, i) => !order.slice(0, i).some(other => isSameNetwork(other, host)))
  return [...first, ...order.filter(host => !first.includes(host))].slice(0, count)

  function rank(host: string): number {
    return host === preferred ? 0 : isGlobal(host) ? 1 : 2
  }
}

/**
 * Whether packets may be sent to an address that a peer has told: those of the internet, and those of a LAN that this machine is in.
 * @param own this machine's address that they leave from
 */
export function mayProbe(own: string, { host, port }: Ipv6Address): boolean {
  if (port < LEAST_PORT) return false
  if (isGlobal(host)) return isGlobal(own)
  return isUniqueLocal(host) && isUniqueLocal(own) && isSameNetwork(own, host)
}
