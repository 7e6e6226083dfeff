/**
 * A snapshot as Prometheus text, made for each request and not kept, so that it costs the data path nothing. Labels
 * come from the options (servers, protocols, ports) and from fixed lists: guests, peers and hosts are none, as there is no end
 * to them. docs/metrics.md lists all of it.
 */
import type { Proto } from '../proto.js'
import type { ClientStatus, MapStatus, ServerStatus, SessionStatus, Status } from '../status.js'
import { type Add, Exposition, type Labels } from './exposition.js'

/** Characters of a public key that tell servers apart and let nobody in. */
const KEY_CHARACTERS = 8

const PATHS = ['lan', 'direct', 'relayed', 'relayed (tcp)', 'lost'] as const

/** What the process itself has used, in seconds and bytes. */
export interface ProcessUse {
  cpuSeconds: number
  residentBytes: number
}

/** Reads {@link ProcessUse} of this process. */
export function processUse(): ProcessUse {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: (user + system) / 1e6, residentBytes: process.memoryUsage.rss() }
}

/** The text that Prometheus reads. */
export function metricsText(status: Status, use: ProcessUse): string {
  const exposition = new Exposition()
  const counter: Make = (name, help) => exposition.counter(`hyper_nat_${name}`, help)
  const gauge: Make = (name, help) => exposition.gauge(`hyper_nat_${name}`, help)
  addProcess(status, use, counter, gauge)
  addNetwork(status, gauge)
  addSides(status, counter, gauge)
  addMaps(status, counter, gauge)
  return exposition.text()
}

type Make = (name: string, help: string) => Add

function addProcess(status: Status, use: ProcessUse, counter: Make, gauge: Make): void {
  const { version } = status
  gauge('build_info', 'Always 1; the label is the version.')({ version }, 1)
  gauge('start_time_seconds', 'When the node started, in seconds since 1970.')({}, status.since / 1000)
  counter('process_cpu_seconds_total', 'Processor time of the process.')({}, use.cpuSeconds)
  gauge('process_resident_memory_bytes', 'Memory of the process.')({}, use.residentBytes)
}

function addNetwork({ network }: Status, gauge: Make): void {
  gauge('dht_nodes', 'DHT nodes that are known; 0: no network.')({}, network.nodes)
  gauge('dht_entered', '1 once the DHT has been entered.')({}, Number(network.bootstrapped))
  const { state } = network.portMapping
  gauge('port_mapped', '1 while the router at home maps a port that others reach.')(
    {},
    Number(state === 'mapped')
  )
}

/** Of servers and clients as a whole. */
function addSides({ servers, clients }: Status, counter: Make, gauge: Make): void {
  const announced = gauge('server_announced', '1 while DHT nodes hold the announcement.')
  const admitted = counter('sessions_admitted_total', 'Sessions that a server has begun.')
  for (const server of servers) {
    announced({ server: labelOf(server) }, Number(server.announced === 'announced'))
    admitted({ server: labelOf(server) }, server.admitted)
  }
  const dials = counter('dials_total', 'Dials to a server.')
  const failed = counter('dials_failed_total', 'Dials to a server that led to no connection.')
  const waiting = gauge('connections_waiting', 'Local connections that wait for a session.')
  for (const client of clients) {
    const label = { server: labelOf(client) }
    dials(label, client.dials)
    failed(label, client.failedDials)
    waiting(label, client.waiting)
  }

  const sessions = gauge('sessions', 'Sessions, by how their packets travel now.')
  const resumed = counter('session_resumptions_total', 'How often sessions went on over a new connection.')
  const sealed = counter('sealed_datagrams_total', 'Sealed datagrams of sessions.')
  const dropped = counter('datagrams_dropped_total', 'Datagrams lost on this side.')
  const rtt = gauge('session_round_trip_seconds', 'Round trip of the sessions that are up.')
  const jitter = gauge('session_jitter_seconds', 'Jitter of the sessions that are up.')
  const loss = gauge('session_loss_ratio', 'Lost pings of the sessions that are up, 0 to 1.')
  for (const { labels, parts } of sidesOf(servers, clients)) {
    const all = parts.flatMap(part => part.sessions)
    for (const path of PATHS) {
      sessions({ ...labels, path }, all.filter(one => (one.path ?? 'lost') === path).length)
    }
    for (const part of parts) {
      const { overall } = part
      resumed(labels, overall.resumptions)
      sealed({ ...labels, direction: 'in' }, overall.datagrams.received)
      sealed({ ...labels, direction: 'out' }, overall.datagrams.sent)
      for (const [reason, count] of Object.entries(overall.datagrams.dropped)) {
        dropped({ ...labels, reason }, count)
      }
      if ('droppedWaiting' in part) dropped({ ...labels, reason: 'waiting' }, part.droppedWaiting)
    }
    const measured = all.filter(one => one.state === 'up' && one.quality.rtt !== null)
    addSpread(rtt, labels, measured, ({ quality }) => quality.rtt! / 1000)
    addSpread(jitter, labels, measured, ({ quality }) => quality.jitter / 1000)
    addSpread(loss, labels, measured, ({ quality }) => quality.loss)
  }
}

