/** Whole servers and clients in an options file: one less, or for other people. */

import b4a from 'b4a'
import { OptionsError } from '../errors.js'
import { decodeKey } from '../identity/encoding.js'
import { decodeTicket } from '../identity/ticket.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { joinedTargets } from '../text/local-end.js'
import { checkOptions, distinct } from './check.js'
import { addEntries, editOptions, type RawEntry, removeFromList, setValue } from './edit.js'
import type { ServerEntry } from './entry.js'
import { readFriendsSync, serverAmong } from './friends.js'
import { type ServerInFile, serversIn } from './guests.js'
import { clientsIn, joinedFault, sharedNow } from './joined-targets.js'
import { parseJson } from './json.js'
import type { Places } from './places.js'

/** An element of `schema` that has been judged already. */
interface FileEntry {
  readonly mode: 'server' | 'client'
  readonly name?: string
  readonly secret?: string
  readonly publicKey?: string
  readonly ticket?: string
  readonly server?: string
  readonly private?: boolean
  readonly roster?: boolean
  readonly paused?: boolean
}

/**
 * Takes all entries of one server out of an options file.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` when it is not there; those of `editOptions`
 */
export async function removeServer(path: string, publicKey: string): Promise<void> {
  return editOptions(path, (text, options) => {
    const { secret } = serverOf(serversIn(options), publicKey)
    return { text: without(text, entry => entry.secret === secret), result: undefined }
  })
}

/**
 * Makes a server private, or open to anyone with its public key.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` when it is not there; those of `editOptions`
 */
export async function setPrivate(path: string, publicKey: string, isPrivate: boolean): Promise<void> {
  return setForAll(path, publicKey, 'private', isPrivate)
}

/**
 * Whether guests of a server see who else is connected.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` when it is not there; those of `editOptions`
 */
export async function setRoster(path: string, publicKey: string, roster: boolean): Promise<void> {
  return setForAll(path, publicKey, 'roster', roster)
}

/** Sets what holds for all entries of a secret. */
async function setForAll(
  path: string,
  publicKey: string,
  key: 'private' | 'roster',
  value: boolean
): Promise<void> {
  return editOptions(path, (text, options) => {
    const { secret } = serverOf(serversIn(options), publicKey)
    const own = entriesOf(text).flatMap((entry, index) => (entry.secret === secret ? [index] : []))
    const said = own.filter(index => entriesOf(text)[index]![key] !== undefined)
    // It is said once, or alike everywhere.
    const places = said.length > 0 ? said : own.slice(0, 1)
    const result = places.reduce((now, index) => setValue(now, ['schema', index, key], value), text)
    return { text: result, result: undefined }
  })
}

/**
 * Stops sharing a server for now, or shares it again: its secret, and so its ticket, stay.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` when it is not there, or cannot be shared again as a server was joined on its port meanwhile; those
 * of `editOptions`
 */
export async function setPaused(path: string, publicKey: string, paused: boolean): Promise<void> {
  return editOptions(path, (text, options) => {
    const { secret, maps } = serverOf(serversIn(options), publicKey)
    const [joined] = paused
      ? []
      : joinedTargets(
          maps.filter(map => map.paused),
          clientsIn(options)
        )
    if (joined) {
      const message = `Port ${joined.target.port} ${joinedFault(joined.end)}`
      throw new OptionsError([{ path: '', message }])
    }
    const result = entriesOf(text).reduce(
      (now, entry, index) =>
        entry.secret === secret && (paused || entry.paused !== undefined)
          ? setValue(now, ['schema', index, 'paused'], paused)
          : now,
      text
    )
    return { text: result, result: undefined }
  })
}

/** What changes in a server: left out, it stays as it is. */
export interface ServerChange {
  /** Of the first entry that is shared, and of those that are called the same. */
  readonly name?: string | undefined
  /** One for each of its entries, in their order; `port` and `proto` as in the file. */
  readonly rows?: readonly EntryChange[] | undefined
}

interface EntryChange {
  readonly port?: number | string | undefined
  readonly proto?: string | undefined
}

/**
 * Gives a server another name, other ports or protocols: its secret, and so its public key, stay.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path `name` or `rows[0].ports`; those of `editOptions`
 */
