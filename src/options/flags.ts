/**
 * The flags of `hyper-nat server` and `hyper-nat client`, turned into what a file would hold and judged by the same code;
 * only the places in its faults are named after flags.
 *
 * Lists go together by position: `-l 8080,8081 -r 80,443 --protocol udp,tcp`. A range is one item with one protocol; a list
 * that has as many protocols as ports after the ranges are written out is fine, too. A port may carry its protocol, as in
 * Docker: `-p 22/tcp,53/tcp+udp`; those before it that have none get the same: `-p 80,443/tcp`.
 */

import { codeOf, type ErrorCode, type Fault, InputError, OptionsError } from '../errors.js'
import { decodeKey } from '../identity/encoding.js'
import { GuestKey } from '../identity/guest.js'
import { decodeTicket, type Ticket } from '../identity/ticket.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { isIPv4Loopback } from '../text/address.js'
import { formatPorts, parsePorts, splitPorts } from '../text/ports.js'
import { type AccessFlags, accessFaults, accessOf, accessPlaces } from './access-flags.js'
import { checkNetwork, checkOptions, distinct } from './check.js'
import type { NetworkOptions, Options, Warning } from './entry.js'
import { perFeature, type ServerFeatures } from './features.js'
import { type NetworkFlags, networkPlaces, withNetwork } from './network-flags.js'
import type { Places } from './places.js'
import { networkOf } from './tickets.js'

/** A text, and the flag or environment variable that it came from. */
export interface Given {
  readonly text: string
  readonly place: string
}

/** What the command line of `server` says, as text; undefined where a flag is not given. */
export interface ServerFlags extends NetworkFlags, AccessFlags, ServerFeatures {
  readonly ports?: string | undefined
  readonly protocols?: string | undefined
  readonly host?: string | undefined
  readonly name?: string | undefined
  readonly secret?: Given | undefined
}

/** What the command line of `host` says, as text; undefined where a flag is not given. */
export interface HostFlags extends Omit<ServerFlags, 'protocols'> {
  /** What games are called, at least one. */
  readonly games: readonly string[]
  /** Whether also the ports that the game can do without. */
  readonly optionalPorts: boolean
  /** False: not in the LAN lists of guests. */
  readonly discovery: boolean
}

/** What the command line of `client` says, as text; undefined where a flag is not given. */
export interface ClientFlags extends NetworkFlags {
  readonly localPorts?: string | undefined
  readonly remotePorts?: string | undefined
  readonly protocols?: string | undefined
  readonly localHost?: string | undefined
  readonly socketMode?: string | undefined
  readonly duplicate?: boolean | undefined
  readonly publicKey?: string | undefined
}

/** What the command line of `doctor` and `ping` says, as text. */
export interface ReachFlags extends NetworkFlags {
  readonly publicKey?: string | undefined
  /** In place of the public key; it names DHT nodes and relays, too. */
  readonly ticket?: string | undefined
}

/** A network to use, and a server to reach in it. */
export interface Reach {
  readonly network: NetworkOptions
  readonly publicKey: Uint8Array | undefined
  /** The key to come with, of a ticket's invite; left out: any. */
  readonly guest?: GuestKey
  /** Left out where a public key was given. */
  readonly ticket?: Ticket
  readonly warnings: readonly Warning[]
}

/** One element of the raw `schema`; undefined values stand for absent keys. */
type RawEntry = Record<string, unknown>

/** Options, and the entries that a file would hold for them. */
export interface ServerOptions extends Options {
  readonly schema: readonly RawEntry[]
}

/**
 * Options of `hyper-nat server`.
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag
 */
export function serverOptions(flags: ServerFlags): ServerOptions {
  const faults = accessFaults(flags)
  const items = matchProtocols(portItems(flags.ports), flags.protocols, faults)
  const hasFeature = perFeature(({ protos }) => where(items, protos))
  const schema = items.map((item, i) =>
    present({
      mode: 'server',
      name: flags.name,
      port: item.port,
      proto: item.proto,
      host: flags.host,
      ...perFeature((_, name) => (hasFeature[name][i] ? flags[name] : undefined)),
      secret: flags.secret?.text,
      ...(i === 0 ? accessOf(flags) : {})
    })
  )
  const names = {
    port: '-p',
    proto: flags.protocols === undefined ? '-p' : '--protocol',
    host: '--host',
    ...perFeature(({ flag }) => `--${flag}`),
    secret: flags.secret?.place ?? '-s'
  }
  const options = check(
    schema,
    accessPlaces(
      flagPlaces(names, index => `-p ${items[index]!.port ?? ''}`),
      flags
    ),
    flags,
    faults
  )
  return { ...withProtocolWarning(options, items, '-p'), schema }
}

