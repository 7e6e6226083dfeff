/** Which local ports to open where the wanted ones may be in use: the next free ones. */

import { codeOf, HyperNatError } from '../errors.js'
import { listenTcp } from './tcp.js'
import { listenUdp } from './udp.js'

/** A local port that somebody wants to open. */
export interface WantedPort {
  readonly proto: 'tcp' | 'udp' | 'tcpudp'
  readonly localHost: string
  /** 1 to 65535, or 0 for any free one. */
  readonly localPort: number
  /** Whether another one does, too. */
  readonly nextFree: boolean
}

type Transport = 'tcp' | 'udp'

/** Ports that move together: a program that speaks TCP and UDP expects both on one port. */
interface Group {
  readonly host: string
  readonly wanted: number
  /** The places in the list of all, by transport. */
  readonly members: Map<Transport, number>
}

/** Ports below are for the system's own services, on most systems. */
const FIRST_OPEN_PORT = 1024

/** Where the services of those ports are found when they cannot have them: 8080, 8443, 8022. */
const SERVICE_SHIFT = 8000

const PORT_MAX = 65_535

/**
 * The ports to open: the wanted ones, or, where they are in use and `nextFree` says so, the next ones that are not. What is
 * free now may be taken before it is opened; then ask again.
 * @param tries how many ports to try for each; after them the answer is 0, any free one
 * @returns a port for each of `all`, in their order
 */
export async function freePorts(all: readonly WantedPort[], tries: number): Promise<number[]> {
  const ports = all.map(({ localPort }) => localPort)
  const movable: Group[] = []
  const taken = new Set<string>()
  for (const [index, { proto, localHost: host, localPort: wanted, nextFree }] of all.entries()) {
    if (wanted === 0) continue
    const transport = proto === 'udp' ? 'udp' : 'tcp'
    if (!nextFree) {
      taken.add(`${transport} ${wanted}`)
      continue
    }
    // Both `tcp` and `tcpudp` listen for TCP: the second of them goes its own way.
    const group = movable.find(
      one => one.host === host && one.wanted === wanted && !one.members.has(transport)
    )
    if (group) group.members.set(transport, index)
    else movable.push({ host, wanted, members: new Map([[transport, index]]) })
  }
  const place = (group: Group, port: number): void => {
    for (const [transport, index] of group.members) {
      ports[index] = port
      if (port !== 0) taken.add(`${transport} ${port}`)
    }
  }
  // First all that get what they want, so that nobody is moved into another's place.
  const moving: Group[] = []
  for (const group of movable) {
    if ((await stateOf(group, group.wanted, taken)) === 'free') place(group, group.wanted)
    else moving.push(group)
  }
  for (const group of moving) place(group, await nextFree(group, taken, tries))
  return ports
}

async function nextFree(group: Group, taken: ReadonlySet<string>, tries: number): Promise<number> {
  let port = group.wanted
  for (let tried = 0; tried < tries; tried++) {
    const forbidden = port < FIRST_OPEN_PORT && (await stateOf(group, port, taken)) === 'forbidden'
    port += forbidden ? SERVICE_SHIFT : 1
    if (port > PORT_MAX) return 0
    if ((await stateOf(group, port, taken)) === 'free') return port
  }
  return 0
}

/**
 * Opens a local port, and closes it again: it can be had now.
 * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED
 */
export async function tryPort(proto: WantedPort['proto'], host: string, port: number): Promise<void> {
  const listener = await (proto === 'udp' ? listenUdp(host, port, noop) : listenTcp(host, port, noop))
  await listener.close()
}

type State = 'free' | 'taken' | 'forbidden'

async function stateOf({ host, members }: Group, port: number, taken: ReadonlySet<string>): Promise<State> {
  for (const transport of members.keys()) {
    if (taken.has(`${transport} ${port}`)) return 'taken'
    try {
      await tryPort(transport, host, port)
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      if (err.code === 'PORT_IN_USE') return 'taken'
      // What is wrong with the address is no better at another port: opening it will say so.
      if (codeOf(err.cause) !== 'EACCES') return 'free'
      return 'forbidden'
    }
  }
  return 'free'
}

function noop(): void {}
