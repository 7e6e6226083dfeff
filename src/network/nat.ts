/** The kind of NAT that this machine is behind, from what DHT nodes observe of it. Pure. */
import { isHomeAddress } from './path.js'

/**
 * - `open`: others reach this machine without being asked to: a public address, or a forwarded port
 * - `full-cone`: one port for all peers, which accepts packets from everywhere (endpoint-independent filtering)
 * - `cone`: one port for all peers, which accepts packets from where this machine has sent to; whether by address alone or by port
 *   too is not known, as finding out takes two nodes at one address
 * - `firewall`: a public address without translation, which accepts no unsolicited packets
 * - `symmetric`: another port for each peer (endpoint-dependent mapping)
 * - `blocked`: no UDP gets through
 * - `unknown`: no node outside has answered; see {@link NatFinding.unknown}
 */
export type NatKind = 'open' | 'full-cone' | 'cone' | 'firewall' | 'symmetric' | 'blocked' | 'unknown'

/**
 * Why the kind is not known: `inside`: all nodes are on this side of the router; `one-host`: all nodes have one address, and a
 * router may keep a port for one address only; `no-answer`: no node answered.
 */
export type Unknown = 'inside' | 'one-host' | 'no-answer'

/** The source of one packet, as the node that received it observed it. */
export interface Observation {
  /** The node's address. */
  readonly by: string
  /** The source address. */
  readonly host: string
  readonly port: number
}

export interface NatFinding {
  readonly kind: NatKind
  /** Why `kind` is `unknown`; else null. */
  readonly unknown: Unknown | null
  /** As others see this machine, the address that most see first; empty when no node outside has answered. */
  readonly publicAddresses: readonly string[]
  /** Whether a router translates the address of what this machine sends; null when no node has answered. */
  readonly translated: boolean | null
}

export interface NatFacts {
  /** Of one socket. */
  readonly observations: readonly Observation[]
  /** This machine's own addresses. */
  readonly own: readonly string[]
  /** Whether a packet came to a port that nothing was ever sent from. */
  readonly open: boolean
  /** Whether a used port accepts a packet from where nothing was sent to; null if that was not tried. */
  readonly acceptsUnsolicited: boolean | null
}

/** Of this many nodes, one may report something else: a mapping may have just expired, and anyone can run a node that lies. */
const ONE_DISSENT_OF = 4

/** Derives the kind of NAT from what nodes observed. */
export function natOf({ observations, own, open, acceptsUnsolicited }: NatFacts): NatFinding {
  const unknown = (why: Unknown): NatFinding => ({
    kind: 'unknown',
    unknown: why,
    publicAddresses: [],
    translated: null
  })
  if (observations.length === 0) return unknown('no-answer')
  const outside = observations.filter(({ host }) => !(own.includes(host) && isHomeAddress(host)))
  if (outside.length === 0) return unknown('inside')
  const publicAddresses = byFrequency(outside.map(({ host }) => host))
  const translated = !own.includes(publicAddresses[0]!)
  const found = (kind: NatKind): NatFinding => ({ kind, unknown: null, publicAddresses, translated })
  if (open) return found('open')
  if (!translated) return found('firewall')
  switch (mappingOf(outside)) {
    case 'changing':
      return found('symmetric')
    case 'constant':
      return found(acceptsUnsolicited ? 'full-cone' : 'cone')
    case 'unknown':
      return { ...found('unknown'), unknown: 'one-host' }
  }
}

/** Whether all nodes observe one address and port for one socket. */
export function mappingOf(observations: readonly Observation[]): 'constant' | 'changing' | 'unknown' {
  const agreeing = (some: readonly Observation[]): number => {
    const seen = some.map(({ host, port }) => `${host}:${port}`)
    const most = byFrequency(seen)[0]
    return seen.filter(one => one === most).length
  }
  // One for each address: a router may keep the port for all ports of one partner.
  const perHost = [...new Map(observations.map(observation => [observation.by, observation])).values()]
  const constant = (some: readonly Observation[]): boolean =>
    some.length - agreeing(some) <= Math.floor(some.length / ONE_DISSENT_OF)
  if (!constant(observations) || !constant(perHost)) return 'changing'
  return perHost.length > 1 ? 'constant' : 'unknown'
}

/** Each value once, the most frequent first. */
function byFrequency(values: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([value]) => value)
}
