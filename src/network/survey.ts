/**
 * A survey of the network from this machine: how many DHT nodes answer, the address that they observe, and what its router accepts.
 * Asks DHT nodes only; each of them can answer.
 */
import type HyperDHT from 'hyperdht'
import type { DoctorLimits } from '../limits.js'
import { ownAddresses, sourceAddress } from './addresses.js'
import { contactOf } from './contact.js'
import type { Dht } from './dht.js'
import { beyondOf, type Hops, routersTo } from './hops.js'
import { natOf, type Observation } from './nat.js'
import { isHomeAddress } from './path.js'
import type { Survey } from './survey-finding.js'

/** A node's answer. */
interface Answer {
  readonly observation: Observation
  readonly rtt: number
}

type Address = HyperDHT.Address

/**
 * @param open whether others reach this machine without being asked to
 */
export async function survey(
  dht: Dht,
  open: Promise<boolean>,
  limits: DoctorLimits
): Promise<Omit<Survey, 'tcp'>> {
  // Without answers it goes on for longer; the nodes that have answered by then are enough.
  await within(limits.bootstrapMs, dht.fullyBootstrapped()).catch(() => {})
  const own = ownAddresses()
  const nodes = spread(dht.toArray({ limit: 8 * limits.nodes }), limits.nodes)
  if (nodes.length === 0) return unanswered(dht, 0, own, limits)
  const near = nodes[0]!.host
  // It needs no answer of the nodes, and takes its time.
  const hops = hopsTo(near, own, limits).catch(() => null)
  const first = dht.acquireSocket()
  const second = dht.acquireSocket()
  try {
    const answers = await Promise.all(nodes.map(node => ask(dht, first, node, limits.nodeMs)))
    const came = answers.filter(answer => answer !== null)
    if (came.length === 0) return unanswered(dht, nodes.length, own, limits)
    const observations = came.map(({ observation }) => observation)
    const answering = nodes.filter((_, i) => answers[i] !== null)
    const acceptsUnsolicited = await findUnsolicited(dht, first, second, answering, observations, limits)
    const nat = natOf({ observations, own, open: await open, acceptsUnsolicited })
    const way = nat.translated ? await hops : null
    return {
      asked: nodes.length,
      answered: came.length,
      rtt: median(came.map(({ rtt }) => rtt)),
      nat,
      beyond: way && beyondOf(way),
      contact: null
    }
  } finally {
    first.release()
    second.release()
  }
}

/** No node answers: finds out why. */
async function unanswered(
  dht: Dht,
  asked: number,
  own: readonly string[],
  limits: DoctorLimits
): Promise<Omit<Survey, 'tcp'>> {
  const contact = await contactOf(dht.bootstrapAddresses, limits.contactMs)
  const nat = natOf({ observations: [], own, open: false, acceptsUnsolicited: null })
  return {
    asked,
    answered: 0,
    rtt: null,
    nat: contact === 'blocked' ? { ...nat, kind: 'blocked' } : nat,
    beyond: null,
    contact
  }
}

/** Up to `count` nodes at as many addresses as there are. */
function spread(nodes: readonly Address[], count: number): Address[] {
  const hosts = new Set<string>()
  const firsts = nodes.filter(({ host }) => !hosts.has(host) && hosts.add(host))
  return [...firsts, ...nodes.filter(node => !firsts.includes(node))].slice(0, count)
}

async function ask(dht: Dht, from: HyperDHT.PooledSocket, node: Address, ms: number): Promise<Answer | null> {
  const start = performance.now()
  try {
    const { to } = await within(ms, dht.ping(node, { socket: from.socket }))
    return { observation: { by: node.host, host: to.host, port: to.port }, rtt: performance.now() - start }
  } catch {
    return null
  }
}

/**
 * Whether the router lets strangers in at a port that is in use: one socket sends to one node only, and nodes at other
 * addresses are asked, from another socket, to answer to it.
 * @returns null when there are no two nodes to try it with, or when the ports of the router cannot be known
 */
async function findUnsolicited(
  dht: Dht,
  asking: HyperDHT.PooledSocket,
  used: HyperDHT.PooledSocket,
  nodes: readonly Address[],
  observations: readonly Observation[],
  { nodeMs, knockMs }: DoctorLimits
): Promise<boolean | null> {
  const [known] = nodes
  if (!known) return null
  const strangers = nodes.filter(({ host }) => host !== known.host)
  if (strangers.length === 0) return null
  const seen = await ask(dht, used, known, nodeMs)
  // They answer to the address that they see.
  if (!seen || observations.some(({ host }) => host !== seen.observation.host)) return null
  const expected = new Set(strangers.map(({ host }) => host))
  let onunsolicited = (): void => {}
  const came = new Promise<boolean>(resolve => {
    onunsolicited = () => resolve(true)
  })
  const listener = (_packet: Uint8Array, { host }: Address): void => {
    if (expected.has(host)) onunsolicited()
  }
  used.socket.on('message', listener)
  try {
    // Twice: a lost packet must not look like a closed door.
    for (const to of [...strangers, ...strangers]) {
      dht.askFromToAnswerAt(asking.socket, seen.observation.port, to)
    }
    return await within(knockMs, came)
  } catch {
    return false
  } finally {
    used.socket.off('message', listener)
  }
}

async function hopsTo(
  host: string,
  own: readonly string[],
  { hops, hopMs }: DoctorLimits
): Promise<Hops | null> {
  // A node in the house has no router in front of it.
  if (isHomeAddress(host)) return null
  const [source, routers] = await Promise.all([sourceAddress(host), routersTo(host, own, hops, hopMs)])
  return { source, routers }
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? null
}

/** @throws when it takes longer than `ms` */
async function within<T>(ms: number, what: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('late')), ms)
  })
  try {
    return await Promise.race([what, late])
  } finally {
    clearTimeout(timer)
  }
}
