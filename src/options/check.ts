/**
 * From any value to {@link Options}: the one path that a file, flags and the library's callers all take.
 *
 *     value -> each entry judged alone (schema.ts) -> one entry per port map (port-maps.ts) -> rules between entries (conflicts.ts)
 *
 * Nothing stops at the first fault: what is wrong in one entry does not keep the others from being judged.
 */

import type { z } from 'zod'
import { type ErrorCode, type Fault, OptionsError } from '../errors.js'
import { encodeKey } from '../identity/encoding.js'
import { keyPairOf } from '../identity/keys.js'
import { Secret } from '../identity/secret.js'
import { weaknessOf } from '../identity/strength.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import type { Limits } from '../limits.js'
import { guess } from '../text/guess.js'
import { parsePorts } from '../text/ports.js'
import { oneOf, quote } from '../text/quote.js'
import { type PlacedAccess, withAccess } from './access.js'
import { bySecret, findConflicts, type Placed } from './conflicts.js'
import type { NetworkOptions, Options, ServerEntry, Warning } from './entry.js'
import { readFriendsSync, serverAmong } from './friends.js'
import { joinedTargetWarnings } from './joined-targets.js'
import { filePlaces, type Places } from './places.js'
import { expandClient, expandServer, type Found } from './port-maps.js'
import { clientEntry, networkOnly, serverEntry, topLevel, unknownEntry } from './schema.js'
import { allowedShape, inviteShape } from './schema-access.js'
import { limitsShape, logShape, metricsShape, networkShape } from './schema-settings.js'
import { networkOf, type PlacedTicket } from './tickets.js'
import { unfitPorts } from './unfit-ports.js'

/**
 * Checks and expands what an options.json holds.
 * @param value the parsed JSON, or an object of the same shape
 * @param places how to name places in faults; those of a file by default
 * @throws OptionsError `BAD_OPTIONS` with every fault found
 */
export function checkOptions(value: unknown, places: Places = filePlaces): Options {
  const faults: Fault[] = []
  const top = topLevel.safeParse(value)
  if (!top.success) faults.push(...faultsOf(top.error, [], topLevel.shape, places))

  const tickets: PlacedTicket[] = []
  const access: PlacedAccess[] = []
  const warnings: Warning[] = []
  const elements = elementsOf(value)
  places = placesWithServers(elements, places)
  const judged = elements.flatMap((raw, index) =>
    checkEntry(raw, index, places, { faults, warnings, tickets, access })
  )
  faults.push(...findConflicts(judged, places))
  const placed = withAccess(judged, access, places, faults)
  warnings.push(
    ...weakSecrets(placed, places),
    ...unfitPorts(placed, places),
    ...joinedTargetWarnings(placed, places)
  )
  const others = placed.some(({ index }) => !tickets.some(ticket => ticket.index === index))
  const network = top.success
    ? networkOf(networkGiven(top.data), tickets, others, places, faults, warnings)
    : {}
  if (faults.length > 0 || !top.success) throw new OptionsError(distinct(faults))

  const { identity, control, metrics, log, udpIdle, resume, ui, limits: given = {} } = top.data
  const limits: Partial<Limits> = {
    ...(Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined)
    ) as Partial<Limits>),
    ...(udpIdle !== undefined && { udpIdleSeconds: udpIdle }),
    ...(resume !== undefined && { resumeSeconds: resume })
  }
  const all = placed.map(({ entry }) => entry)
  const paused = all.filter(entry => entry.mode === 'server' && entry.paused === true) as ServerEntry[]
  return {
    entries: all.filter(entry => !paused.includes(entry as ServerEntry)),
    ...(paused.length > 0 && { paused }),
    network,
    ...(identity !== undefined && { identity }),
    ...(metrics && { metrics }),
    ...(log && { log: { file: log.file, ...(log.level && { level: log.level }) } }),
    ...(control !== undefined && { control }),
    ...(ui && { ui }),
    limits,
    warnings
  }
}

