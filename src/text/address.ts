/** Addresses, as people read and type them. */
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { isSocketPath } from './socket-path.js'

/** What programs find under the name localhost; for UDP some take only the IPv6 address, where nobody listens. */
export const LOCALHOST = '127.0.0.1'

/** `127.0.0.1:8080`, `[::1]:8080`; a socket with a path has no port. */
export function hostPort(host: string, port: number): string {
  if (isSocketPath(host)) return host
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where a program on this machine reaches one that listens on `host`: on `::`, Node.js takes IPv4 as well. */
export function typedHost(host: string): string {
  return isAnyHost(host) ? LOCALHOST : host
}

/** Whether a program that listens at this address listens on all addresses. */
export function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** Whether packets to an address stay on this machine. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || LOOPBACK.check(host, isIPv6(host) ? 'ipv6' : 'ipv4')
}

/** Whether a program that listens there is on this computer alone, and reached by IPv4. */
export function isIPv4Loopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || (isIPv4(host) && host.startsWith('127.'))
}
