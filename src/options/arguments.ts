/** Checks what programs pass to the library, which TypeScript alone does not: all faults at once, each with its path. */
import { isIPv4 } from 'node:net'
import { type Fault, OptionsError } from '../errors.js'
import { NONCE_BYTES } from '../identity/guest.js'
import { Secret } from '../identity/secret.js'
import { DOCTOR_LIMITS, LIMITS, METRICS_LIMITS, RELAY_LIMITS, TCP_RELAY_LIMITS } from '../limits.js'
import { PROTOS } from '../proto.js'
import { guess } from '../text/guess.js'
import { bootstrapFault, canonicalHost } from '../text/hosts.js'
import { PORT_MAX } from '../text/ports.js'
import { oneOf, quote } from '../text/quote.js'
import { isSocketPath, SOCKET_MODES, socketPathFault } from '../text/socket-path.js'
import { perFeature } from './features.js'

/** What is wrong with a value, as the rest of a sentence; null for nothing. */
type Check = (value: unknown) => string | null

interface Field {
  readonly check: Check
  readonly required?: true
}

function typed(type: 'string' | 'boolean' | 'function', what: string): Check {
  return value => (typeof value === type ? null : `is ${quote(value)}; give ${what}`)
}

function port(least: 0 | 1): Check {
  return value => {
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= PORT_MAX) return null
    return `is ${quote(value)}; give a whole number from ${least} to ${PORT_MAX}`
  }
}

function among(words: readonly string[]): Check {
  return value => {
    if (typeof value === 'string' && words.includes(value)) return null
    const meant = typeof value === 'string' ? guess(value, words) : undefined
    return `is ${quote(value)}; ${meant ? `did you mean ${quote(meant)}?` : `give ${oneOf(words)}`}`
  }
}

const proto = among(PROTOS)

const text: Check = value =>
  typeof value === 'string' && value !== '' ? null : `is ${quote(value)}; give a text that is not empty`
const flag = typed('boolean', 'true or false')
const list: Check = value => (Array.isArray(value) ? null : `is ${quote(value)}; give a list`)
const object: Check = value =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? null
    : `is ${quote(value)}; give an object`

const host: Check = value => {
  const fault = text(value)
  if (fault !== null || !isSocketPath(value as string)) return fault
  return socketPathFault(value as string) ?? null
}

const mode: Check = value =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= SOCKET_MODES
    ? null
    : `is ${quote(value)}; give permission bits, such as 0o660`

const handler = typed('function', 'a function')

/** What programs that have no `AbortSignal` of their own give in its place is as good. */
const signal: Check = value => {
  const { aborted, addEventListener, removeEventListener } = Object(value) as Partial<AbortSignal>
  return typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
    ? null
    : `is ${quote(value)}; give an AbortSignal`
}

const number: Check = value =>
  typeof value === 'number' && value >= 0 ? null : `is ${quote(value)}; give a number from 0`

const keyPair: Check = value => {
  const { publicKey, secretKey } = Object(value) as Record<string, unknown>
  const isPair = publicKey instanceof Uint8Array && secretKey instanceof Uint8Array
  return isPair && publicKey.byteLength === 32 && secretKey.byteLength === 64
    ? null
    : `is ${quote(value)}, and no key pair; give what keyPairOf or loadIdentity returns`
}

const guestKey: Check = value =>
  keyPair((Object(value) as Record<string, unknown>).keyPair) === null
    ? null
    : `is ${quote(value)}; give a GuestKey`

const log: Check = value =>
  ['debug', 'info', 'warn', 'error'].every(
    level => typeof (Object(value) as Record<string, unknown>)[level] === 'function'
  )
    ? null
    : `is ${quote(value)}; give a logger with debug, info, warn and error`

const bootstrap: Check = value => {
  const fault = list(value)
  if (fault) return `${fault} of nodes, each host:port`
  for (const node of value as unknown[]) {
    if (typeof node !== 'string') return `has ${quote(node)}; give each node as host:port`
    const wrong = bootstrapFault(node)
    if (wrong) return wrong
  }
  return null
}

/** The options of a node; `tcp` and the keys of relays are checked where they are read. */
const NODE: Readonly<Record<string, Field>> = {
  bootstrap: { check: bootstrap },
  relays: { check: list },
  identity: { check: keyPair },
  portMapping: { check: flag },
  lan: { check: flag },
  ipv6: { check: flag },
  tcp: { check: object },
  limits: { check: object },
  log: { check: log },
  trace: { check: handler },
  onMemoryReleased: { check: handler }
}