/**
 * Options of `hyper-nat host`.
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag
 */
export function hostOptions(flags: HostFlags): ServerOptions {
  const { games, name, host, optionalPorts, discovery } = flags
  const secret = flags.secret?.text
  // Games treat every address on loopback as a player; elsewhere there are no such addresses.
  const playerAddresses = flags.playerAddresses !== false && (host === undefined || isIPv4Loopback(host))
  const faults = accessFaults(flags)
  if (games.length > 1 && flags.ports !== undefined) {
    const message = `is for one game, and these are ${games.length}; name their ports in options.json, or host them one by one`
    faults.push({ path: '-p', message })
  }
  const schema = games.map((game, index) =>
    present({
      mode: 'server',
      game,
      name,
      port: games.length > 1 ? undefined : flags.ports,
      host,
      secret,
      optionalPorts: optionalPorts || undefined,
      discovery: discovery ? undefined : false,
      playerAddresses: playerAddresses || undefined,
      ...(index === 0 ? accessOf(flags) : {})
    })
  )
  const names = { game: 'GAME', port: '-p', host: '--host', secret: flags.secret?.place ?? '-s' }
  const options = check(
    schema,
    accessPlaces(
      flagPlaces(names, index => `hyper-nat host ${games[index]}`),
      flags
    ),
    flags,
    faults
  )
  return { ...options, schema }
}

/**
 * Options of `hyper-nat client`. Without `-l` the local ports are the server's.
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag
 */
export function clientOptions(flags: ClientFlags): Options {
  const faults: Fault[] = []
  const pairs = pairPorts(flags.localPorts, flags.remotePorts, faults)
  const items = matchProtocols(pairs, flags.protocols, faults)
  const doubled = where(items, ['udp'])
  const schema = items.map(({ port, localPort, proto }, i) =>
    present({
      mode: 'client',
      port,
      localPort,
      proto,
      localHost: flags.localHost,
      socketMode: flags.socketMode,
      duplicate: doubled[i] ? flags.duplicate : undefined,
      publicKey: flags.publicKey
    })
  )
  const names = {
    port: '-r',
    localPort: '-l',
    proto: '--protocol',
    localHost: '--local-host',
    socketMode: '--socket-mode',
    duplicate: '--duplicate',
    publicKey: '-k'
  }
  const entry = (index: number): string => {
    const { port, localPort } = items[index]!
    // Any free port names no entry; the port at the server does.
    return localPort === undefined || localPort === '0' ? `-r ${port ?? ''}` : `-l ${localPort}`
  }
  return withProtocolWarning(check(schema, flagPlaces(names, entry), flags, faults), items, '-r')
}

/**
 * What `doctor` and `ping` reach for.
 * @param keyNeeded whether a public key, or a ticket, must be given
 * @throws HyperNatError a code of `decodeTicket`
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag
 */
