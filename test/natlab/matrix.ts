/** Pairs of homes, and what is known about them: how the table of docs/nat-matrix.md is made. */
import type { PathKind } from '../../src/events.js'
import { type Home, KINDS, type Kind, type Lab } from './lab.js'
import { type Meeting, Pair, type PublicSide } from './pair.js'

/** A pair of homes: of which kinds, or two computers in one LAN. */
export type Combination = { readonly server: Kind; readonly client: Kind } | 'lan'

export const COMBINATIONS: readonly Combination[] = [
  ...KINDS.flatMap(server => KINDS.map(client => ({ server, client }))),
  'lan'
]

const PATHS: readonly string[] = ['lan', 'direct', 'relayed', 'relayed (tcp)'] satisfies PathKind[]

/** What a pair has besides its routers: nothing, a relay, a relay that is reached by TCP, or IPv6 on both sides. */
export type Aid = 'none' | 'relay' | 'tcp relay' | 'ipv6'

const AID_NAMES: Readonly<Record<Aid, string>> = {
  none: '',
  relay: ', relay',
  'tcp relay': ', relay by TCP',
  ipv6: ', IPv6'
}

/** What came of a pair. */
export interface Result {
  readonly combination: Combination
  readonly aid: Aid
  /** The first path, or the code of why there is none, and when. */
  readonly first: Meeting
  /** When a direct path took over from the relay, ms; null if none did while we looked. */
  readonly directMs: number | null
}

export function isPath(path: string): path is PathKind {
  return PATHS.includes(path)
}

export function nameOf(combination: Combination): string {
  return combination === 'lan' ? 'lan, lan' : `${combination.server}, ${combination.client}`
}

/** Whether an aid can change anything for a pair, so that it is tried. */
export function helps(aid: Aid, combination: Combination): boolean {
  if (aid === 'none' || aid === 'relay') return true
  if (combination === 'lan') return false
  const kinds = [combination.server, combination.client]
  // What lets no UDP through lets none through by IPv6; a computer without a router has nobody's firewall around its IPv6.
  return aid === 'tcp relay'
    ? kinds.includes('blocked')
    : !kinds.includes('blocked') && !kinds.includes('open')
}

/**
 * Brings a pair together in homes of its own, and checks bytes on every path that it takes.
 * @param lookMs how long to look for a direct path behind a relayed one
 */
export async function tryPair(
  side: PublicSide,
  combination: Combination,
  { aid, lookMs }: { aid: Aid; lookMs: number }
): Promise<Result> {
  const [server, client] = await homesOf(side.lab, combination)
  if (aid === 'ipv6') for (const home of [server, client]) await side.lab.giveIpv6(home)
  const byTcp = aid === 'tcp relay'
  const relay = byTcp ? await side.tcpAddress() : side.relayKey
  const flags = byTcp || aid === 'relay' ? ['--relay', relay] : []
  // For a blind relay the server's setting is enough; of one by TCP its ticket would tell, which this client does not have.
  const pair = new Pair(side.lab, server, client, { server: flags, client: byTcp ? flags : [] })
  try {
    let first = await pair.meet()
    // Ports that are tried at random are not always found the first time.
    if (first.path === 'SERVER_UNREACHABLE') first = (await pair.meetLater(2 * lookMs)) ?? first
    let directMs: number | null = null
    if (isPath(first.path)) await pair.check()
    if (first.path === 'relayed' && lookMs > 0) {
      const found = pair.onPath('direct', lookMs).then(
        ms => {
          directMs = ms
        },
        () => {}
      )
      await pair.steadily(() => found)
      if (directMs !== null) await pair.check()
    }
    return { combination, aid, first, directMs }
  } finally {
    await pair.close()
  }
}

async function homesOf(lab: Lab, combination: Combination): Promise<[Home, Home]> {
  if (combination !== 'lan') return [await lab.home(combination.server), await lab.home(combination.client)]
  const [a, b] = await lab.lan(2)
  return [a!, b!]
}

/** One line for a person: `cone, symmetric   relayed after 0.4 s, direct after 3.2 s`. */
export function line({ combination, aid, first, directMs }: Result): string {
  return `${(nameOf(combination) + AID_NAMES[aid]).padEnd(36)} ${outcome(first, directMs)}`
}

export function outcome({ path, family, ms }: Meeting, directMs: number | null): string {
  const then = directMs === null ? '' : `, direct after ${seconds(directMs)}`
  return isPath(path) ? `${path}${family ? ` (${family})` : ''} after ${seconds(ms)}${then}` : path
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
