/** Which program on this computer has a port. */
import type { BoundSocket } from './bound-socket.js'
import { boundSockets } from './bound-sockets.js'

/**
 * Finds the program that keeps a port from being opened.
 * @param host the IPv4 address at which it was wanted
 * @returns such as `nginx (process 812)`; undefined where it cannot be seen, as of programs of other users
 */
export async function portHolder(
  proto: BoundSocket['proto'],
  host: string,
  port: number
): Promise<string | undefined> {
  // What cannot be found out is only left out of a message.
  const sockets = await boundSockets().catch(() => [])
  const holder = sockets.find(
    socket => socket.proto === proto && socket.port === port && isInTheWay(socket.address, host)
  )
  return holder && `${holder.program} (process ${holder.pid})`
}

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

/** Whether a socket at one address keeps another one from being opened at the other address. */
function isInTheWay(address: string, wanted: string): boolean {
  return address === wanted || WILDCARDS.has(address) || WILDCARDS.has(wanted)
}