/** The options of the doctor besides those of a node; the public key is checked where it is read. */
const DIAGNOSE: Readonly<Record<string, Field>> = {
  ...NODE,
  guest: { check: guestKey },
  shared: { check: list },
  oncheck: { check: handler },
  signal: { check: signal }
}

/** What a daemon reads first of its options: `checkOptions` makes them, and checks the rest. */
const DAEMON: Readonly<Record<string, Field>> = {
  entries: { check: list, required: true },
  network: { check: object, required: true }
}

/** Where metrics are served. */
const METRICS: Readonly<Record<string, Field>> = { port: { check: port(0) }, host: { check: text } }

/** The options of a relay; its secret, `tcp` and the keys in `allow` are checked where they are read. */
const RELAY: Readonly<Record<string, Field>> = {
  port: { check: port(1) },
  bootstrap: { check: bootstrap },
  allow: { check: list },
  tcp: { check: object },
  limits: { check: object },
  tcpLimits: { check: object },
  log: { check: log }
}

const ownHosts: Check = value => {
  const wrong = Array.isArray(value) ? value.filter(one => !isIPv4(one) || one === '0.0.0.0') : [value]
  return wrong.length > 0 ? `has ${quote(wrong[0])}; give a list of IPv4 addresses` : null
}

/** The options of nodes of a DHT. */
const BOOTSTRAP_NODES: Readonly<Record<string, Field>> = {
  port: { check: port(1) },
  hosts: { check: ownHosts },
  nodes: { check: value => whole(value) },
  bootstrap: { check: bootstrap }
}

const SIGNAL: Readonly<Record<string, Field>> = { signal: { check: signal } }

const CONNECT: Readonly<Record<string, Field>> = { ...SIGNAL, wait: { check: flag } }

const STREAM: Readonly<Record<string, Field>> = {
  ...SIGNAL,
  proto: { check: among(PROTOS.filter(name => name !== 'udp')) }
}

const PING: Readonly<Record<string, Field>> = {
  count: { check: number },
  intervalMs: { check: number },
  onanswer: { check: handler },
  signal: { check: signal }
}

/** A port map of `share`. */
const SHARED_MAP: Readonly<Record<string, Field>> = {
  proto: { check: proto, required: true },
  port: { check: port(1), required: true },
  host: { check: host },
  name: { check: text },
  lobby: { check: object },
  guestPorts: { check: among(['together', 'same']) },
  ...perFeature(() => ({ check: flag })),
  onconnection: { check: handler },
  onflow: { check: handler }
}

/** A port map of `open`. */
const OPENED_MAP: Readonly<Record<string, Field>> = {
  proto: { check: proto, required: true },
  port: { check: port(1), required: true },
  localPort: { check: port(0) },
  localHost: { check: host },
  socketMode: { check: mode },
  lobby: { check: object },
  nextFree: { check: flag },
  set: { check: object },
  duplicate: { check: flag },
  failover: { check: flag }
}

const whole: Check = value =>
  Number.isInteger(value) && (value as number) >= 1 ? null : `is ${quote(value)}; give a whole number from 1`
const time: Check = value =>
  typeof value === 'number' && value >= 0 ? null : `is ${quote(value)}; give milliseconds since 1970`
const nonce: Check = value =>
  value instanceof Uint8Array && value.byteLength === NONCE_BYTES
    ? null
    : `is wrong; give ${NONCE_BYTES} bytes`

/** What an owner says of an invite. */
const INVITE: Readonly<Record<string, Field>> = {
  name: { check: text, required: true },
  madeFor: { check: text },
  maps: { check: list },
  expires: { check: time },
  maxDevices: { check: whole },
  created: { check: time }
}

const KEPT_INVITE: Readonly<Record<string, Field>> = { ...INVITE, nonce: { check: nonce, required: true } }

const NAMED_MAP: Readonly<Record<string, Field>> = {
  proto: { check: proto, required: true },
  port: { check: port(1), required: true }
}

