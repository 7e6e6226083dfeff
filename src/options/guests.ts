/** The guests of the servers in an options file: who they are, one more, one less. */

import sodium from 'sodium-native'
import { type Fault, OptionsError } from '../errors.js'
import { isCalled } from '../games/map-name.js'
import { type AccessRules, type Invite, OPEN } from '../identity/access-rules.js'
import { decodeKey, encodeKey } from '../identity/encoding.js'
import { NONCE_BYTES } from '../identity/guest.js'
import { type KeyPair, keyPairOf } from '../identity/keys.js'
import { guess } from '../text/guess.js'
import { quote, quoteName } from '../text/quote.js'
import { findMaps } from './access.js'
import { addToList, editOptions, removeFromList, setValue } from './edit.js'
import type { Options, ServerEntry } from './entry.js'
import { guestNameFault } from './guest-name.js'
import { parseJson } from './json.js'
import { DEVICES_MAX } from './schema-access.js'

/** All entries of one secret. */
export interface ServerInFile {
  readonly keyPair: KeyPair
  /** In base58. */
  readonly publicKey: string
  readonly secret: string
  readonly maps: readonly ServerEntry[]
  readonly access: AccessRules
  /** Whether none of it is shared for now. */
  readonly paused: boolean
}

/** What is asked of a new invite. */
export interface InviteRequest {
  readonly name: string
  /** Ports, ports with their protocol, names of entries; left out: all. */
  readonly maps?: readonly string[] | undefined
  /** Milliseconds since 1970. */
  readonly expires?: number | undefined
  readonly maxDevices?: number | undefined
  /** Which server, where there are several: its public key or the start of it, a port, or what an entry is called. */
  readonly server?: string | undefined
}

export interface Invited {
  readonly server: ServerInFile
  readonly invite: Invite
  readonly ticket: string
  /** False: it was there already, as it was asked for. */
  readonly isNew: boolean
}

/** An entry of the file as it stands there. */
interface RawServer {
  readonly secret?: unknown
  readonly allow?: readonly unknown[]
  readonly block?: readonly unknown[]
  readonly invites?: readonly { readonly name?: unknown }[]
}

/** The servers of the options, in the order of the file; those that are paused come last. */
export function serversIn(options: Options): ServerInFile[] {
  const groups = new Map<string, ServerEntry[]>()
  for (const entry of [...options.entries, ...(options.paused ?? [])]) {
    if (entry.mode !== 'server') continue
    const secret = entry.secret.reveal()
    const group = groups.get(secret)
    if (group) group.push(entry)
    else groups.set(secret, [entry])
  }
  return [...groups].map(([secret, maps]) => {
    const keyPair = keyPairOf(maps[0]!.secret)
    const publicKey = encodeKey(keyPair.publicKey)
    const paused = maps.every(one => one.paused === true)
    return { keyPair, publicKey, secret, maps, access: maps[0]!.access ?? OPEN, paused }
  })
}

/**
 * Adds an invite to an options file. One of this name that is there already is given again, unless something else is asked for;
 * one whose time is over makes way for a new one.
 * @param now milliseconds since 1970
 * @param ticketOf makes the ticket of the guest; nothing is written where there can be none
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag; those of `editOptions` and `ticketOf`
 */
