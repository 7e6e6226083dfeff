/** Which local ports to open where the wanted ones may be in use: the next free ones, or the same at another loopback address. */

import { codeOf, HyperNatError } from '../errors.js'
import type { PortSet } from '../games/port-set.js'
import { portHolder } from '../programs/port-holder.js'
import { type Proto, transportOf } from '../proto.js'
import { LOCALHOST } from '../text/address.js'
import { leadsTo, type Target } from '../text/local-end.js'
import { formatPorts, PORT_MAX } from '../text/ports.js'
import { FIRST_OPEN_PORT } from '../util/listen-error.js'
import { listenTcp } from './tcp.js'
import { listenUdp } from './udp.js'

/** A local port to open. */
export interface WantedPort {
  readonly proto: Proto
  readonly localHost: string
  /** 1 to 65535, or 0 for any free one. */
  readonly localPort: number
  /** Whether another one does, too. */
  readonly nextFree: boolean
  /** The ports that it depends on, all of them with `nextFree`; left out: none. */
  readonly set?: PortSet | undefined
}

/** Where to open a port. */
export interface LocalPlace {
  readonly localHost: string
  readonly localPort: number
}

/** Ports that cannot be where they were wanted. */
export interface MovedPorts {
  /** Their places in the list of all. */
  readonly members: readonly number[]
  readonly set: PortSet | undefined
  /** What is in the way, as the beginning of a sentence: `Port 80 (tcp) of 127.0.0.1 is in use by nginx (process 7)`. */
  readonly cause: string
}

/** What can be opened now. */
export interface FreePorts {
  /** One for each that was wanted, in their order. */
  readonly places: readonly LocalPlace[]
  readonly moved: readonly MovedPorts[]
}

type Transport = ReturnType<typeof transportOf>

/** Ports that cannot be had, though nothing has them yet. */
interface Reserved {
  /** Those that were given to others of the list. */
  readonly given: readonly Obstacle[]
  readonly shared: readonly Target[]
}

interface Member {
  readonly transport: Transport
  readonly port: number
  /** Its place in the list of all. */
  readonly index: number
}

/** Ports that move together: those of a set, and TCP and UDP of one port, as a program that speaks both expects them there. */
interface Group {
  readonly host: string
  readonly members: Member[]
  readonly set: PortSet | undefined
}

/** A port that cannot be had. */
interface Obstacle {
  readonly transport: Transport
  readonly host: string
  readonly port: number
  readonly state: 'taken' | 'forbidden' | 'shared'
}

/** Where the services of those ports are found when they cannot have them: 8080, 8443, 8022. */
const SERVICE_SHIFT = 8000

/** Where the same numbers are free most likely. Linux and Windows have them all, macOS has none but the first. */
const OTHER_LOOPBACKS = Array.from({ length: 8 }, (_, i) => `127.0.0.${i + 2}`)

/** Tells which program has a port. */
type Holder = typeof portHolder

/**
 * The ports to open: the wanted ones, or, where they are in use and `nextFree` says so, the next ones that are not. What is
 * free now may be taken before it is opened; then ask again.
 * @param tries how many ports to try for each; after them the answer is 0, any free one
 * @param options.shared where servers of this computer look for their programs, which may start later; `nextFree` leaves those ports to them
 * @throws HyperNatError PORT_IN_USE for a set that cannot be had as its game needs it
 */
export async function freePorts(
  all: readonly WantedPort[],
  tries: number,
  { shared = [], holder = portHolder }: { shared?: readonly Target[]; holder?: Holder } = {}
): Promise<FreePorts> {
  const places: LocalPlace[] = all.map(({ localHost, localPort }) => ({ localHost, localPort }))
  const given: Obstacle[] = []
  const reserved: Reserved = { given, shared }
  const take = (transport: Transport, host: string, port: number): void => {
    given.push({ transport, host, port, state: 'taken' })
  }
  for (const { proto, localHost, localPort, nextFree } of all) {
    if (!nextFree && localPort !== 0) take(transportOf(proto), localHost, localPort)
  }
  const move = (group: Group, host: string, shift: number | null): void => {
    for (const { transport, port, index } of group.members) {
      const localPort = shift === null ? 0 : port + shift
      places[index] = { localHost: host, localPort }
      if (localPort !== 0) take(transport, host, localPort)
    }
  }
  // First all that get what they want, so that nobody is moved into another's place.
  const moving: { group: Group; obstacles: Obstacle[] }[] = []
  for (const group of groupsOf(all)) {
    const obstacles = await obstaclesOf(group, group.host, 0, reserved)
    if (obstacles.length === 0) move(group, group.host, 0)
    else moving.push({ group, obstacles })
  }
  const moved: MovedPorts[] = []
  for (const { group, obstacles } of moving) {
    const { set } = group
    const cause = await causeOf(obstacles, holder)
    if (set?.guestPorts === 'same') {
      const host = await freeLoopback(group, set, reserved)
      if (host === undefined) throw inTheWay(group, set, obstacles[0]!, cause)
      move(group, host, 0)
    } else {
      const shift = await freeShift(group, obstacles, tries, reserved)
      if (shift === null && set) throw inTheWay(group, set, obstacles[0]!, cause)
      move(group, group.host, shift)
    }
    moved.push({ members: group.members.map(({ index }) => index), set, cause })
  }
  return { places, moved }
}

