/** IPv4 addresses as numbers, and which of them a relay sends to. */
import net from 'node:net'

export function ipv4Number(host: string): number {
  const [a, b, c, d] = host.split('.').map(Number) as [number, number, number, number]
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
}

export function ipv4Text(host: number): string {
  return `${host >>> 24}.${(host >>> 16) & 255}.${(host >>> 8) & 255}.${host & 255}`
}

/** What no packet from the internet should be sent to (RFC 6890), documentation's addresses left out: they lead nowhere. */
const REFUSED = new net.BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4]
] as const) {
  REFUSED.addSubnet(network, prefix, 'ipv4')
}

/** Whether an address is a public unicast one. */
export function isPublicIpv4(host: string): boolean {
  return net.isIPv4(host) && !REFUSED.check(host, 'ipv4')
}