/**
 * Checks the options of a node.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkNode(options: unknown): void {
  checkFields('options', options, NODE)
  throwAny(limitFaults(options as object, 'limits', LIMITS))
}

/**
 * Checks the options of a relay.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkRelay(options: unknown): void {
  checkFields('options', options, RELAY)
  throwAny([
    ...limitFaults(options as object, 'limits', RELAY_LIMITS),
    ...limitFaults(options as object, 'tcpLimits', TCP_RELAY_LIMITS)
  ])
}

/**
 * Checks the options of nodes of a DHT, each of which takes the port behind that of the one before.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkBootstrap(options: unknown, presets: { port: number; nodes: number }): void {
  checkFields('options', options, BOOTSTRAP_NODES)
  const { port = presets.port, nodes = presets.nodes } = options as { port?: number; nodes?: number }
  const most = PORT_MAX + 1 - nodes
  if (port <= most) return
  const message = `is ${port}, too high for the ports of ${nodes} nodes; give at most ${most}`
  throwAny([{ path: 'options.port', message }])
}

/**
 * Checks the options of `diagnose`.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkDiagnose(options: unknown): void {
  checkFields('options', options, DIAGNOSE)
  throwAny(limitFaults(options as object, 'limits', DOCTOR_LIMITS))
}

/**
 * Checks what a daemon is made of.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkDaemon(options: unknown, logger: unknown): void {
  checkFields('options', options, DAEMON)
  throwAny(fieldFaults({ log: logger }, { log: { check: log, required: true } }))
}

/**
 * Checks what `serveMetrics` is given.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkMetrics(place: unknown, read: unknown, limits: unknown): void {
  checkFields('place', place, METRICS)
  throwAny([
    ...fieldFaults({ read, limits }, { read: { check: handler, required: true }, limits: { check: object } }),
    ...limitFaults({ limits: Object(limits) as object }, 'limits', METRICS_LIMITS)
  ])
}

/**
 * Checks what `joinEntries` is given.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkJoined(written: unknown, ticket: unknown, opened: unknown): void {
  throwAny(fieldFaults({ text: written }, { text: { check: text, required: true } }))
  const fault = object(ticket) ?? list((ticket as { maps?: unknown }).maps)
  if (fault) throw new OptionsError([{ path: 'ticket', message: `${fault} that decodeTicket returns` }])
  const wrong = list(opened)
  throwAny(
    wrong
      ? [{ path: 'opened', message: `${wrong} of port maps` }]
      : namedMapFaults((ticket as { maps: unknown }).maps, 'ticket')
  )
}

/** Faults of the limits that hyper-nat knows. */
function limitFaults(options: object, key: string, presets: object): Fault[] {
  const limits = (options as Record<string, object | undefined>)[key] ?? {}
  return Object.entries(limits).flatMap(([name, value]): Fault[] => {
    const message = name in presets ? number(value) : null
    return message ? [{ path: `options.${key}.${name}`, message }] : []
  })
}

/**
 * Checks what `connect` is given; the key or ticket itself is checked where it is read.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkConnect(server: unknown, options: unknown): void {
  if (typeof server !== 'string' && (typeof server !== 'object' || server === null)) {
    const message = `is ${quote(server)}; give the server's ticket, or its public key as text or 32 bytes`
    throw new OptionsError([{ path: 'server', message }])
  }
  throwAny(namedMapFaults((server as { maps?: unknown }).maps, 'server'))
  checkFields('options', options, CONNECT)
}

/** @throws OptionsError BAD_OPTIONS */
export function checkStream(options: unknown): void {
  checkFields('options', options, STREAM)
}

/**
 * Checks the port that a stream or UDP flow leads to.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkPlace(protos: readonly string[], given: { proto: unknown; port: unknown }): void {
  throwAny(fieldFaults(given, { proto: { check: among(protos), required: true }, port: OPENED_MAP.port! }))
}

/** @throws OptionsError BAD_OPTIONS */
export function checkDatagrams(options: unknown): void {
  checkFields('options', options, SIGNAL)
}

/** @throws OptionsError BAD_OPTIONS */
export function checkPing(options: unknown): void {
  checkFields('options', options, PING)
}

function checkFields(path: string, options: unknown, fields: Readonly<Record<string, Field>>): void {
  const fault = object(options)
  if (fault) throw new OptionsError([{ path, message: fault }])
  throwAny(fieldFaults(options as Record<string, unknown>, fields, path))
}

