/** Ports whose programs speak over further ports, which nobody has shared. */
import type { Placed } from './conflicts.js'
import type { Entry, Warning } from './entry.js'
import type { Places } from './places.js'

const TFTP = 69
const FTP = 21

export function unfitPorts(placed: readonly Placed[], places: Places): Warning[] {
  const shared = placed.filter(({ entry }) => entry.mode === 'server')
  return shared.flatMap(({ index, entry }): Warning[] => {
    const message = whyUnfit(entry, shared)
    const path = places.field(['schema', index, 'port'])
    return message === undefined ? [] : [{ code: 'PORT_UNFIT', path, message }]
  })
}

function whyUnfit({ proto, port }: Entry, shared: readonly Placed[]): string | undefined {
  if (port === TFTP && proto === 'udp') {
    return 'port 69 is usually TFTP, which answers from another port each time and then times out through a port map: use a server that keeps to one port (dnsmasq --tftp-single-port), or share the files over HTTP'
  }
  if (port !== FTP || proto === 'udp') return undefined
  // The others may be its passive ports.
  if (shared.some(({ entry }) => entry.proto !== 'udp' && entry.port > 1023)) return undefined
  return 'port 21 is usually FTP, which opens further connections for data: share the passive ports of the server, too, under the same numbers (docs/troubleshooting.md), or use SFTP on port 22'
}
