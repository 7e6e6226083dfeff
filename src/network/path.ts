import net from 'node:net'
import type { PathKind } from '../events.js'
import { isLoopback } from '../text/address.js'

/** Addresses that do not leave the house: loopback, private (RFC 1918, RFC 4193) and link-local ones. */
const HOME = new net.BlockList()
HOME.addSubnet('127.0.0.0', 8, 'ipv4')
HOME.addSubnet('10.0.0.0', 8, 'ipv4')
HOME.addSubnet('172.16.0.0', 12, 'ipv4')
HOME.addSubnet('192.168.0.0', 16, 'ipv4')
HOME.addSubnet('169.254.0.0', 16, 'ipv4')
HOME.addAddress('::1', 'ipv6')
HOME.addSubnet('fc00::', 7, 'ipv6')
HOME.addSubnet('fe80::', 10, 'ipv6')

/** How packets to `host` travel. */
export function pathOf(host: string): PathKind {
  return isHomeAddress(host) ? 'lan' : 'direct'
}

/** Whether packets go through a third machine. */
export function isRelayed(path: PathKind): boolean {
  return path === 'relayed' || path === 'relayed (tcp)'
}

/** Whether an address does not leave the house. */
export function isHomeAddress(host: string): boolean {
  return HOME.check(host, net.isIPv6(host) ? 'ipv6' : 'ipv4')
}

/** How far away an address is. */
export type Reach = 'machine' | 'private' | 'public'

export function reachOf(host: string): Reach {
  return isLoopback(host) ? 'machine' : isHomeAddress(host) ? 'private' : 'public'
}
