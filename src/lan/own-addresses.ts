/** The IPv4 addresses of this machine: only its own programs are listened to. */
import { interfaceAddresses } from '../util/interfaces.js'

/** Interfaces by address. */
export type Addresses = ReadonlyMap<string, string>

export function ownAddresses(): Addresses {
  const ipv4 = interfaceAddresses().filter(({ family }) => family === 'IPv4')
  return new Map(ipv4.map(({ address, name }) => [address, name]))
}
