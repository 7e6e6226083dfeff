/** What the page shows, from what the options say and what the node does: what is missing there has not started yet. */

import type { ErrorCode } from '../errors.js'
import type { ClientMapInfo } from '../events.js'
import { knownGames, titleOf } from '../games/games.js'
import { guestHelp, hostHelp, serversAmong, waitingTexts } from '../games/help.js'
import { isListed } from '../games/lobby.js'
import { partsOf } from '../games/map-name.js'
import type { Recipe } from '../games/recipe.js'
import { encodeKey, shortKey } from '../identity/encoding.js'
import type { ClientEntry, Entry, Options, ServerEntry } from '../options/entry.js'
import { type ServerInFile, serversIn } from '../options/guests.js'
import { clientsIn } from '../options/joined-targets.js'
import {
  type ClientStatus,
  type ServerStatus,
  type SessionStatus,
  type Status,
  sessionName
} from '../status.js'
import { hostPort, LOCALHOST, typedHost } from '../text/address.js'
import { formatPorts } from '../text/ports.js'
import { sentenceOf } from '../text/sentence.js'
import type { RunningWarning } from './warnings.js'
import type {
  AddressView,
  ClientView,
  EditRow,
  GameView,
  GuestView,
  ServerView,
  SessionView,
  View,
  WarningView
} from './wire.js'

/** Why a host does not let this computer in. */
const REJECTED: ReadonlySet<ErrorCode> = new Set(['NOT_INVITED', 'INVITE_EXPIRED', 'TOO_MANY_DEVICES'])

/** What the page knows beside. */
export interface Known {
  /** Where the options are. */
  readonly file: string
  /** Settings that wait for the next start. */
  readonly restart: readonly string[]
  /** What the daemon has warned of. */
  readonly warnings: readonly RunningWarning[]
}

export function viewOf(options: Options, status: Status, known: Known): View {
  const { file, restart } = known
  const servers = serversIn(options)
  const warnings = warningsOf(options, servers, status, known.warnings)
  return {
    at: status.at,
    version: status.version,
    file,
    online: status.network.bootstrapped && status.network.nodes > 0,
    restart,
    servers: servers.map(server =>
      serverView(
        server,
        status.servers.find(one => one.publicKey === server.publicKey),
        warnings.get(server.publicKey) ?? []
      )
    ),
    clients: clientViews(options, status.clients, warnings),
    warnings: warnings.get('') ?? []
  }
}

function serverView(
  { publicKey, maps, access, paused }: ServerInFile,
  now: ServerStatus | undefined,
  warnings: readonly WarningView[]
): ServerView {
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
    return { ...(name !== undefined && { name }), key: shortKey(peer), peer, invited: true, sessions: here }
  })
  const blocked = (access.block ?? []).map(({ name, publicKey: own }): GuestView => {
    const peer = encodeKey(own)
    const what = { key: shortKey(peer), peer, invited: false, blocked: true, sessions: [] } as const
    return { ...(name !== undefined && { name }), ...what }
  })
  const known = new Set([...invites, ...allowed].flatMap(({ sessions: own }) => own.map(({ id }) => id)))
  const strangers = sessions.filter(one => !known.has(sessionName(one)))
  const others = [...new Set(strangers.map(({ peer }) => peer))].map((peer): GuestView => {
    const here = strangers.filter(one => one.peer === peer).map(sessionView)
    return { key: shortKey(peer), peer, invited: false, sessions: here }
  })
  const closed = now?.maps.filter(({ target }) => target === 'closed') ?? []
  // What is paused as a whole is shown as it will be.
  const shared = paused ? maps : maps.filter(one => one.paused !== true)
  const places = (some: readonly ServerEntry[]) =>
    some.map(({ proto, port, host }) => ({ proto, port, host }))
  return {
    publicKey,
    names: [...new Set(shared.flatMap(({ name }) => mapTitle(name) ?? []))],
    maps: places(shared),
    pausedMaps: places(maps.filter(one => !shared.includes(one))),
    ...(now?.ticket !== undefined && !access.private && { ticket: now.ticket }),
    private: access.private,
    roster: access.roster === true,
    games: gamesIn(
      shared,
      (recipe, own) => hostHelp(recipe, own[0]!.host, own),
      // Guests have the host's port numbers, as far as those are free there.
      ({ port, lobby }) => isListed({ localHost: LOCALHOST, localPort: port, lobby })
    ),
    waiting: waitingTexts(closed, titleOf),
    idle: closed.length > 0 && closed.length === now?.maps.length,
    edit: {
      name: partsOf(maps[0]!.name ?? '').own ?? '',
      rows: rowsOf(maps)
    },
    paused,
    gameIds: [...new Set(maps.flatMap(({ name }) => knownGames().ofMap(name)?.id ?? []))],
    announced: now?.announced ?? 'starting',
    guests: [...invites, ...allowed, ...others, ...blocked],
    warnings
  }
}

