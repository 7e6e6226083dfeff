/** The IPv4 addresses of this machine: only its own programs are listened to. */
import os from 'node:os'
import { LOCALHOST } from '../text/address.js'

/** Interfaces by address. */
export type Addresses = ReadonlyMap<string, string>

export function ownAddresses(): Addresses {
  const own = new Map<string, string>()
  for (const [name, addresses] of Object.entries(interfaces())) {
    for (const { family, address } of addresses ?? []) if (family === 'IPv4') own.set(address, name)
  }
  return own
}

/** Some systems keep their interfaces from programs: loopback is known all the same. */
function interfaces(): ReturnType<typeof os.networkInterfaces> {
  try {
    return os.networkInterfaces()
  } catch {
    return {}
  }
}

/** Whether a map that listens there is found at {@link LOCALHOST}. */
export function isFoundOnLoopback(localHost: string): boolean {
  return [LOCALHOST, 'localhost', '0.0.0.0'].includes(localHost)
}