function groupsOf(all: readonly WantedPort[]): Group[] {
  const groups: Group[] = []
  for (const [index, { proto, localHost: host, localPort: port, nextFree, set }] of all.entries()) {
    if (port === 0 || !nextFree) continue
    const transport = transportOf(proto)
    // Both `tcp` and `tcpudp` listen for TCP: the second of them goes its own way.
    const group = groups.find(
      one =>
        one.host === host &&
        one.set?.id === set?.id &&
        (set !== undefined || one.members[0]!.port === port) &&
        !one.members.some(member => member.port === port && member.transport === transport)
    )
    if (group) group.members.push({ transport, port, index })
    else groups.push({ host, set, members: [{ transport, port, index }] })
  }
  return groups
}

/**
 * How far a group has to move; null when it is nowhere free.
 * @param obstacles what is in its way where it was wanted
 */
async function freeShift(
  group: Group,
  obstacles: readonly Obstacle[],
  tries: number,
  reserved: Reserved
): Promise<number | null> {
  const highest = Math.max(...group.members.map(({ port }) => port))
  let shift = 0
  for (let tried = 0; tried < tries; tried++) {
    const forbidden = obstacles.some(({ state, port }) => state === 'forbidden' && port < FIRST_OPEN_PORT)
    shift += forbidden ? SERVICE_SHIFT : 1
    if (highest + shift > PORT_MAX) return null
    obstacles = await obstaclesOf(group, group.host, shift, reserved)
    if (obstacles.length === 0) return shift
  }
  return null
}

/** Another loopback address where all of a set is free, for games that accept it. */
async function freeLoopback(
  group: Group,
  { byAddress }: PortSet,
  reserved: Reserved
): Promise<string | undefined> {
  if (!byAddress || group.host !== LOCALHOST) return undefined
  for (const host of OTHER_LOOPBACKS) {
    const isHere = await canHave('udp', host, 0)
    if (isHere && (await obstaclesOf(group, host, 0, reserved)).length === 0) return host
  }
  return undefined
}

/** The ports of a group that cannot be had, so far from where they were wanted. */
async function obstaclesOf(
  { members }: Group,
  host: string,
  shift: number,
  { given, shared }: Reserved
): Promise<Obstacle[]> {
  const found: Obstacle[] = []
  for (const { transport, port: wanted } of members) {
    const port = wanted + shift
    const isGiven = given.some(
      one => one.transport === transport && one.port === port && meets(one.host, host)
    )
    const state = isGiven ? 'taken' : await stateOf(transport, host, port)
    if (state !== 'free') found.push({ transport, host, port, state })
    else if (shared.some(target => leadsTo(target, { proto: transport, localPort: port, localHost: host })))
      found.push({ transport, host, port, state: 'shared' })
  }
  return found
}

/** Whether one address keeps a port from being opened at another. */
function meets(one: string, other: string): boolean {
  return one === other || !OTHER_LOOPBACKS.includes(one) || !OTHER_LOOPBACKS.includes(other)
}

/**
 * Opens a local port, and closes it again: it can be had now.
 * @throws HyperNatError PORT_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED
 */
export async function tryPort(proto: Proto, host: string, port: number): Promise<void> {
  const listener = await (proto === 'udp' ? listenUdp(host, port, noop) : listenTcp(host, port, noop))
  await listener.close()
}

async function canHave(transport: Transport, host: string, port: number): Promise<boolean> {
  return tryPort(transport, host, port).then(
    () => true,
    () => false
  )
}

async function stateOf(
  transport: Transport,
  host: string,
  port: number
): Promise<'free' | 'taken' | 'forbidden'> {
  try {
    await tryPort(transport, host, port)
    return 'free'
  } catch (err) {
    if (!(err instanceof HyperNatError)) throw err
    if (err.code === 'PORT_IN_USE') return 'taken'
    // What is wrong with the address is no better at another port: opening it will say so.
    return codeOf(err.cause) === 'EACCES' ? 'forbidden' : 'free'
  }
}

/** Why the first of some ports cannot be had; the others of the same kind are named with it. */
async function causeOf(obstacles: readonly Obstacle[], holder: Holder): Promise<string> {
  const { state, transport, host, port } = obstacles[0]!
  const alike = obstacles.filter(one => one.state === state)
  const ports = formatPorts([...new Set(alike.map(one => one.port))])
  const transports = [...new Set(alike.map(one => one.transport))].join(' and ')
  const which = `${/^\d+$/.test(ports) ? `Port ${ports} (${transports}) of ${host} is` : `Ports ${ports} (${transports}) of ${host} are`}`
  if (state === 'shared') return `${which} left to the program that is shared from there`
  if (state === 'forbidden') return `${which} closed to this user`
  return `${which} in use by ${(await holder(transport, host, port)) ?? 'another program'}`
}

function inTheWay(
  { members }: Group,
  { title, guestPorts }: PortSet,
  { state }: Obstacle,
  cause: string
): HyperNatError {
  const ports = formatPorts([...new Set(members.map(({ port }) => port))].sort((a, b) => a - b))
  const needs =
    guestPorts === 'same'
      ? `${title} works only with the port numbers that the server has (${ports})`
      : `${title} needs its ports (${ports}) side by side, and there is no room for them`
  return new HyperNatError(
    'PORT_IN_USE',
    `${cause}, and ${needs}. ${state === 'shared' ? 'Stop sharing it' : 'End that program'} and join again, leave the port out with --only, or join on another computer.`
  )
}

function noop(): void {}
