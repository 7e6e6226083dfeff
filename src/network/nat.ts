/** What kind of NAT this machine is behind, from what DHT nodes see of it. Pure. */
import { isHomeAddress } from './path.js'

/**
 * - `open`: others reach this machine unasked: a public address, or a forwarded port
 * - `full-cone`: one port for all partners, at which everybody is let in
 * - `cone`: one port for all partners, at which those are let in that this machine has sent to; whether by address alone or by
 *   port too cannot be told, as it would take two nodes at one address
 * - `firewall`: a public address, without translation, and nobody is let in unasked
 * - `symmetric`: another port for each partner
 * - `blocked`: no UDP gets through
 * - `unknown`: nobody told from outside; see {@link NatFinding.unknown}
 */
export type NatKind = 'open' | 'full-cone' | 'cone' | 'firewall' | 'symmetric' | 'blocked' | 'unknown'

/**
 * Why the kind is not known: `inside`: all nodes are on this side of the router; `one-host`: all nodes have one address, and a
 * router may keep a port for one address only; `no-answer`: no node answered.
 */
export type Unknown = 'inside' | 'one-host' | 'no-answer'

/** One packet of one socket, as the node saw it that it came to. */
export interface Sighting {
  /** The node's address. */
  readonly by: string
  /** Whence it saw the packet come. */
  readonly host: string
  readonly port: number
}

export interface NatFinding {
  readonly kind: NatKind
  /** Why `kind` is `unknown`; else null. */
  readonly unknown: Unknown | null
  /** As others see this machine, the address that most see first; empty when nobody told from outside. */
  readonly publicAddresses: readonly string[]
  /** Whether a router puts another address on what this machine sends; null when nobody told. */
  readonly translated: boolean | null
}

export interface NatFacts {
  /** Of one socket. */
  readonly sightings: readonly Sighting[]
  /** This machine's own addresses. */
  readonly own: readonly string[]
  /** Whether a packet came to a port that nothing was ever sent from. */
  readonly open: boolean
  /** Whether a packet came to a used port from somebody that nothing was sent to; null if that was not tried. */
  readonly strangersPass: boolean | null
}

/** Of so many nodes one may see something else: a mapping may have just run out, and anybody can run a node that lies. */
const ONE_DISSENT_OF = 4

/** Judges what nodes saw. */
export function natOf({ sightings, own, open, strangersPass }: NatFacts): NatFinding {
  const unknown = (why: Unknown): NatFinding => ({
    kind: 'unknown',
    unknown: why,
    publicAddresses: [],
    translated: null
  })
  if (sightings.length === 0) return unknown('no-answer')
  const outside = sightings.filter(({ host }) => !(own.includes(host) && isHomeAddress(host)))
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
      return found(strangersPass ? 'full-cone' : 'cone')
    case 'unknown':
      return { ...found('unknown'), unknown: 'one-host' }
  }
}

/** Whether one socket is seen at one address and port by everybody. */
export function mappingOf(sightings: readonly Sighting[]): 'constant' | 'changing' | 'unknown' {
  const agreeing = (some: readonly Sighting[]): number => {
    const seen = some.map(({ host, port }) => `${host}:${port}`)
    const most = byFrequency(seen)[0]
    return seen.filter(one => one === most).length
  }
  // One for each address: a router may keep the port for all ports of one partner.
  const perHost = [...new Map(sightings.map(sighting => [sighting.by, sighting])).values()]
  const constant = (some: readonly Sighting[]): boolean =>
    some.length - agreeing(some) <= Math.floor(some.length / ONE_DISSENT_OF)
  if (!constant(sightings) || !constant(perHost)) return 'changing'
  return perHost.length > 1 ? 'constant' : 'unknown'
}

/** Each value once, the most frequent first. */
function byFrequency(values: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a).map(([value]) => value)
}