export function reachOptions(flags: ReachFlags, keyNeeded: boolean): Reach {
  const faults: Fault[] = []
  const judge = <T>(read: () => T): T | undefined => {
    try {
      return read()
    } catch (err) {
      if (err instanceof OptionsError) faults.push(...err.faults)
      else if (err instanceof InputError) faults.push({ path: '-k', message: err.fault })
      else throw err
      return undefined
    }
  }
  const places = networkPlaces(flagPlaces({ ticket: 'TICKET' }, String), flags)
  const given = judge(() => checkNetwork(withNetwork({}, flags), places)) ?? {}
  const { publicKey } = flags
  const text = flags.ticket ?? (publicKey !== undefined && looksLikeTicket(publicKey) ? publicKey : undefined)
  const ticket = text === undefined ? undefined : decodeTicket(text)
  const key = ticket?.publicKey ?? (publicKey === undefined ? undefined : judge(() => decodeKey(publicKey)))
  if (publicKey !== undefined && flags.ticket !== undefined) {
    faults.push({
      path: '-k',
      message: 'cannot be combined with a ticket, which contains the key; give one of them'
    })
  } else if (keyNeeded && publicKey === undefined && !ticket) {
    faults.push({
      path: '-k',
      message:
        'is missing; give the public key, or in its place the ticket, that the server shows when it starts'
    })
  }
  let guest: GuestKey | undefined
  try {
    guest = ticket?.invite && new GuestKey(ticket.invite)
  } catch (err) {
    const message = 'holds an invite of a kind that this hyper-nat cannot use; update it'
    faults.push({ path: 'TICKET', message, code: codeOf(err) as ErrorCode })
  }
  const warnings: Warning[] = []
  const placed = ticket ? [{ index: 0, ticket }] : []
  const network = networkOf(given, placed, false, places, faults, warnings)
  if (faults.length > 0) throw new OptionsError(faults)
  return { network, publicKey: key, ...(guest && { guest }), ...(ticket && { ticket }), warnings }
}

/** Programs of TCP that people share most, by their ports. */
const TCP_PROGRAMS: Readonly<Record<number, string>> = {
  21: 'FTP',
  22: 'SSH',
  23: 'Telnet',
  25: 'mail',
  80: 'a web server',
  139: 'file sharing (SMB)',
  443: 'a web server',
  445: 'file sharing (SMB)',
  631: 'printing',
  1433: 'SQL Server',
  3000: 'a development server',
  3306: 'MySQL',
  3389: 'Remote Desktop',
  5432: 'PostgreSQL',
  5900: 'VNC',
  6379: 'Redis',
  8000: 'a web server',
  8080: 'a web server',
  8443: 'a web server',
  25565: 'Minecraft',
  27017: 'MongoDB'
}

/** The options with a warning where ports go over UDP only because no protocol was given. */
function withProtocolWarning(options: Options, items: readonly Item[], flag: string): Options {
  const silent = items.filter(({ proto }) => proto === undefined)
  if (silent.length === 0) return options
  const known = silent.flatMap(({ port }) => portsOf(port)).find(port => TCP_PROGRAMS[port] !== undefined)
  const why = known === undefined ? '' : ` Port ${known} is usually ${TCP_PROGRAMS[known]}, which needs TCP.`
  const example = known ?? portsOf(silent[0]!.port)[0]!
  const message = `UDP is used, as no protocol is given.${why} For TCP, write ${flag} ${example}/tcp.`
  return {
    ...options,
    warnings: [...options.warnings, { code: 'DEFAULT_PROTOCOL', path: flag, message }]
  }
}

function check(schema: RawEntry[], places: Places, flags: NetworkFlags, faults: readonly Fault[]): Options {
  const named = networkPlaces(places, flags)
  if (faults.length === 0) return checkOptions(withNetwork({ schema }, flags), named)
  // Lists that do not fit together: what each item holds can be judged, but not what it has to do with the others.
  const all = [...faults]
  for (const [index, entry] of schema.entries()) {
    try {
      checkOptions(withNetwork({ schema: [entry] }, flags), {
        ...named,
        entry: () => named.entry(index)
      })
    } catch (err) {
      if (!(err instanceof OptionsError)) throw err
      all.push(...err.faults)
    }
  }
  throw new OptionsError(distinct(all))
}

interface PortItem {
  readonly port: string | undefined
  readonly localPort?: string | undefined
  /** Written behind the port: `22/tcp`. */
  readonly own?: string | undefined
}

interface Item extends PortItem {
  readonly proto: string | undefined
}

/** A list's items as written; what cannot be read stays in one piece, for the check to say what is wrong. */
function portItems(text: string | undefined): PortItem[] {
  if (text === undefined) return [{ port: text }]
  const items = splitPorts(text).map((item): PortItem => {
    const slash = item.indexOf('/')
    return slash < 0
      ? { port: item }
      : { port: item.slice(0, slash), own: item.slice(slash + 1).toLowerCase() }
  })
  const ports = items.map(({ port }) => port).join(',')
  if (!items.some(({ own }) => own !== undefined))
    return 'fault' in parsePorts(text) ? [{ port: text }] : items
  return 'fault' in parsePorts(ports) ? [{ port: ports }] : items
}

