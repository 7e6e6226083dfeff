/** What the page shows, from what the options say and what the node does: what is missing there has not started yet. */
import { encodeKey, shortKey } from '../identity/encoding.js'
import type { Options } from '../options/entry.js'
import { type ServerInFile, serversIn } from '../options/guests.js'
import type { ClientStatus, ServerStatus, SessionStatus, Status } from '../status.js'
import type { AddressView, ClientView, GuestView, ServerView, SessionView, View } from './wire.js'

/** What programs on this computer call the address of any interface. */
const ANY: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/** What the page knows beside. */
export interface Known {
  /** Where the options are. */
  readonly file: string
  /** Why servers are not reached, by public key. */
  readonly waiting: ReadonlyMap<string, string>
  /** Settings that wait for the next start. */
  readonly restart: readonly string[]
}

export function viewOf(options: Options, status: Status, known: Known): View {
  const { file, waiting, restart } = known
  return {
    at: status.at,
    version: status.version,
    file,
    online: status.network.bootstrapped && status.network.nodes > 0,
    restart,
    servers: serversIn(options).map(server =>
      serverView(
        server,
        status.servers.find(one => one.publicKey === server.publicKey)
      )
    ),
    clients: clientViews(options, status.clients, waiting)
  }
}

function serverView({ publicKey, maps, access }: ServerInFile, now: ServerStatus | undefined): ServerView {
  const sessions = now?.sessions ?? []
  const of = (name: string): SessionView[] => sessions.filter(one => one.name === name).map(sessionView)
  const invites = access.invites.map(({ name, maps: own, expires, maxDevices }): GuestView => {
    const ports = own?.map(({ proto, port }) => `${proto} ${port}`).join(', ')
    return {
      name,
      invited: true,
      ...(ports !== undefined && { ports }),
      ...(expires !== undefined && { expires }),
      ...(maxDevices !== undefined && { maxDevices }),
      sessions: of(name)
    }
  })
  const allowed = access.allow.map(({ name, publicKey: own }): GuestView => {
    const peer = encodeKey(own)
    const here = sessions.filter(one => one.peer === peer).map(sessionView)
    return { ...(name !== undefined && { name }), key: shortKey(peer), invited: true, sessions: here }
  })
  const known = new Set([...invites, ...allowed].flatMap(({ sessions: own }) => own.map(({ id }) => id)))
  const others = sessions
    .filter(one => !known.has(idOf(one)))
    .map((one): GuestView => ({ key: shortKey(one.peer), invited: false, sessions: [sessionView(one)] }))
  return {
    publicKey,
    names: [...new Set(maps.flatMap(({ name }) => (name === undefined ? [] : [name])))],
    maps: maps.map(({ proto, port, host }) => ({ proto, port, host })),
    ...(now?.ticket !== undefined && !access.private && { ticket: now.ticket }),
    private: access.private,
    announced: now?.announced ?? 'starting',
    guests: [...invites, ...allowed, ...others]
  }
}

function clientViews(
  options: Options,
  clients: readonly ClientStatus[],
  waiting: ReadonlyMap<string, string>
): ClientView[] {
  const views = new Map<string, { maps: AddressView[]; now: readonly ClientStatus[] }>()
  for (const entry of options.entries) {
    if (entry.mode !== 'client') continue
    const publicKey = encodeKey(entry.publicKey)
    let view = views.get(publicKey)
    if (!view) {
      view = { maps: [], now: clients.filter(one => one.publicKey === publicKey) }
      views.set(publicKey, view)
    }
    const { name, proto, localHost } = entry
    // Where any free port was asked for, the node knows which it is.
    const bound = view.now
      .flatMap(({ maps }) => maps)
      .find(map => map.proto === proto && map.port === entry.port && map.localHost === localHost)
    const port = bound?.localPort ?? entry.localPort
    if (port !== 0) {
      view.maps.push({ ...(name !== undefined && { name }), proto, address: hostPort(localHost, port) })
    }
  }
  return [...views].map(([publicKey, { maps, now }]) => {
    const sessions = now.flatMap(one => one.sessions.map(sessionView))
    const why = sessions.some(({ state }) => state === 'up') ? undefined : waiting.get(publicKey)
    return { publicKey, addresses: maps, sessions, ...(why !== undefined && { waiting: why }) }
  })
}

function sessionView(session: SessionStatus): SessionView {
  const { state, path, since, quality, total } = session
  return {
    id: idOf(session),
    state,
    path,
    since,
    ...quality,
    bytesIn: total.bytesIn,
    bytesOut: total.bytesOut
  }
}

function idOf({ peer, host, since }: SessionStatus): string {
  return `${peer} ${host} ${since}`
}

function hostPort(localHost: string, port: number): string {
  const host = ANY[localHost] ?? localHost
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
