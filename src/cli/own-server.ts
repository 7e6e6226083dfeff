/**
 * A ticket whose server runs on this computer, as when its owner tries out what friends will get: the ports there are the
 * game's. Taken before the game runs, they would lead through the tunnel back into it, for ever.
 */

import { readlink } from 'node:fs/promises'
import type { PortSet } from '../games/port-set.js'
import { LIMITS } from '../limits.js'
import type { ClientEntry, Warning } from '../options/entry.js'
import { isIPv4Loopback } from '../text/address.js'
import type { Arguments } from './command.js'
import type { CliContext } from './context.js'
import { runningStatuses } from './running.js'

/** The entries with other local ports where those are free now, but a game's; and what is to be said of it. */
export async function besideOwnGame(
  publicKey: Uint8Array,
  entries: readonly ClientEntry[],
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<{ readonly entries: ClientEntry[]; readonly warnings: Warning[] }> {
  const { encodeKey } = await import('../identity/encoding.js')
  const shared = await portsSharedHere(encodeKey(publicKey), args, context)
  const free = await whereFree(entries.filter(({ localPort }) => shared.has(localPort)))
  if (free.length === 0) return { entries: [...entries], warnings: [] }
  // What depends on each other moves together.
  const sets = new Set(free.flatMap(({ set }) => set?.id ?? []))
  const moved = entries.filter(entry => free.includes(entry) || (entry.set && sets.has(entry.set.id)))
  const { formatPorts, PORT_MAX } = await import('../text/ports.js')
  const ports = formatPorts([...new Set(moved.map(({ localPort }) => localPort))])
  const message = `is for a server on this computer: hyper-nat leaves ${ports} here to the game, and takes the next ones that are free`
  return {
    entries: entries.map(entry => {
      if (!moved.includes(entry) || entry.localPort === 0) return entry
      const own = entry.set ? moved.filter(({ set }) => set?.id === entry.set!.id) : [entry]
      let shift = 1
      while (own.some(({ localPort }) => shared.has(localPort + shift))) shift++
      const localPort = entry.localPort + shift
      // Behind the last, any free one.
      return {
        ...entry,
        localPort: localPort > PORT_MAX ? 0 : localPort,
        ...(entry.set && { set: alone(entry.set) })
      }
    }),
    warnings: [{ code: 'OWN_SERVER', path: 'TICKET', message }]
  }
}

/** A set as far as it can be opened while the game's own server has the numbers. */
function alone(set: PortSet): PortSet {
  return { ...set, guestPorts: 'together' }
}

/** Those whose local ports nobody has: what is in use makes way, and is told, without us. */
async function whereFree(entries: readonly ClientEntry[]): Promise<ClientEntry[]> {
  if (entries.length === 0) return []
  const { freePorts } = await import('../sockets/free-ports.js')
  const { places } = await freePorts(
    entries.map(entry => ({ ...entry, nextFree: true, set: undefined })),
    LIMITS.nextFreePorts
  )
  return entries.filter(({ localPort }, i) => places[i]!.localPort === localPort)
}

/** Ports of this computer that daemons of this user share under the key. */
async function portsSharedHere(
  publicKey: string,
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<Set<number>> {
  const running = await runningStatuses(args, context)
  const near = await Promise.all(
    running.map(async ({ who, status }) => ((await hasOurLoopback(who.pid)) ? status.servers : []))
  )
  const maps = near.flat().flatMap(server => (server.publicKey === publicKey ? server.maps : []))
  return new Set(maps.filter(({ host }) => isIPv4Loopback(host) || host === '::1').map(({ port }) => port))
}

/** Whether 127.0.0.1 is the same for that process: on Linux, one in a network of its own may share our files. */
async function hasOurLoopback(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return true
  const network = (process: number | 'self') => readlink(`/proc/${process}/ns/net`).catch(() => null)
  const [ours, theirs] = await Promise.all([network('self'), network(pid)])
  return ours !== null && ours === theirs
}