function networkGiven({ network }: z.output<typeof networkOnly>): NetworkOptions {
  return {
    ...(network?.bootstrap && { bootstrap: network.bootstrap }),
    ...(network?.relay && { relay: network.relay }),
    ...(network?.tcp && { tcp: withoutUndefined(network.tcp) }),
    ...(network?.portMapping !== undefined && { portMapping: network.portMapping }),
    ...(network?.lan !== undefined && { lan: network.lan }),
    ...(network?.ipv6 !== undefined && { ipv6: network.ipv6 })
  }
}

/** Keys that are left out are not there. */
function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as never
}

/**
 * Checks the network alone, for commands that neither share nor open ports.
 * @param value `{ network: .. }`, of the shape that a file has
 * @throws OptionsError `BAD_OPTIONS` with every fault found
 */
export function checkNetwork(value: unknown, places: Places): NetworkOptions {
  const result = networkOnly.safeParse(value)
  if (result.success) return networkGiven(result.data)
  throw new OptionsError(distinct(faultsOf(result.error, [], networkOnly.shape, places)))
}

function elementsOf(value: unknown): unknown[] {
  const schema =
    typeof value === 'object' && value !== null ? (value as { schema?: unknown }).schema : undefined
  return Array.isArray(schema) ? schema : []
}

/** What is found in entries besides their port maps. */
interface Findings extends Found {
  readonly tickets: PlacedTicket[]
  readonly access: PlacedAccess[]
}

/** One element of `schema`: its port maps, or none and its faults added. */
function checkEntry(raw: unknown, index: number, places: Places, found: Findings): Placed[] {
  const { faults, tickets, access } = found
  const path = ['schema', index]
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    faults.push({
      path: places.entry(index),
      message: `is ${quote(raw)}; an entry is an object { "mode": .. }`
    })
    return []
  }
  const { mode } = raw as { mode?: unknown }
  if (mode === 'server') {
    const result = serverEntry.safeParse(raw)
    const told = faults.length
    faults.push(...whichPorts(raw, index, places))
    if (result.success) access.push({ index, secret: result.data.secret.reveal(), given: result.data })
    else faults.push(...faultsOf(result.error, path, serverEntry.shape, places, clientEntry.shape))
    const entry = faults.length === told ? result.data : mended(raw, serverEntry, { secret: `\0${index}` })
    return entry ? expandServer(entry, index, places, found) : []
  } else if (mode === 'client') {
    const told = faults.length
    const { raw: client, friend } = withServer(raw, places.field([...path, 'server']), faults)
    const result = clientEntry.safeParse(client)
    if (faults.length > told) {
      // Which ports it opens depends on the server.
      if (!result.success)
        faults.push(...faultsOf(result.error, path, clientEntry.shape, places, serverEntry.shape))
      return []
    }
    faults.push(...whichServer(client, index, places))
    if (result.success) {
      const { ticket } = result.data
      if (ticket) tickets.push({ index, ticket })
    } else faults.push(...faultsOf(result.error, path, clientEntry.shape, places, serverEntry.shape))
    const entry = faults.length === told ? result.data : mended(client, clientEntry, { publicKey: noKey() })
    const placed = entry ? expandClient(entry, index, places, found) : []
    if (friend === undefined) return placed
    return placed.map(({ entry }) => ({ index, entry: { ...entry, friend } }))
  } else {
    faults.push({ path: places.field([...path, 'mode']), message: modeFault(mode, raw) })
    const result = unknownEntry.safeParse(raw)
    if (!result.success) faults.push(...faultsOf(result.error, path, unknownEntry.shape, places))
  }
  return []
}

