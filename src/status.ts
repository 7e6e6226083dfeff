/**
 * What a running node looks like at one moment: plain data that goes into JSON as it is, for `hyper-nat status`, the control
 * socket, the page and the metrics. Counters only grow; for a rate, take two snapshots and divide by the
 * time between them ({@link Status.at}).
 */

import { addDatagrams, type DatagramCounts, noDatagrams } from './datagrams/datagrams.js'
import type { ErrorCode } from './errors.js'
import type { ClientMapInfo, PathKind, Quality, ServerMapInfo, TargetState } from './events.js'
import type { NetworkStatus } from './network/status.js'
import type { Session } from './session/session.js'
import { addTally, emptyTally, type MapTally, type Tally, Traffic } from './session/traffic.js'

/** One port map's counters. */
export interface MapStatus extends MapTally {
  /** TCP connections, or UDP conversations, that are open now. */
  flows: number
}

/** Bytes per second. */
export interface Rates {
  bytesIn: number
  bytesOut: number
}

/** One session: this machine and one host, or one client. */
export interface SessionStatus {
  /** The other side's key, in base58: a client's for a server, the server's public key for a client. */
  peer: string
  /** What the server's owner calls the client; of servers only. */
  name?: string
  /** The player address, from which a client comes to targets that are given one; of servers only. */
  address?: string
  /** The name of the server process, as events tell it. */
  host: string
  /** `lost`: the connection is gone, and the session waits for another. */
  state: 'up' | 'lost'
  /** How packets travel; null while there is no connection. */
  path: PathKind | null
  /** Given where packets travel by IPv6. */
  family?: 'IPv6'
  /** When the session began, milliseconds since 1970. */
  since: number
  /** Round trip and jitter in ms, loss from 0 to 1. */
  quality: Quality
  /** All port maps together. */
  total: Tally
  /** Those of the session, with those that are not shared any more. */
  maps: MapStatus[]
  /** Sealed datagrams, which carry `udp` and `tcpudp` maps and pings. */
  datagrams: DatagramCounts
  /** How often the session went on over a new connection. */
  resumptions: number
  /** Who else is connected to the server, where it says so; of clients only. Round trips in ms, null while not known. */
  roster?: readonly { name?: string; rtt: number | null }[]
  /** Since an earlier snapshot; from {@link withRates} only. */
  rates?: Rates
}

/** What several sessions count together, besides their port maps. */
export interface Overall {
  datagrams: DatagramCounts
  resumptions: number
}

/** The program behind a server's port map. */
export interface TargetInfo {
  /** What its owner calls it. */
  name?: string
  /** Whether it is running; `unknown` where hyper-nat cannot tell, as with most UDP programs. */
  target: TargetState
}

/** One shared secret. */
export interface ServerStatus {
  /** In base58. */
  publicKey: string
  /** What to give to friends; missing where one cannot hold it all. */
  ticket?: string
  /** Whether only guests come in that were invited. */
  private: boolean
  /** `unreached`: no DHT node holds the announcement; it goes on trying. */
  announced: 'announcing' | 'announced' | 'unreached'
  /** Port maps; their counters are of all sessions, those that are over too. */
  maps: (ServerMapInfo & TargetInfo & MapStatus)[]
  sessions: SessionStatus[]
  /** Of all sessions, those that are over too. */
  overall: Overall
  /** Sessions begun so far. */
  admitted: number
}

/** That no host of a server is connected. */
export interface DisconnectedStatus {
  /** Since when, milliseconds since 1970. */
  since: number
  /** Why, as `waiting` events tell it; null while that is not known yet. */
  cause: { code: ErrorCode; message: string } | null
  /** When it dials again, milliseconds since 1970; null while it does. */
  nextDial: number | null
}

/** One server that local ports lead to. */
export interface ClientStatus {
  /** The server's, in base58. */
  publicKey: string
  /** Port maps; their counters are of all sessions, those that are over too. */
  maps: (ClientMapInfo & MapStatus)[]
  /** One for each host. */
  sessions: SessionStatus[]
  /** Null while a host is connected. */
  disconnected: DisconnectedStatus | null
  /** Of all sessions, those that are over too. */
  overall: Overall
  /** Dials so far, of all hosts; and how many of them led to no connection. */
  dials: number
  failedDials: number
  /** Local TCP connections that wait for a session. */
  waiting: number
  /** Local datagrams that waited for one in vain. */
  droppedWaiting: number
}

export interface Status {
  /** When this was so, milliseconds since 1970. */
  at: number
  /** Since when the node runs, milliseconds since 1970. */
  since: number
  /** Of hyper-nat. */
  version: string
  servers: ServerStatus[]
  clients: ClientStatus[]
  network: NetworkStatus
}