/** Warnings by the public keys of the servers that they are about; under the empty text, those that are about none. */
function warningsOf(
  options: Options,
  servers: readonly ServerInFile[],
  status: Status,
  running: readonly RunningWarning[]
): ReadonlyMap<string, WarningView[]> {
  const found = new Map<string, WarningView[]>()
  const add = (publicKey: string, warning: WarningView): void => {
    found.set(publicKey, [...(found.get(publicKey) ?? []), warning])
  }
  /** Where entries are in the file, with the servers that they are about. */
  const places = [
    ...servers.flatMap(({ publicKey, maps }) => maps.map(({ path }) => ({ path, publicKey }))),
    ...options.entries.flatMap(entry =>
      entry.mode === 'client' ? [{ path: entry.path, publicKey: encodeKey(entry.publicKey) }] : []
    )
  ]
  for (const { path, message } of options.warnings) {
    const place = places.find(one => path === one.path || path.startsWith(`${one.path}.`))
    add(place?.publicKey ?? '', { text: place ? sentenceOf(message) : `${path}: ${message}` })
  }
  const known = new Set(places.map(({ publicKey }) => publicKey))
  for (const { id, code, message, publicKey = '', port, host } of running) {
    const server = status.servers.find(one => one.publicKey === publicKey)
    if (code === 'DHT_UNREACHABLE' && server?.announced === 'announced') continue
    // Another server may share it meanwhile.
    if (port !== undefined && status.servers.some(({ maps }) => maps.some(map => map.port === port))) continue
    // The command line says what to type.
    const text =
      server && port !== undefined
        ? `The game is open on port ${port}, but port ${formatPorts(server.maps.map(map => map.port))} is shared.`
        : server && host !== undefined
          ? `The game runs on this computer, but only at the address ${host}. Remove this and host it again: under "The game runs on another computer at home", enter that address.`
          : sentenceOf(message)
    if (publicKey === '' || known.has(publicKey))
      add(publicKey, { id, text, ...(server && port !== undefined && { port }) })
  }
  return found
}

/** The entries of a server, in the order of the file. */
function rowsOf(maps: readonly ServerEntry[]): EditRow[] {
  const place = (path: string): number => Number(/\d+/.exec(path)?.[0])
  const paths = [...new Set(maps.map(({ path }) => path))].sort((a, b) => place(a) - place(b))
  return paths.map(path => {
    const own = maps.filter(map => map.path === path)
    const protos = [...new Set(own.map(({ proto }) => proto))].join('+')
    return {
      ports: formatPorts([...new Set(own.map(({ port }) => port))]),
      ...(!knownGames().ofMap(own[0]!.name) && { proto: protos })
    }
  })
}

function clientViews(
  options: Options,
  clients: readonly ClientStatus[],
  warnings: ReadonlyMap<string, readonly WarningView[]>
): ClientView[] {
  const entries = new Map<string, ClientEntry[]>()
  for (const entry of clientsIn(options)) {
    const publicKey = encodeKey(entry.publicKey)
    const own = entries.get(publicKey)
    if (own) own.push(entry)
    else entries.set(publicKey, [entry])
  }
  return [...entries].map(([publicKey, own]) => {
    const now = clients.filter(one => one.publicKey === publicKey)
    const maps = openMaps(
      own,
      now.flatMap(one => one.maps)
    )
    const sessions = now.flatMap(one => one.sessions.map(sessionView))
    const why = now.map(({ disconnected }) => disconnected?.cause).find(cause => cause)
    return {
      publicKey,
      addresses: maps.map(addressView),
      games: gamesIn(maps, guestHelp, isListed),
      sessions,
      roster: now.flatMap(one => one.sessions.flatMap(({ roster }) => roster ?? [])),
      warnings: warnings.get(publicKey) ?? [],
      ...(why && { waiting: why.message, ...(REJECTED.has(why.code) && { rejected: true }) })
    }
  })
}

/** A client's port map, once it is known where it is open. */
type OpenMap = ClientMapInfo & Pick<Entry, 'name' | 'lobby'>

/**
 * The entries that are open, or are to be.
 * @param bound what the node has opened for them
 */
function openMaps(entries: readonly ClientEntry[], bound: readonly ClientMapInfo[]): OpenMap[] {
  const key = ({ proto, port, localHost, localPort }: ClientMapInfo): string =>
    `${proto} ${port} ${localHost} ${localPort}`
  const taken = new Set(entries.map(key))
  return entries.flatMap(entry => {
    if (entry.localPort !== 0) return [entry]
    // Where any free port was asked for, the node knows which it is.
    const found = bound.find(map => !taken.has(key(map)) && key({ ...map, localPort: 0 }) === key(entry))
    if (!found) return []
    taken.add(key(found))
    return [{ ...entry, localPort: found.localPort }]
  })
}

function addressView({ name, proto, localHost, localPort }: OpenMap): AddressView {
  const title = mapTitle(name)
  const address = hostPort(typedHost(localHost), localPort)
  return { ...(title !== undefined && { name: title }), proto, address }
}

function mapTitle(name: string | undefined): string | undefined {
  return name === undefined ? undefined : titleOf(name)
}

/**
 * The games among port maps.
 * @param help what to do in one, from those that are its own
 * @param shows whether a map gets it into the LAN list of the game
 */
export function gamesIn<M extends Pick<Entry, 'name' | 'lobby' | 'proto' | 'port'>>(
  maps: readonly M[],
  help: (recipe: Recipe, own: readonly M[]) => string | undefined,
  shows: (map: M) => boolean
): GameView[] {
  const games = knownGames()
  return [...new Set(maps.map(({ name }) => name))].flatMap(name => {
    const recipe = games.ofMap(name)
    if (name === undefined || !recipe) return []
    const all = maps.filter(map => map.name === name)
    return serversAmong(recipe, all).flatMap(own => {
      const listed = recipe.works === 'yes' && own.some(shows)
      const told = help(recipe, own)
      return told === undefined ? [] : [{ title: titleOf(name), help: told, listed }]
    })
  })
}

function sessionView(session: SessionStatus): SessionView {
  const { state, path, since, quality, total, address } = session
  return {
    id: sessionName(session),
    state,
    path,
    since,
    ...quality,
    bytesIn: total.bytesIn,
    bytesOut: total.bytesOut,
    ...(address !== undefined && { address })
  }
}