function pairPorts(local: string | undefined, remote: string | undefined, faults: Fault[]): PortItem[] {
  const items = portItems(remote)
  if (local === undefined) return items
  const there = parsePorts(remote && items.map(({ port }) => port).join(','))
  const here = parsePorts(local, 0)
  if ('fault' in there || 'fault' in here) return [{ port: items[0]!.port, localPort: local }]
  const localPorts = splitPorts(local)
  if (here.ports.length === 1 && here.ports[0] === 0) return items.map(item => ({ ...item, localPort: '0' }))
  if (here.ports.length !== there.ports.length) {
    faults.push({
      path: '-l',
      message: `names ${here.ports.length} local ports (${formatPorts(here.ports)}), but -r names ${there.ports.length} (${formatPorts(there.ports)}); give as many, or -l 0 for any free ones`
    })
    return items
  }
  const alike =
    items.length === localPorts.length && items.every(({ port }, i) => size(port!) === size(localPorts[i]!))
  if (alike) return items.map((item, i) => ({ ...item, localPort: localPorts[i]! }))
  return items.flatMap(singlePorts).map((item, i) => ({ ...item, localPort: `${here.ports[i]}` }))
}

function size(item: string): number {
  return portsOf(item, 0).length
}

function portsOf(text: string | undefined, smallest: 0 | 1 = 1): readonly number[] {
  const result = parsePorts(text, smallest)
  return 'ports' in result ? result.ports : []
}

/** Gives each item its protocol; no flag leaves it to the default. */
function matchProtocols(items: readonly PortItem[], text: string | undefined, faults: Fault[]): Item[] {
  const words = text?.split(/[\s,]+/).filter(word => word !== '')
  if (!words) return items.map((item, i) => ({ ...item, proto: nextOwn(items, i) }))
  if (words.length < 2) return items.map(item => ({ ...item, proto: item.own ?? words[0] ?? '' }))
  const marked = items.find(({ own }) => own !== undefined)
  if (marked) {
    faults.push({
      path: '--protocol',
      message: `names ${words.length} protocols, but ${marked.port}/${marked.own} has its own; give one for the ports without one`
    })
    return items.map(item => ({ ...item, proto: item.own ?? words[0] }))
  }
  if (words.length === items.length) return items.map((item, i) => ({ ...item, proto: words[i] }))
  const single = items.flatMap(singlePorts)
  if (words.length === single.length) return single.map((item, i) => ({ ...item, proto: words[i] }))
  if (single.length > 0) {
    faults.push({
      path: '--protocol',
      message: `names ${words.length} protocols (${words.join(',')}) for ${single.length} port${single.length === 1 ? '' : 's'}; give one for all, or one for each`
    })
  }
  // Every word and every item once, so that what else is wrong with them is found in the same run.
  const longest = Math.max(words.length, items.length)
  return Array.from({ length: longest }, (_, i) => ({
    ...items[i % items.length]!,
    proto: words[i % words.length]
  }))
}

/** The protocol of an item, or of the next one that has one: `80,443/tcp` are both TCP. */
function nextOwn(items: readonly PortItem[], i: number): string | undefined {
  return items.slice(i).find(({ own }) => own !== undefined)?.own
}

/** Which items a flag applies to: those with one of these protocols, or all where none has, so that the fault is found. */
function where(items: readonly Item[], protos: readonly string[]): boolean[] {
  const able = items.map(({ proto = 'udp' }) => proto.split('+').some(one => protos.includes(one)))
  return able.includes(true) ? able : able.map(() => true)
}

/** An item with its ranges written out. */
function singlePorts({ port, localPort, own }: PortItem): PortItem[] {
  const localPorts = portsOf(localPort, 0)
  return portsOf(port).map((one, i) => ({
    port: `${one}`,
    own,
    ...(localPort !== undefined && { localPort: `${localPorts[i] ?? localPorts[0]}` })
  }))
}

function flagPlaces(names: Record<string, string>, entry: (index: number) => string): Places {
  return { entry, field: path => names[String(path.at(-1))] ?? String(path.at(-1)) }
}

function present(entry: RawEntry): RawEntry {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== undefined))
}