/** What a session does not know of itself. */
export interface SessionOwner {
  readonly peer: string
  readonly name?: string | undefined
  readonly address?: string | undefined
  readonly host: string
  readonly path: PathKind | null
  readonly family?: 'IPv4' | 'IPv6' | undefined
  readonly since: number
  /** The map's number of each UDP conversation that is open. */
  readonly conversations: Iterable<number>
}

/** A session's part of a snapshot. */
export function sessionStatus(session: Session, owner: SessionOwner): SessionStatus {
  const traffic = session.flows.totals()
  const open = new Map<Tally, number>()
  const count = (map: number): void => {
    const tally = traffic.of(map)
    open.set(tally, (open.get(tally) ?? 0) + 1)
  }
  for (const flow of session.flows.open()) count(flow.map)
  for (const map of owner.conversations) count(map)
  const maps = traffic.list().map(tally => ({ ...tally, flows: open.get(tally) ?? 0 }))
  const up = session.state === 'up'
  return {
    peer: owner.peer,
    ...(owner.name !== undefined && { name: owner.name }),
    ...(owner.address !== undefined && { address: owner.address }),
    host: owner.host,
    state: up ? 'up' : 'lost',
    path: up ? owner.path : null,
    ...(up && owner.family === 'IPv6' && { family: owner.family }),
    since: owner.since,
    quality: session.quality,
    total: sumOf(maps),
    maps,
    datagrams: { ...session.datagramCounts, dropped: { ...session.datagramCounts.dropped } },
    resumptions: session.resumptions
  }
}

/** What sessions that are over have counted. */
export class ClosedSessions {
  readonly #traffic = new Traffic()
  readonly #overall: Overall = { datagrams: noDatagrams(), resumptions: 0 }

  /** Takes over what a session has counted, at its end. */
  add(session: Session): void {
    this.#traffic.add(session.flows.totals().list())
    addDatagrams(this.#overall.datagrams, session.datagramCounts)
    this.#overall.resumptions += session.resumptions
  }

  get maps(): MapTally[] {
    return this.#traffic.list()
  }

  /** With that of the sessions that are there. */
  overall(present: readonly SessionStatus[]): Overall {
    const { resumptions } = this.#overall
    const sum: Overall = { datagrams: noDatagrams(), resumptions }
    addDatagrams(sum.datagrams, this.#overall.datagrams)
    for (const session of present) {
      addDatagrams(sum.datagrams, session.datagrams)
      sum.resumptions += session.resumptions
    }
    return sum
  }
}

/** The counters of one port map over several sessions. */
export function mapStatus(
  { proto, port }: Pick<MapTally, 'proto' | 'port'>,
  past: readonly MapTally[],
  sessions: readonly SessionStatus[]
): MapStatus {
  const isThis = (tally: MapTally): boolean => tally.proto === proto && tally.port === port
  const present = sessions.flatMap(({ maps }) => maps.filter(isThis))
  const flows = present.reduce((sum, map) => sum + map.flows, 0)
  return { proto, port, flows, ...sumOf([...past.filter(isThis), ...present]) }
}

function sumOf(tallies: readonly Tally[]): Tally {
  const sum = emptyTally()
  for (const tally of tallies) addTally(sum, tally)
  return sum
}

/** A snapshot with the rates of each session since an earlier one of the same node; 0 for sessions that began in between. */
export function withRates<S extends Status>(now: S, before: Status): S {
  const seconds = Math.max(1, now.at - before.at) / 1000
  const earlier = new Map(sessionsOf(before).map(session => [sessionName(session), session.total]))
  const rated = (session: SessionStatus): SessionStatus => {
    const then = earlier.get(sessionName(session)) ?? session.total
    const rate = (of: 'bytesIn' | 'bytesOut'): number => Math.max(0, (session.total[of] - then[of]) / seconds)
    return { ...session, rates: { bytesIn: rate('bytesIn'), bytesOut: rate('bytesOut') } }
  }
  return {
    ...now,
    servers: now.servers.map(server => ({ ...server, sessions: server.sessions.map(rated) })),
    clients: now.clients.map(client => ({ ...client, sessions: client.sessions.map(rated) }))
  }
}

function sessionsOf({ servers, clients }: Status): SessionStatus[] {
  return [...servers, ...clients].flatMap(({ sessions }) => sessions)
}

/** Tells a session from all others of its node, over several snapshots. */
export function sessionName({ peer, host, since }: SessionStatus): string {
  return `${peer} ${host} ${since}`
}
