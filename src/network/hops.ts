/**
 * The first routers on the way to the network, found with the system's own `ping`, which may receive what routers answer (ICMP);
 * other programs may not. Finds a second router or a carrier's NAT behind the first one, as far as these answer.
 */
import { execFile } from 'node:child_process'
import net from 'node:net'
import { isHomeAddress } from './path.js'

/** Between a carrier's NAT and its customers: RFC 6598, and RFC 6333 where IPv4 is carried over IPv6. */
const SHARED = new net.BlockList()
SHARED.addSubnet('100.64.0.0', 10, 'ipv4')
SHARED.addSubnet('192.0.0.0', 29, 'ipv4')

/**
 * What lies beyond the first router.
 *
 * - `carrier`: an address of the range that carriers use for their NAT, which many customers share
 * - `private`: a second private network: a second router in the house, a carrier, a virtual machine, a VPN
 * - `public`: the internet
 */
export type Beyond = 'carrier' | 'private' | 'public'

export interface Hops {
  /** The address that packets leave this machine from; null where nothing leads out. */
  readonly source: string | null
  /** Routers in their order; null for one that does not answer. */
  readonly routers: readonly (string | null)[]
}

/** Classifies the way out of a machine behind a NAT; null when too few routers answered. */
export function beyondOf({ source, routers }: Hops): Beyond | null {
  const [first = null, ...further] = routers
  const way = [source, ...routers].filter(address => address !== null)
  if (way.some(address => SHARED.check(address, 'ipv4'))) return 'carrier'
  if (further.some(address => address !== null && isHomeAddress(address))) return 'private'
  const [second = null] = further
  // A router that is silent could be one with a private address.
  return (first !== null && !isHomeAddress(first)) || (first !== null && second !== null) ? 'public' : null
}

/** The same, from the outer address of the first router, where that tells it. */
export function beyondRouter(externalAddress: string): Beyond {
  if (SHARED.check(externalAddress, 'ipv4')) return 'carrier'
  return isHomeAddress(externalAddress) ? 'private' : 'public'
}

/**
 * Asks the first `count` routers on the way to an IPv4 address, all at once. All are null where the system has no `ping`, or
 * where it does not tell.
 */
export async function routersTo(
  host: string,
  own: readonly string[],
  count: number,
  ms: number
): Promise<(string | null)[]> {
  const hops = Array.from({ length: count }, (_, i) => i + 1)
  const said = await Promise.all(hops.map(hop => ping(host, hop, ms)))
  return said.map(text => routerIn(text, [host, ...own]))
}

/** The router in what `ping` said, whatever its language: the one address that is neither ours nor the target's. */
export function routerIn(said: string, others: readonly string[]): string | null {
  const addresses = said.match(/(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)/g) ?? []
  return addresses.find(address => net.isIPv4(address) && !others.includes(address)) ?? null
}

/** One echo request that goes `hops` routers far, by each system's name for that. */
export function pingArguments(platform: string, host: string, hops: number): string[] {
  if (platform === 'win32') return ['-n', '1', '-w', '1500', '-i', `${hops}`, host]
  if (platform === 'linux') return ['-n', '-c', '1', '-W', '2', '-t', `${hops}`, host]
  return ['-n', '-c', '1', '-t', '2', '-m', `${hops}`, host]
}

function ping(host: string, hops: number, ms: number): Promise<string> {
  const args = pingArguments(process.platform, host, hops)
  return new Promise(resolve => {
    // It ends with an error when a router answers in the target's place; what it said counts.
    execFile('ping', args, { timeout: ms, windowsHide: true }, (_err, stdout) => resolve(stdout))
  })
}
