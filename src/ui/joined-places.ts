/** Where the page opens the ports of a ticket, some of which may be open already. */
import { HyperNatError } from '../errors.js'
import { LIMITS } from '../limits.js'
import type { ClientEntry, ServerEntry } from '../options/entry.js'
import { freePorts, tryPort } from '../sockets/free-ports.js'
import { PORT_MAX } from '../text/ports.js'

/**
 * Ports that are open already stay where they are, and what a game needs together with them joins them there.
 * @param shared what is shared from this computer: its ports are left to the programs there, which may not run yet
 * @throws HyperNatError PORT_IN_USE for ports that cannot be had as their game needs them
 */
export async function joinedPlaces(
  wanted: readonly ClientEntry[],
  open: readonly ClientEntry[],
  shared: readonly ServerEntry[]
) {
  const openAs = (entry: ClientEntry): ClientEntry | undefined =>
    open.find(({ proto, port }) => proto === entry.proto && port === entry.port)
  const asked: (ClientEntry & { nextFree: boolean })[] = []
  for (const entry of wanted) {
    const { set, proto, port } = entry
    const known = openAs(entry)
    const leader = set && wanted.map(one => (one.set?.id === set.id ? openAs(one) : undefined)).find(Boolean)
    if (known)
      asked.push({ ...entry, localHost: known.localHost, localPort: known.localPort, nextFree: false })
    else if (leader && leader.localPort !== 0) {
      const { localHost } = leader
      const localPort = port + leader.localPort - leader.port
      if (localPort < 1 || localPort > PORT_MAX) {
        const message = `The game needs port ${port} here as far from port ${leader.port} as it is, and port ${leader.localPort} is open in place of that: leave this server, then join again.`
        throw new HyperNatError('PORT_IN_USE', message)
      }
      await tryPort(proto, localHost, localPort)
      asked.push({ ...entry, localHost, localPort, nextFree: false })
    } else asked.push({ ...entry, nextFree: true })
  }
  const { places } = await freePorts(asked, LIMITS.nextFreePorts, { shared })
  return asked.map(({ proto, port }, index) => ({ proto, port, ...places[index]! }))
}