export async function addInvite(
  path: string,
  request: InviteRequest,
  now: number,
  ticketOf: (server: ServerInFile, invite: Invite) => string
): Promise<Invited> {
  return editOptions<Invited>(path, (text, options) => {
    const faults: Fault[] = []
    const { name, maps: words, expires, maxDevices } = request
    const nameFault = guestNameFault(name)
    if (nameFault) faults.push({ path: 'NAME', message: nameFault })
    if (maxDevices !== undefined && maxDevices > DEVICES_MAX) {
      faults.push({ path: '--max-devices', message: `is ${maxDevices}; ${DEVICES_MAX} are the most` })
    }
    const server = chooseServer(serversIn(options), request.server, faults)
    const maps = server && words ? words.flatMap(word => mapsOf(word, server, faults)) : undefined
    if (server?.access.allow.some(one => one.name === name)) {
      faults.push({ path: 'NAME', message: `is the name of a key in "allow" already; choose another one` })
    }
    const found = server?.access.invites.find(one => one.name === name)
    const isOver = found?.expires !== undefined && found.expires <= now
    const other = isOver ? undefined : found
    if (other && (words || expires !== undefined || maxDevices !== undefined)) {
      const message = `is invited already; hyper-nat revoke ${name} first, to give another ticket, or choose another name`
      faults.push({ path: 'NAME', message })
    }
    if (faults.length > 0 || !server) throw new OptionsError(faults)
    if (other) {
      const ticket = ticketOf(server, other)
      return { text, result: { server, invite: other, ticket, isNew: false } }
    }
    const nonce = Buffer.alloc(NONCE_BYTES)
    sodium.randombytes_buf(nonce)
    const invite: Invite = {
      name,
      nonce,
      ...(maps && { maps }),
      ...(expires !== undefined && { expires }),
      ...(maxDevices !== undefined && { maxDevices }),
      created: now
    }
    const entry = {
      name,
      nonce: nonce.toString('hex'),
      ...(words && { maps: words }),
      ...(expires !== undefined && { expires: timeText(expires) }),
      ...(maxDevices !== undefined && { maxDevices }),
      created: timeText(now)
    }
    const rest = isOver ? without(text, server, name) : text
    return {
      text: addToList(rest, ['schema', indexOf(rest, server)], 'invites', entry),
      result: { server, invite, ticket: ticketOf(server, invite), isNew: true }
    }
  })
}

/**
 * Takes a guest out of an options file: an invite, or a key with this name in `allow`.
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag; those of `editOptions`
 */
export async function removeGuest(
  path: string,
  name: string,
  which: string | undefined
): Promise<ServerInFile> {
  return editOptions(path, (text, options) => {
    const faults: Fault[] = []
    const servers = serversIn(options)
    const having = servers.filter(({ access }) => namesIn(access).includes(name))
    const server =
      which === undefined && having.length === 1 ? having[0] : chooseServer(servers, which, faults)
    if (server && !namesIn(server.access).includes(name)) {
      const names = namesIn(server.access)
      const meant = guess(name, names, {})
      const hint = meant ? `did you mean ${quoteName(meant)}?` : 'hyper-nat guests lists all'
      faults.push({ path: 'NAME', message: `no invited guest is called ${quoteName(name)}; ${hint}` })
    }
    if (faults.length > 0 || !server) throw new OptionsError(faults)
    return { text: without(text, server, name), result: server }
  })
}

/**
 * Gives a guest another name in an options file: an invite, or a key with this name in `allow`. The guest's ticket and sessions
 * stay as they are.
 * @param server the server's public key
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag; those of `editOptions`
 */
export async function renameGuest(path: string, server: string, from: string, to: string): Promise<void> {
  return editOptions(path, (text, options) => {
    const faults: Fault[] = []
    const found = chooseServer(serversIn(options), server, faults)
    const names = found ? namesIn(found.access) : []
    const nameFault = guestNameFault(to)
    if (nameFault) faults.push({ path: 'NAME', message: nameFault })
    else if (to !== from && names.includes(to)) {
      faults.push({ path: 'NAME', message: 'is the name of another guest already; choose another one' })
    }
    if (found && !names.includes(from)) {
      faults.push({ path: 'NAME', message: `${quoteName(from)} is no longer invited` })
    }
    if (faults.length > 0 || !found) throw new OptionsError(faults)
    if (to === from) return { text, result: undefined }
    const at = placeOf(text, found, from)!
    const madeFor = found.access.invites.find(one => one.name === from && one.madeFor === undefined)
    const renamed = setValue(text, [...at, 'name'], to)
    return { text: madeFor ? setValue(renamed, [...at, 'madeFor'], from) : renamed, result: undefined }
  })
}

/**
 * Gives a name to a guest who came in by the public key: from now on the key is in `allow`.
 * @param server the server's public key
 * @param guest the guest's, in base58
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag; those of `editOptions`
 */
