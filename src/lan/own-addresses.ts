/** The IPv4 addresses of this machine: only its own programs are listened to. */

import { LOCALHOST } from '../text/address.js'
import { networkInterfaces } from '../util/interfaces.js'

/** Interfaces by address. */
export type Addresses = ReadonlyMap<string, string>

export function ownAddresses(): Addresses {
  const own = new Map<string, string>()
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    for (const { family, address } of addresses ?? []) if (family === 'IPv4') own.set(address, name)
  }
  return own
}

/** Whether a map that listens there is found at {@link LOCALHOST}. */
export function isFoundOnLoopback(localHost: string): boolean {
  return [LOCALHOST, 'localhost', '0.0.0.0'].includes(localHost)
}
