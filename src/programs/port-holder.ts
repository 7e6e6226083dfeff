/** Which program on this computer has a port. */

import { hostsCollide } from '../text/hosts.js'
import type { BoundSocket } from './bound-socket.js'
import { boundSockets } from './bound-sockets.js'

/**
 * Tells which program keeps a port from being opened at an address: `nginx (process 812)`; undefined where that cannot be seen, as of
 * programs of other users.
 */
export type PortHolders = (proto: BoundSocket['proto'], host: string, port: number) => string | undefined

/** Looks at all sockets once. */
export async function portHolders(): Promise<PortHolders> {
  // What cannot be found out is only left out of a message.
  const sockets = await boundSockets().catch(() => [])
  return (proto, host, port) => {
    const holder = sockets.find(
      socket => socket.proto === proto && socket.port === port && hostsCollide(socket.address, host)
    )
    return holder && `${holder.program} (process ${holder.pid})`
  }
}

/** The same for one port. */
export async function portHolder(...port: Parameters<PortHolders>): Promise<string | undefined> {
  return (await portHolders())(...port)
}
