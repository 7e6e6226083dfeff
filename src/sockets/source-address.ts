/** Addresses of this machine to connect from: whether the system has them. */
import dgram from 'node:dgram'
import { codeOf } from '../errors.js'

/** How a system says that an address is none of its own. */
const NOT_OURS: ReadonlySet<string> = new Set(['EADDRNOTAVAIL', 'EINVAL'])

/** Whether this is why a socket could not be bound to its own address; a connection fails with the same codes for other reasons. */
export function isAddressMissing(err: unknown): boolean {
  return NOT_OURS.has(codeOf(err)) && (err as { syscall?: unknown }).syscall === 'bind'
}

/** Tries an IPv4 address. Linux and Windows have all of 127.0.0.0/8; macOS and the BSDs have 127.0.0.1 alone. */
export function isLocalAddress(address: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = dgram.createSocket('udp4')
    const done = (ours: boolean): void => {
      socket.close()
      resolve(ours)
    }
    socket.once('error', () => done(false))
    socket.bind({ address, port: 0, exclusive: true }, () => done(true))
  })
}
