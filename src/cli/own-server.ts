/**
 * A ticket that opens ports here which a hyper-nat of this user shares, as when the owner of a server tries out what friends
 * will get: the ports are the game's. Taken before the game runs, they would lead its guests to the server of the ticket, or
 * through the tunnel back into it, for ever.
 */

import type { PortSet } from '../games/port-set.js'
import { LIMITS } from '../limits.js'
import type { ClientEntry, Warning } from '../options/entry.js'
import type { Arguments } from './command.js'
import type { CliContext } from './context.js'
import { onOurLoopback, runningStatuses } from './running.js'

/**
 * Gives entries other local ports where theirs are free now but belong to a game here, with the warnings that say so.
 * @throws HyperNatError PORT_IN_USE for what works with no others
 */
export async function besideOwnGame(
  publicKey: Uint8Array,
  entries: readonly ClientEntry[],
  args: Arguments,
  context: Pick<CliContext, 'env'>
): Promise<{ readonly entries: ClientEntry[]; readonly warnings: Warning[] }> {
  const running = await onOurLoopback(await runningStatuses(args, context))
  const servers = running.flatMap(({ status }) => status.servers)
  const shared = servers.flatMap(({ maps }) => maps)
  const { leadsTo } = await import('../text/local-end.js')
  const free = await whereFree(entries.filter(entry => shared.some(target => leadsTo(target, entry))))
  if (free.length === 0) return { entries: [...entries], warnings: [] }
  const { encodeKey } = await import('../identity/encoding.js')
  const key = encodeKey(publicKey)
  const isOwn = servers.some(server => server.publicKey === key)
  // What depends on each other moves together.
  const sets = new Set(free.flatMap(({ set }) => set?.id ?? []))
  const ports = new Set(free.map(({ localPort }) => localPort))
  const moves = ({ set, localPort }: ClientEntry): boolean =>
    localPort !== 0 && (set ? sets.has(set.id) : ports.has(localPort))
  const opened = entries.map(entry =>
    isOwn && moves(entry) && entry.set ? { ...entry, set: alone(entry.set) } : entry
  )
  const wanted = opened.map(entry => ({ ...entry, nextFree: moves(entry) }))
  const { freePorts } = await import('../sockets/free-ports.js')
  const { places } = await freePorts(wanted, LIMITS.nextFreePorts, { shared })
  const { formatPorts } = await import('../text/ports.js')
  const moved = formatPorts([...new Set(entries.filter(moves).map(({ localPort }) => localPort))])
  return {
    entries: opened.map((entry, i) => ({ ...entry, ...places[i]! })),
    warnings: [
      isOwn
        ? {
            code: 'OWN_SERVER',
            path: 'TICKET',
            message: `is for a server on this computer: hyper-nat leaves ${moved} here to the game, and takes the next ones that are free`
          }
        : {
            code: 'PORT_SHARED',
            path: 'TICKET',
            message: `opens ${moved}, which this computer shares: hyper-nat leaves that to the program here, and opens others that are free; for the same ones, stop sharing first`
          }
    ]
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