export async function changeServer(
  path: string,
  publicKey: string,
  { name, rows }: ServerChange
): Promise<void> {
  return editOptions(path, (text, options) => {
    const { secret, maps } = serverOf(serversIn(options), publicKey)
    const entries = entriesOf(text)
    const own = entries.flatMap((entry, index) => (entry.secret === secret ? [index] : []))
    if (rows && rows.length !== own.length) {
      const message = 'have changed in the options file meanwhile; close this and look again'
      throw new OptionsError([{ path: 'ports', message }])
    }
    const shown = own.find(index => entries[index]!.paused !== true) ?? own[0]!
    const result = own.reduce((now, index, row) => {
      const isMeant = entries[index]!.name === entries[shown]!.name
      const changes = { ...(isMeant && { name }), ...rows?.[row] }
      return Object.entries(changes).reduce(
        (rest, [key, value]) => (value === undefined ? rest : setValue(rest, ['schema', index, key], value)),
        now
      )
    }, text)
    const changed = checkOptions(parseJson(result), changePlaces(own))
    // What was there before may be meant.
    const fresh = sharedNow(changed.entries).filter(
      entry => entry.secret.reveal() === secret && !maps.some(map => isSameTarget(map, entry))
    )
    const faults = joinedTargets(fresh, clientsIn(changed)).map(({ target, end }) => ({
      path: target.path,
      message: joinedFault(end)
    }))
    if (faults.length > 0) throw new OptionsError(distinct(faults))
    return { text: result, result: undefined }
  })
}

function isSameTarget(a: ServerEntry, b: ServerEntry): boolean {
  return a.proto === b.proto && a.port === b.port && a.host === b.host
}

/**
 * What a change can make wrong.
 * @param own where the server's entries are in the file
 */
function changePlaces(own: readonly number[]): Places {
  const row = (index: PropertyKey | undefined): string => `rows[${Math.max(0, own.indexOf(Number(index)))}]`
  return {
    field: ([, index, key = '']) =>
      key === 'port' || key === 'proto'
        ? `${row(index)}.${key === 'port' ? 'ports' : 'proto'}`
        : String(key === '' ? 'schema' : key),
    entry: index => `${row(index)}.ports`
  }
}

/**
 * Takes all entries that lead to one server out of an options file.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` when there are none; those of `editOptions`
 */
export async function removeClient(path: string, publicKey: string): Promise<void> {
  return editOptions(path, text => ({ text: withoutClient(text, publicKey), result: undefined }))
}

/**
 * Puts other entries that lead to the same server in the place of those that there are, in one edit.
 * @param publicKey of the server, in base58
 * @throws OptionsError `BAD_OPTIONS` when there are none; those of `editOptions`
 */
export async function replaceClient(
  path: string,
  publicKey: string,
  entries: readonly RawEntry[]
): Promise<void> {
  return editOptions(path, text => {
    const rest = withoutClient(text, publicKey)
    return { text: addEntries(rest, entries), result: undefined }
  })
}

/** @throws OptionsError `BAD_OPTIONS` when there is nothing to take out */
function withoutClient(text: string, publicKey: string): string {
  const key = decodeKey(publicKey)
  const result = without(text, entry => entry.mode === 'client' && b4a.equals(keyOf(entry), key))
  if (result === text) throw gone(publicKey)
  return result
}

function serverOf(servers: readonly ServerInFile[], publicKey: string): ServerInFile {
  const found = servers.find(server => server.publicKey === publicKey)
  if (!found) throw gone(publicKey)
  return found
}

function gone(publicKey: string): OptionsError {
  return new OptionsError([
    { path: 'publicKey', message: `is ${publicKey}, which is not in the file any more` }
  ])
}

function without(text: string, goes: (entry: FileEntry) => boolean): string {
  const entries = entriesOf(text)
  // From the end, so that the places of the others stay.
  return entries.reduceRight(
    (now, entry, index) => (goes(entry) ? removeFromList(now, ['schema'], index) : now),
    text
  )
}

function keyOf({ publicKey, ticket, server }: FileEntry): Uint8Array {
  if (server !== undefined) {
    // The file has been judged: there is such a friend.
    const found = serverAmong(readFriendsSync(), server)
    const named = 'server' in found ? found.server : ''
    return looksLikeTicket(named) ? decodeTicket(named).publicKey : decodeKey(named)
  }
  return ticket === undefined ? decodeKey(publicKey!) : decodeTicket(ticket).publicKey
}

function entriesOf(text: string): FileEntry[] {
  return (parseJson(text) as { schema: FileEntry[] }).schema
}
