/** A daemon's status as text for people, in ASCII, each table as wide as its words. */

import type { DaemonStatus } from '../control/wire.js'
import type { TargetState } from '../events.js'
import { titleOf } from '../games/games.js'
import { shortKey } from '../identity/encoding.js'
import type { PortMappingState } from '../network/port-mapping.js'
import type { NetworkStatus } from '../network/status.js'
import type { ClientStatus, DisconnectedStatus, MapStatus, ServerStatus, SessionStatus } from '../status.js'
import { hostPort } from '../text/address.js'
import { bytesText } from '../text/bytes.js'
import { quoteName } from '../text/quote.js'
import { counted } from './counted.js'
import { table } from './table.js'

/** `42 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function timeText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (minutes === 0) return `${seconds} s`
  if (hours === 0) return `${minutes} min`
  if (hours < 24) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** Everything about one daemon. */
export function statusText(status: DaemonStatus): string {
  const { pid, version, file, since, at, network, servers, clients, page } = status
  const parts = [
    `hyper-nat ${version}, process ${pid}, ${file ?? 'without a file'}, for ${timeText(at - since)}\n${networkText(network)}${page === undefined ? '' : `Control page: ${page}\n`}`,
    ...servers.map(server => serverText(server, at)),
    ...clients.map(client => clientText(client, at))
  ]
  return parts.join('\n')
}

/** Several daemons, and how to choose one. */
export function listText(all: readonly DaemonStatus[]): string {
  const rows = all.map(({ pid, file, at, since, servers, clients }) => {
    const sessions = [...servers, ...clients].reduce((sum, one) => sum + one.sessions.length, 0)
    return [`${pid}`, timeText(at - since), `${sessions}`, file ?? '(none)']
  })
  return `${table(['PROCESS', 'FOR', 'SESSIONS', 'OPTIONS FILE'], rows)}Choose one with --pid or -c.\n`
}

function networkText(network: NetworkStatus): string {
  const { nodes, publicAddress, publicPort, nat, portMapping, tcpPortMapping } = network
  if (nodes === 0) return 'Network: no DHT node answers\n'
  const seen =
    publicAddress === null
      ? 'its public address is not known yet'
      : `seen at ${publicAddress}${publicPort === null ? '' : `:${publicPort}`}`
  return `Network: ${nodes} DHT nodes, ${seen}, NAT ${nat}${mappingText(portMapping, 'port')}${mappingText(tcpPortMapping, 'TCP port')}\n`
}

function mappingText(mapping: PortMappingState, port: string): string {
  if (mapping.state === 'mapped')
    return `, the router maps ${port} ${mapping.externalPort} (${mapping.protocol})`
  return mapping.state === 'off' || mapping.state === 'unneeded' ? '' : `, ${port} mapping: ${mapping.state}`
}

/** `Minecraft: Java Edition`, or the ports: what a server shares. */
export function serverTitle({ maps }: ServerStatus): string {
  const names = [...new Set(maps.flatMap(({ name }) => (name === undefined ? [] : [titleOf(name)])))]
  return names.join(', ') || maps.map(({ proto, port }) => `${proto} ${port}`).join(', ')
}

function serverText(server: ServerStatus, at: number): string {
  const { publicKey, sessions, maps, announced, ticket } = server
  const isPrivate = server.private ? ', with invited guests only' : ''
  const found = announced === 'announced' ? '' : ` (${announced})`
  const where = maps.map(map => [...mapRow(map, `${map.proto} ${map.port}`, map.host), PROGRAMS[map.target]])
  return (
    `Sharing under ${publicKey}${isPrivate}${found}\n` +
    (ticket === undefined || server.private ? '' : `  hyper-nat join ${ticket}\n`) +
    table(['  PORT', 'OF', ...MAP_COLUMNS, 'PROGRAM'], where) +
    sessionsText(sessions, 'GUEST', at)
  )
}

function clientText({ publicKey, maps, sessions, disconnected, waiting }: ClientStatus, at: number): string {
  const where = maps.map(map =>
    mapRow(map, hostPort(map.localHost, map.localPort), `${map.proto} ${map.port}`)
  )
  const held = waiting > 0 ? `  ${counted(waiting, 'connection')} waiting for it\n` : ''
  return (
    `Ports of ${publicKey}\n` +
    table(['  HERE', 'THERE', ...MAP_COLUMNS], where) +
    (sessions.length === 0 ? '' : sessionsText(sessions, 'HOST', at)) +
    rosterText(sessions) +
    (disconnected ? absenceText(disconnected, at) + held : '')
  )
}

/** Who else is connected to the server, where it says so. */
function rosterText(sessions: readonly SessionStatus[]): string {
  const others = sessions
    .flatMap(({ roster = [] }) => roster)
    .map(
      ({ name, rtt }) =>
        `${name === undefined ? 'a guest' : quoteName(name)}${rtt === null ? '' : ` (${rtt} ms)`}`
    )
  return others.length === 0 ? '' : `  also here: ${others.join(', ')}\n`
}

function absenceText({ since, cause, nextDial }: DisconnectedStatus, at: number): string {
  const isDue = nextDial === null || nextDial - at < 1000
  const next = isDue ? 'dials now' : `dials again in ${timeText(nextDial - at)}`
  const why = cause ? `  ${cause.code}: ${cause.message}\n` : ''
  return `  not connected for ${timeText(at - since)}, ${next}\n${why}`
}

/** The program behind a port map. */
const PROGRAMS: Readonly<Record<TargetState, string>> = {
  answers: 'running',
  closed: 'not running',
  unknown: '-'
}

const MAP_COLUMNS = ['FLOWS', 'IN', 'OUT']

function mapRow({ flows, bytesIn, bytesOut }: MapStatus, first: string, second: string): string[] {
  return [`  ${first}`, second, `${flows}`, bytesText(bytesIn), bytesText(bytesOut)]
}

function sessionsText(sessions: readonly SessionStatus[], who: 'GUEST' | 'HOST', at: number): string {
  if (sessions.length === 0) return '  nobody is connected\n'
  const anyAddress = sessions.some(({ address }) => address !== undefined)
  const rows = sessions.map(session => {
    const { quality, total, rates, path, family, state, since, name, peer, host, address } = session
    const label = who === 'HOST' ? host : name === undefined ? shortKey(peer) : quoteName(name)
    return [
      `  ${label}`,
      state === 'up' ? `${path}${family === undefined ? '' : `, ${family}`}` : 'lost',
      timeText(at - since),
      quality.rtt === null ? '-' : `${quality.rtt.toFixed(1)} ms`,
      `${quality.jitter.toFixed(1)} ms`,
      `${Math.round(quality.loss * 100)} %`,
      bytesText(total.bytesIn),
      bytesText(total.bytesOut),
      rates ? `${bytesText(rates.bytesIn)}/s` : '-',
      rates ? `${bytesText(rates.bytesOut)}/s` : '-',
      ...(anyAddress ? [address ?? '-'] : [])
    ]
  })
  const heads = [`  ${who}`, 'PATH', 'FOR', 'ROUND TRIP', 'JITTER', 'LOSS', 'IN', 'OUT', 'IN/S', 'OUT/S']
  return table([...heads, ...(anyAddress ? ['ADDRESS IN GAME'] : [])], rows)
}