/** The least, the median and the most: as many series for a hundred sessions as for one, and none for none. */
function addSpread(
  add: Add,
  labels: Labels,
  sessions: readonly SessionStatus[],
  of: (session: SessionStatus) => number
): void {
  const values = sessions.map(of).sort((a, b) => a - b)
  if (values.length === 0) return
  add({ ...labels, of: 'least' }, values[0]!)
  add({ ...labels, of: 'median' }, values[Math.floor((values.length - 1) / 2)]!)
  add({ ...labels, of: 'most' }, values.at(-1)!)
}

function addMaps({ servers, clients }: Status, counter: Make, gauge: Make): void {
  const flows = gauge('flows', 'TCP connections and UDP conversations that are open.')
  const opened = counter('flows_opened_total', 'TCP connections and UDP conversations begun.')
  const bytes = counter('bytes_total', 'Bytes of the programs on both ends.')
  const datagrams = counter('datagrams_total', 'UDP payloads.')
  const again = counter('retransmissions_total', 'Segments of tcp and tcpudp maps that were sent again.')
  for (const { labels: side, parts } of sidesOf(servers, clients)) {
    for (const tally of parts.flatMap(distinctMaps)) {
      const labels = { ...side, proto: tally.proto, port: tally.port }
      flows(labels, tally.flows)
      opened(labels, tally.opened)
      bytes({ ...labels, direction: 'in' }, tally.bytesIn)
      bytes({ ...labels, direction: 'out' }, tally.bytesOut)
      if (tally.proto === 'udp') {
        datagrams({ ...labels, direction: 'in' }, tally.datagramsIn)
        datagrams({ ...labels, direction: 'out' }, tally.datagramsOut)
      }
      if (tally.proto !== 'udp') again(labels, tally.retransmissions)
    }
  }
}

/** Several local ports may lead to one port of the server: each such map shows the counters of all. */
function distinctMaps({ maps }: { readonly maps: readonly MapStatus[] }): MapStatus[] {
  const seen = new Set<`${Proto} ${number}`>()
  return maps.filter(({ proto, port }) => {
    const isNew = !seen.has(`${proto} ${port}`)
    seen.add(`${proto} ${port}`)
    return isNew
  })
}

type Part = ServerStatus | ClientStatus

/** Servers and clients by their labels: one server may be reached by several clients, each as another guest. */
function sidesOf(servers: readonly ServerStatus[], clients: readonly ClientStatus[]) {
  const sides = new Map<string, { labels: { role: string; server: string }; parts: Part[] }>()
  const add = (role: string, part: Part): void => {
    const labels = { role, server: labelOf(part) }
    const side = sides.get(`${role} ${labels.server}`) ?? { labels, parts: [] }
    sides.set(`${role} ${labels.server}`, side)
    side.parts.push(part)
  }
  for (const server of servers) add('server', server)
  for (const client of clients) add('client', client)
  return sides.values()
}

function labelOf({ publicKey }: { readonly publicKey: string }): string {
  return publicKey.slice(0, KEY_CHARACTERS)
}
