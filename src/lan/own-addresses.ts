/** The IPv4 addresses of this machine: only its own programs are listened to. */
import { LOCALHOST } from '../text/address.js'
import { interfaceAddresses } from '../util/interfaces.js'

/** Interfaces by address. */
export type Addresses = ReadonlyMap<string, string>

export function ownAddresses(): Addresses {
  const ipv4 = interfaceAddresses().filter(({ family }) => family === 'IPv4')
  return new Map(ipv4.map(({ address, name }) => [address, name]))
}

/** Whether a map that listens there is found at {@link LOCALHOST}. */
export function isFoundOnLoopback(localHost: string): boolean {
  return [LOCALHOST, 'localhost', '0.0.0.0'].includes(localHost)
}