/** An element of `schema` with the key or ticket of its friend in place of the name, and the name as its owner wrote it. */
function withServer(
  raw: object,
  path: string,
  faults: Fault[]
): { readonly raw: object; readonly friend?: string } {
  const { server, ...rest } = raw as Record<string, unknown>
  if (server === undefined) return { raw }
  const fault = (message: string): { raw: object } => {
    faults.push({ path, message })
    return { raw: { publicKey: noKey(), ...rest } }
  }
  const beside = ['publicKey', 'ticket'].find(key => rest[key] !== undefined)
  if (beside) return fault(`cannot be combined with ${beside}; give one of them`)
  if (typeof server !== 'string' || server === '')
    return fault(`is ${quote(server)}; give the name of a friend, whom hyper-nat friends lists`)
  let found: ReturnType<typeof serverAmong>
  try {
    found = serverAmong(looksLikeTicket(server) ? [] : readFriendsSync(), server)
  } catch (err) {
    return fault(`cannot be looked up: ${err instanceof Error ? err.message : String(err)}`)
  }
  if ('advice' in found)
    return fault(`is ${quote(server)}, which is not one of your friends; ${found.advice}`)
  const key = looksLikeTicket(found.server) ? 'ticket' : 'publicKey'
  return {
    raw: { ...rest, [key]: found.server },
    ...(found.friend !== undefined && { friend: found.friend })
  }
}

/** Places where the key or ticket of a friend is found under the name. */
function placesWithServers(elements: readonly unknown[], places: Places): Places {
  const isNamed = (index: PropertyKey | undefined): boolean => {
    const raw = elements[Number(index)]
    return typeof raw === 'object' && raw !== null && (raw as { server?: unknown }).server !== undefined
  }
  return {
    entry: index => places.entry(index),
    field([top, index, key, ...rest]) {
      const isServer = top === 'schema' && (key === 'publicKey' || key === 'ticket') && isNamed(index)
      return places.field(
        isServer ? [top, index!, 'server'] : [top, index, key, ...rest].filter(one => one !== undefined)
      )
    }
  }
}

/** What an entry's ports come from, and what the rules between entries look at: without it, there is nothing more to find. */
const PORT_KEYS = ['port', 'localPort', 'proto', 'host', 'localHost', 'game', 'optionalPorts', 'ticket']

/** Stands in for a public key that is wrong: no server's. */
function noKey(): string {
  return encodeKey(keyPairOf(new Secret('\0')).publicKey)
}

/**
 * An entry without what is wrong in it, so that what else is, such as lists of different lengths or a port that another entry
 * has, is reported at the same time.
 * @param standIns for what every entry has
 * @returns null when what is wrong is in its ports
 */
function mended<T>(raw: object, schema: z.ZodType<T>, standIns: Record<string, unknown>): T | null {
  const wrong = schema.safeParse(raw).error?.issues ?? []
  const unknown = wrong.flatMap(issue =>
    issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys : []
  )
  const keys = [...unknown, ...wrong.flatMap(({ path }) => path.slice(0, 1).map(String))]
  if (keys.some(key => PORT_KEYS.includes(key)) || unknown.some(key => guess(key, PORT_KEYS))) return null
  const right = Object.entries(raw).filter(([key, value]) => value !== undefined && !keys.includes(key))
  // Without ports it has none that anything could be wrong with.
  if (!right.some(([key]) => key === 'port' || key === 'game' || key === 'ticket')) return null
  return schema.safeParse({ ...standIns, ...Object.fromEntries(right) }).data ?? null
}

/** An entry without a ticket has ports, or a game, which names the protocols, too. */
function whichPorts(raw: object, index: number, places: Places): Fault[] {
  const { game, port, proto, ...rest } = raw as Record<string, unknown>
  const place = (key: string): string => places.field(['schema', index, key])
  if (game === undefined) {
    const alone = ['discovery', 'optionalPorts'].filter(key => rest[key] !== undefined)
    const faults = alone.map(key => ({ path: place(key), message: 'goes with "game" only' }))
    const ports = parsePorts(port)
    if (port === undefined && 'fault' in ports) faults.push({ path: place('port'), message: ports.fault })
    return faults
  }
  return proto === undefined
    ? []
    : [{ path: place('proto'), message: 'cannot be combined with game, which has its own; take it out' }]
}