/**
 * Checks what `share` is given; the key of each `allow` is checked where it is read.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkShare(what: unknown): void {
  const fault = object(what)
  if (fault) throw new OptionsError([{ path: 'share', message: `the argument ${fault}` }])
  const { secret, maps, former, signal } = what as Record<string, unknown>
  const formerFault = former === undefined ? null : list(former)
  // A wrong secret is not quoted: it may be one all the same.
  const isSecret = typeof secret === 'string' || secret instanceof Secret
  throwAny([
    ...(isSecret
      ? []
      : [{ path: 'secret', message: 'is missing or no text; give the text that the keys are derived from' }]),
    ...mapFaults(maps, SHARED_MAP, true),
    ...(formerFault ? [{ path: 'former', message: `${formerFault} of public keys` }] : []),
    ...fieldFaults({ signal }, SIGNAL),
    ...accessFaults(what as Record<string, unknown>)
  ])
}

/** @throws OptionsError BAD_OPTIONS */
export function checkAccess(access: unknown): void {
  const fault = object(access)
  if (fault) throw new OptionsError([{ path: 'access', message: `the argument ${fault}` }])
  throwAny(accessFaults(access as Record<string, unknown>))
}

/** @throws OptionsError BAD_OPTIONS */
export function checkInvite(guest: unknown): void {
  throwAny(inviteFaults(guest, 'invite', INVITE))
}

/** @throws OptionsError BAD_OPTIONS */
export function checkSharedMaps(maps: unknown): void {
  throwAny(mapFaults(maps, SHARED_MAP, true))
}

/**
 * Checks what `open` is given; keys and tickets are checked where they are read.
 * @throws OptionsError BAD_OPTIONS
 */
export function checkOpen(what: unknown): void {
  const fault = object(what)
  if (fault) throw new OptionsError([{ path: 'open', message: `the argument ${fault}` }])
  const { publicKey, ticket, maps, guest, identity, signal } = what as Record<string, unknown>
  const faults: Fault[] = []
  if (ticket !== undefined) {
    const { maps: named } = Object(ticket) as Record<string, unknown>
    if (typeof ticket !== 'string' && list(named))
      faults.push({ path: 'ticket', message: `is ${quote(ticket)}; give a ticket` })
    faults.push(...namedMapFaults(named, 'ticket'))
  } else if (typeof publicKey !== 'string' && !(publicKey instanceof Uint8Array)) {
    faults.push({
      path: 'publicKey',
      message: `is ${quote(publicKey)}; give the server's public key as text or 32 bytes, or a ticket`
    })
  }
  if (ticket === undefined || maps !== undefined) faults.push(...mapFaults(maps, OPENED_MAP, false))
  faults.push(
    ...fieldFaults(
      { guest, identity, signal },
      { guest: { check: guestKey }, identity: { check: keyPair }, ...SIGNAL }
    )
  )
  throwAny(faults)
}

/** @throws OptionsError BAD_OPTIONS */
export function checkOpenedMaps(maps: unknown): void {
  throwAny(mapFaults(maps, OPENED_MAP, false))
}

function accessFaults({
  private: isPrivate,
  allow,
  block,
  invites,
  roster
}: Record<string, unknown>): Fault[] {
  const checks: [string, unknown, Check][] = [
    ['private', isPrivate, flag],
    ['roster', roster, flag],
    ['allow', allow, list],
    ['block', block, list],
    ['invites', invites, list]
  ]
  const faults = checks.flatMap(([path, value, check]) => {
    const message = value === undefined ? null : check(value)
    return message ? [{ path, message }] : []
  })
  if (Array.isArray(allow)) faults.push(...allow.flatMap((one, i) => allowedFaults(one, `allow[${i}]`)))
  if (Array.isArray(block)) faults.push(...block.flatMap((one, i) => allowedFaults(one, `block[${i}]`)))
  if (Array.isArray(invites))
    faults.push(...invites.flatMap((one, i) => inviteFaults(one, `invites[${i}]`, KEPT_INVITE)))
  return faults
}

/** The key itself is checked where it is read. */
function allowedFaults(one: unknown, path: string): Fault[] {
  if (typeof one === 'string' || one instanceof Uint8Array) return []
  if (object(one)) return [{ path, message: `is ${quote(one)}; give a public key, or an object with one` }]
  const { name, publicKey } = one as Record<string, unknown>
  const isKey = typeof publicKey === 'string' || publicKey instanceof Uint8Array
  return [
    ...(isKey ? [] : [{ path: `${path}.publicKey`, message: `is ${quote(publicKey)}; give a public key` }]),
    ...fieldFaults({ name }, { name: { check: text } }, path)
  ]
}

function inviteFaults(one: unknown, path: string, fields: Readonly<Record<string, Field>>): Fault[] {
  const fault = object(one)
  if (fault) return [{ path, message: fault }]
  const invite = one as Record<string, unknown>
  return [...fieldFaults(invite, fields, path), ...namedMapFaults(invite.maps, path)]
}

