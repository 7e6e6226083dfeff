/** The IPv4 addresses of this machine: only its own programs are listened to. */
import os from 'node:os'

/** Interfaces by address. */
export type Addresses = ReadonlyMap<string, string>

/** Where programs of this machine find each other. */
export const LOOPBACK = '127.0.0.1'

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

export function isLoopback(address: string): boolean {
  return address.startsWith('127.')
}

/** Whether a map that listens there is on loopback, where nobody else in the LAN gets in. */
export function isLocal(localHost: string): boolean {
  return isLoopback(localHost) || localHost === 'localhost'
}

/** Whether a map that listens there is found at {@link LOOPBACK}. */
export function isFoundOnLoopback(localHost: string): boolean {
  return [LOOPBACK, 'localhost', '0.0.0.0'].includes(localHost)
}
