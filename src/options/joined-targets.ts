/**
 * Ports that are shared from where a client listens: guests reach the server that was joined in place of a program of this
 * computer, and need no ticket of it.
 */

import { titleOf } from '../games/games.js'
import { joinedTargets } from '../text/local-end.js'
import { formatPorts } from '../text/ports.js'
import { isSocketPath } from '../text/socket-path.js'
import type { Placed } from './conflicts.js'
import type { ClientEntry, Entry, Options, ServerEntry, Warning } from './entry.js'
import type { Places } from './places.js'

/** What entries share now: nothing where they are paused. */
export function sharedNow(entries: readonly Entry[]): ServerEntry[] {
  return entries.filter(entry => entry.mode === 'server' && entry.paused !== true) as ServerEntry[]
}

export function clientsIn({ entries }: Options): ClientEntry[] {
  return entries.filter(entry => entry.mode === 'client') as ClientEntry[]
}

/** Why the page does not share such a port, as the rest of a sentence about it. */
export function joinedFault({ name }: ClientEntry): string {
  return `leads to ${name === undefined ? 'a server' : titleOf(name)} on this computer, which you have joined: your guests would end up there. Leave it first, or choose another port`
}

/** It may be meant, by a computer that passes on a server to others. */
export function joinedTargetWarnings(placed: readonly Placed[], places: Places): Warning[] {
  const servers = placed.flatMap(({ index, entry }) => sharedNow([entry]).map(one => ({ ...one, index })))
  const clients = placed.flatMap(({ index, entry }) => (entry.mode === 'client' ? [{ ...entry, index }] : []))
  const found = new Map<string, { server: number; client: number; host: string; ports: number[] }>()
  for (const { target, end } of joinedTargets(servers, clients)) {
    const { index, host, port } = target
    const key = `${index} ${end.index}`
    const known = found.get(key)
    if (known) known.ports.push(port)
    else found.set(key, { server: index, client: end.index, host, ports: [port] })
  }
  return [...found.values()].map(({ server, client, host, ports }) => {
    const isSocket = isSocketPath(host)
    const what = isSocket ? 'this socket' : `port ${formatPorts([...new Set(ports)])} of ${host}`
    return {
      code: 'TARGET_IS_JOINED',
      path: places.field(['schema', server, isSocket ? 'host' : 'port']),
      message: `${what} leads to the server that ${places.entry(client)} joins: guests come out there, and need no ticket of it; unless that is meant, open it on another local port`
    }
  })
}