/** The maps that an invite or a ticket names; what is no list is a fault of the invite or ticket. */
function namedMapFaults(maps: unknown, path: string): Fault[] {
  if (!Array.isArray(maps)) return []
  return maps.flatMap((map: unknown, i): Fault[] => {
    const place = `${path}.maps[${i}]`
    const wrong = object(map)
    if (wrong) return [{ path: place, message: wrong }]
    return fieldFaults(map as Record<string, unknown>, NAMED_MAP, place)
  })
}

function fieldFaults(
  values: Readonly<Record<string, unknown>>,
  fields: Readonly<Record<string, Field>>,
  path?: string
): Fault[] {
  return Object.entries(fields).flatMap(([name, { check, required }]): Fault[] => {
    const value = values[name]
    const message = value === undefined && !required ? null : check(value)
    return message ? [{ path: path === undefined ? name : `${path}.${name}`, message }] : []
  })
}

/** @param unique whether a protocol and port may be named only once */
function mapFaults(maps: unknown, fields: Readonly<Record<string, Field>>, unique: boolean): Fault[] {
  const fault = list(maps)
  if (fault) return [{ path: 'maps', message: `${fault} of port maps` }]
  const seen = new Set<string>()
  const sockets = new Map<string, unknown>()
  return (maps as unknown[]).flatMap((map, i): Fault[] => {
    const path = `maps[${i}]`
    const wrong = object(map)
    if (wrong) return [{ path, message: wrong }]
    const values = map as Record<string, unknown>
    const faults = fieldFaults(values, fields, path)
    if (faults.length === 0) faults.push(...handlerFaults(path, values), ...socketFaults(path, values))
    const name = `${quote(values.proto)} ${quote(values.port)}`
    if (faults.length === 0 && unique && seen.has(name))
      faults.push({ path, message: `shares ${values.proto} ${values.port} a second time; leave it out` })
    seen.add(name)
    if (faults.length === 0) faults.push(...socketTwice(path, values, sockets))
    return faults
  })
}

/**
 * One socket is the target of one port, or leads to one map.
 * @param sockets those of the maps before, each with its port
 */
function socketTwice(path: string, map: Record<string, unknown>, sockets: Map<string, unknown>): Fault[] {
  const { host: target, localHost, port } = map
  const key = localHost === undefined ? 'host' : 'localHost'
  const place = localHost ?? target
  if (typeof place !== 'string' || !isSocketPath(place)) return []
  const socket = canonicalHost(place)
  const first = sockets.get(socket)
  if (first === undefined) sockets.set(socket, port)
  if (first === undefined || (key === 'host' && first === port)) return []
  const message = `is a socket for port ${String(port)}, and another map has it for port ${String(first)}; give each its own`
  return [{ path: `${path}.${key}`, message }]
}

/** A map that this process handles itself has one handler, that of its protocol, and no target. */
function handlerFaults(path: string, map: Record<string, unknown>): Fault[] {
  const [right, wrong] = map.proto === 'udp' ? ['onflow', 'onconnection'] : ['onconnection', 'onflow']
  if (map[wrong!] !== undefined) {
    return [{ path: `${path}.${wrong}`, message: `is not for ${map.proto}; give ${right}` }]
  }
  if (map[right!] === undefined) return []
  return ['host', 'playerAddresses', 'proxyProtocol', 'lobby'].flatMap(name =>
    map[name] === undefined
      ? []
      : [
          {
            path: `${path}.${name}`,
            message: `is not for a map with ${right}, which has no other target; leave it out`
          }
        ]
  )
}

/** A socket with a path carries streams, and has no port. */
function socketFaults(path: string, map: Record<string, unknown>): Fault[] {
  const key = map.localHost === undefined ? 'host' : 'localHost'
  const place = map[key]
  if (typeof place !== 'string' || !isSocketPath(place)) return []
  if (map.proto === 'udp')
    return [
      { path: `${path}.${key}`, message: `is ${quote(place)}, which carries tcp and tcpudp; give an address` }
    ]
  if (!map.localPort) return []
  return [
    {
      path: `${path}.localPort`,
      message: 'cannot be combined with a socket, which has no port; leave it out'
    }
  ]
}

function throwAny(faults: readonly Fault[]): void {
  if (faults.length > 0) throw new OptionsError(faults)
}