export async function nameGuest(path: string, server: string, guest: string, name: string): Promise<void> {
  return editOptions(path, (text, options) => {
    const faults: Fault[] = []
    const found = chooseServer(serversIn(options), server, faults)
    const nameFault = guestNameFault(name)
    if (nameFault) faults.push({ path: 'NAME', message: nameFault })
    else if (found && namesIn(found.access).includes(name)) {
      faults.push({ path: 'NAME', message: 'is the name of another guest already; choose another one' })
    }
    if (faults.length > 0 || !found) throw new OptionsError(faults)
    const rest = withoutKey(text, found, 'allow', guest)
    const entry = { name, publicKey: guest }
    return { text: addToList(rest, ['schema', indexOf(rest, found)], 'allow', entry), result: undefined }
  })
}

/** `2030-12-31T18:00:00Z`: a fraction of a second is nothing for people. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')
}

function namesIn({ allow, invites }: AccessRules): string[] {
  return [...invites, ...allow].flatMap(({ name }) => (name === undefined ? [] : [name]))
}

export function chooseServer(
  servers: readonly ServerInFile[],
  which: string | undefined,
  faults: Fault[]
): ServerInFile | undefined {
  const list = servers.map(({ publicKey, maps }) => `${publicKey.slice(0, 8)} (port ${maps[0]!.port})`)
  const there = list.length > 0 ? `there are ${list.join(', ')}` : 'there is none'
  const path = '--server'
  if (which === undefined) {
    if (servers.length === 1) return servers[0]
    if (servers.length > 1)
      faults.push({ path, message: `is needed, as the file has several servers; ${there}` })
    else faults.push({ path: '', message: 'the options file shares nothing: add a server to it first' })
    return undefined
  }
  const wanted = which.trim().toLowerCase()
  const found = servers.filter(
    ({ publicKey, maps }) =>
      (wanted.length >= 4 && publicKey.startsWith(which.trim())) ||
      maps.some(({ name, port }) => isCalled(name, wanted) || String(port) === wanted)
  )
  if (found.length === 1) return found[0]
  faults.push({
    path,
    message: `is ${quote(which)}, which is ${found.length > 1 ? 'more than one' : 'none'} of the servers; ${there}`
  })
  return undefined
}

function mapsOf(word: string, server: ServerInFile, faults: Fault[]) {
  const found = findMaps(word, server.maps)
  if ('maps' in found) return found.maps
  faults.push({ path: '--maps', message: found.fault })
  return []
}

function rawServers(text: string): RawServer[] {
  return (parseJson(text) as { schema: RawServer[] }).schema
}

/** The entry that holds the invites of a server, or its first. */
export function indexOf(text: string, { secret }: ServerInFile): number {
  const raw = rawServers(text)
  const holding = raw.findIndex(one => one.secret === secret && one.invites)
  return holding >= 0 ? holding : raw.findIndex(one => one.secret === secret)
}

function without(text: string, server: ServerInFile, name: string): string {
  const at = placeOf(text, server, name)
  return at ? removeFromList(text, at.slice(0, -1), at.at(-1) as number) : text
}

/** Where a guest stands in the file. */
function placeOf(text: string, { secret }: ServerInFile, name: string): (string | number)[] | undefined {
  for (const [index, { secret: own, ...lists }] of rawServers(text).entries()) {
    if (own !== secret) continue
    for (const key of ['invites', 'allow'] as const) {
      const at = (lists[key] ?? []).findIndex(one => (one as { name?: unknown }).name === name)
      if (at >= 0) return ['schema', index, key, at]
    }
  }
  return undefined
}

/** The text without a key in one of the lists of a server. */
export function withoutKey(
  text: string,
  { secret }: ServerInFile,
  list: 'allow' | 'block',
  guest: string
): string {
  for (const [index, server] of rawServers(text).entries()) {
    if (server.secret !== secret) continue
    const at = (server[list] ?? []).findIndex(one => encodeKey(decodeKey(keyIn(one))) === guest)
    if (at >= 0) return removeFromList(text, ['schema', index, list], at)
  }
  return text
}

/** A key in a list stands alone, or with a name. */
function keyIn(one: unknown): string {
  return typeof one === 'string' ? one : (one as { publicKey: string }).publicKey
}
