/** Finds out whether the system has a way to an address: it does not report to a UDP socket that a computer of the LAN is off. */
import net from 'node:net'
import { codeOf } from '../errors.js'

/** A port that hardly any program has: those that are connected to may log it, and some serve a single connection. */
const UNUSED_PORT = 9

/** Until a computer of the LAN counts as off, with some time to spare: Linux asks for it three times, once a second. */
const ROUTE_MS = 5000

const UNROUTED: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETDOWN'])

/** Sooner than that, it is a firewall that refuses the port: many answer with the report of a router. */
const FIREWALL_MS = 1000

/**
 * @param connect tests have their own
 * @returns what the system says where there is no way; null where there is one, and where that is not known
 */
export function routeError(
  address: string,
  connect: (port: number, host: string) => net.Socket = net.connect
): Promise<Error | null> {
  const began = performance.now()
  const socket = connect(UNUSED_PORT, address).unref()
  return new Promise(resolve => {
    socket.setTimeout(ROUTE_MS, () => socket.destroy())
    socket.once('connect', () => socket.destroy())
    socket.once('error', err => {
      const isFirewall = codeOf(err) === 'EHOSTUNREACH' && performance.now() - began < FIREWALL_MS
      resolve(UNROUTED.has(codeOf(err)) && !isFirewall ? err : null)
    })
    socket.once('close', () => resolve(null))
  })
}
