/** The IPv4 addresses of this machine: only its own programs are listened to. */
import os from 'node:os'

/** Interfaces by address. */
export type Addresses = ReadonlyMap<string, string>

export function ownAddresses(): Addresses {
  const own = new Map<string, string>()
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    for (const { family, address } of addresses ?? []) if (family === 'IPv4') own.set(address, name)
  }
  return own
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.')
}

/** Whether the lobby can serve a map that listens there: on loopback, nobody else in the LAN gets in by it. */
export function servesLobby(localHost: string): boolean {
  return isLoopback(localHost) || localHost === 'localhost'
}