/** A client's entry has a public key with ports or a game, or a ticket. */
function whichServer(raw: object, index: number, places: Places): Fault[] {
  const { publicKey, ticket } = raw as Record<string, unknown>
  const place = (key: string): string => places.field(['schema', index, key])
  if (ticket !== undefined) {
    if (publicKey === undefined) return []
    return [
      { path: place('ticket'), message: 'cannot be combined with publicKey, which it contains; take one out' }
    ]
  }
  const faults: Fault[] = []
  if (publicKey === undefined) {
    const message =
      'is missing; give the public key that the server shows when it starts, or in a file its "ticket", or in "server" the name of a friend'
    faults.push({ path: place('publicKey'), message })
  }
  return [...faults, ...whichPorts(raw, index, places)]
}

function modeFault(mode: unknown, raw: object): string {
  const expected = '"server" shares ports, "client" opens them'
  if (mode !== undefined) {
    const meant = typeof mode === 'string' ? guess(mode, ['server', 'client'], MODES) : undefined
    return `is ${quote(mode)}${meant ? `; did you mean "${meant}"?` : ';'} ${expected}`
  }
  const meant = 'publicKey' in raw ? 'client' : 'secret' in raw ? 'server' : undefined
  return `is missing${meant ? `, probably "${meant}"` : ''}; ${expected}`
}

const MODES = {
  host: 'server',
  share: 'server',
  listen: 'server',
  connect: 'client',
  join: 'client',
  guest: 'client'
}

/** Objects inside of others, by the key that holds them. */
const INNER: Readonly<Record<string, object>> = {
  network: networkShape,
  metrics: metricsShape,
  log: logShape,
  allow: allowedShape,
  block: allowedShape,
  invites: inviteShape,
  limits: limitsShape
}

/** What zod found, in our words and places; an unknown key each is a fault of its own. */
function faultsOf(
  error: z.ZodError,
  base: readonly PropertyKey[],
  shape: Record<string, unknown>,
  places: Places,
  otherMode: Record<string, unknown> = {}
): Fault[] {
  return error.issues.flatMap(issue => {
    const path = [...base, ...issue.path]
    if (issue.code !== 'unrecognized_keys') {
      const code: ErrorCode | undefined = issue.code === 'custom' ? issue.params?.code : undefined
      return [{ path: places.field(path), message: issue.message, ...(code && { code }) }]
    }
    const known = Object.keys(INNER[String(issue.path[0])] ?? shape)
    return issue.keys.map(key => ({
      path: places.field([...path, key]),
      message: unknownKey(key, known, Object.hasOwn(otherMode, key))
    }))
  })
}

function unknownKey(key: string, known: readonly string[], ofOtherMode: boolean): string {
  if (ofOtherMode) {
    const mode = known.includes('secret') ? 'client' : 'server'
    return `is not a key of this entry; only a ${mode} entry has it`
  }
  const meant = guess(key, known)
  const expected = oneOf(known.filter(word => word !== '$schema').map(word => `"${word}"`))
  return meant ? `is unknown; did you mean "${meant}"?` : `is unknown; the keys here are ${expected}`
}

function weakSecrets(placed: readonly Placed[], places: Places): Warning[] {
  const warnings: Warning[] = []
  for (const [text, { index }] of bySecret(placed)) {
    const weakness = weaknessOf(text)
    if (!weakness) continue
    warnings.push({
      code: 'WEAK_SECRET',
      path: places.field(['schema', index, 'secret']),
      message:
        `the secret ${weakness}: anyone with the public key can try thousands of guesses a second, and ` +
        'anyone who finds it can pose as this server; use a long random one (hyper-nat keygen makes one), and give your friends ' +
        'the ticket that comes with it'
    })
  }
  return warnings
}

/** Flags are spread over several entries, so one wrong flag shows several times. */
export function distinct(faults: readonly Fault[]): Fault[] {
  const seen = new Set<string>()
  return faults.filter(({ path, message }) => {
    const key = `${path}\n${message}`
    return !seen.has(key) && seen.add(key)
  })
}
