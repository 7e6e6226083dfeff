/** Checks whether the system has a route to an address: it does not report to a UDP socket that a computer of the LAN is off. */
import net from 'node:net'
import { codeOf } from '../errors.js'

/** A port that hardly any program uses: a program may log a connection, and some accept only one. */
const UNUSED_PORT = 9

/** After this time, ms, a computer of the LAN counts as off: Linux asks for it three times, once a second. */
const ROUTE_MS = 5000

const UNROUTED: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETDOWN'])

/** Sooner than that, it is a firewall that refuses the port: many answer with the report of a router. */
const FIREWALL_MS = 1000

/**
 * @param connect an argument for tests
 * @returns the system's error if there is no route; null if there is one, or that is not known
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
