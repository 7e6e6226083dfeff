/** Who may come in to each server: `private`, `allow` and `invites` of all entries of one secret, taken together. */

import type { Fault } from '../errors.js'
import { isCalled } from '../games/map-name.js'
import type { AccessRules, AllowedKey, Invite } from '../identity/access-rules.js'
import { encodeKey } from '../identity/encoding.js'
import type { Proto } from '../proto.js'
import { formatPorts, mapsText, parsePorts } from '../text/ports.js'
import { quote, quoteName } from '../text/quote.js'
import type { Placed } from './conflicts.js'
import type { ServerEntry } from './entry.js'
import type { Places } from './places.js'
import { parseProtos } from './protos.js'

/** What one element of `schema` says. */
export interface PlacedAccess {
  readonly index: number
  readonly secret: string
  readonly given: {
    readonly private?: boolean | undefined
    readonly roster?: boolean | undefined
    readonly allow?:
      | readonly { readonly name?: string | undefined; readonly publicKey: Uint8Array }[]
      | undefined
    readonly block?:
      | readonly { readonly name?: string | undefined; readonly publicKey: Uint8Array }[]
      | undefined
    readonly invites?: readonly GivenInvite[] | undefined
  }
}

interface GivenInvite {
  readonly name: string
  readonly madeFor?: string | undefined
  readonly nonce: Uint8Array
  readonly maps?: readonly (string | number)[] | undefined
  readonly expires?: number | undefined
  readonly maxDevices?: number | undefined
  readonly created?: number | undefined
}

/** A port map that a server shares. */
interface SharedMap {
  readonly proto: Proto
  readonly port: number
  readonly name?: string
}

/** The entries, those of servers with the rules of their secret; what is wrong with the rules is added to `faults`. */
export function withAccess<T extends Placed>(
  placed: readonly T[],
  given: readonly PlacedAccess[],
  places: Places,
  faults: Fault[]
): T[] {
  const rules = new Map<string, AccessRules>()
  for (const secret of new Set(given.map(one => one.secret))) {
    const own = given.filter(one => one.secret === secret)
    if (
      own.every(
        ({ given: { private: isPrivate, roster, allow, block, invites } }) =>
          (isPrivate ?? roster ?? allow ?? block ?? invites) === undefined
      )
    )
      continue
    const maps = placed.flatMap(({ entry }) =>
      entry.mode === 'server' && entry.secret.reveal() === secret ? [entry] : []
    )
    rules.set(secret, rulesOf(own, maps, places, faults))
  }
  return placed.map(one => {
    const access = one.entry.mode === 'server' && rules.get(one.entry.secret.reveal())
    return access ? { ...one, entry: { ...(one.entry as ServerEntry), access } } : one
  })
}

function rulesOf(
  given: readonly PlacedAccess[],
  maps: readonly SharedMap[],
  places: Places,
  faults: Fault[]
): AccessRules {
  const faulty = faults.length > 0
  const names = new Map<string, string>()
  /** A name or key that is there already stands for two guests. */
  const once = (
    seen: Map<string, string>,
    word: string,
    path: string,
    message: (other: string) => string
  ): void => {
    const other = seen.get(word)
    if (other === undefined) seen.set(word, path)
    else faults.push({ path, message: message(other) })
  }
  const sameName = (other: string): string => `is the name at ${other}, too; give each its own`
  const keys = new Map<string, string>()
  const allow: AllowedKey[] = []
  const invites: Invite[] = []
  const block: AllowedKey[] = []
  let isPrivate: { readonly value: boolean; readonly path: string } | undefined
  for (const { index, given: own } of given) {
    const place = (...path: PropertyKey[]): string => places.field(['schema', index, ...path])
    if (own.private !== undefined) {
      const path = place('private')
      if (isPrivate && isPrivate.value !== own.private) {
        const message = `is ${own.private}, but ${isPrivate.value} at ${isPrivate.path}, and both entries have one secret; a server is private as a whole`
        faults.push({ path, message })
      }
      isPrivate ??= { value: own.private, path }
    }
    for (const [i, { name, publicKey }] of (own.allow ?? []).entries()) {
      once(
        keys,
        encodeKey(publicKey),
        place('allow', i),
        other => `is the key at ${other}, too; take one out`
      )
      if (name !== undefined) once(names, name, place('allow', i, 'name'), sameName)
      allow.push({ ...(name !== undefined && { name }), publicKey })
    }
    for (const [i, { name, publicKey }] of (own.block ?? []).entries()) {
      once(
        keys,
        encodeKey(publicKey),
        place('block', i),
        other => `is the key at ${other}, too; take one out`
      )
      block.push({ ...(name !== undefined && { name }), publicKey })
    }
    for (const [i, invite] of (own.invites ?? []).entries()) {
      once(names, invite.name, place('invites', i, 'name'), sameName)
      const { name, madeFor, nonce, expires, maxDevices, created } = invite
      invites.push({
        name,
        ...(madeFor !== undefined && { madeFor }),
        nonce,
        ...(invite.maps && {
          maps: invite.maps.flatMap((item, j) => {
            const found = findMaps(String(item), maps)
            if ('maps' in found) return found.maps
            // The entries that are meant may be among those with faults.
            if (faulty) return []
            faults.push({ path: place('invites', i, 'maps', j), message: found.fault })
            return []
          })
        }),
        ...(expires !== undefined && { expires }),
        ...(maxDevices !== undefined && { maxDevices }),
        ...(created !== undefined && { created })
      })
    }
  }
  return {
    private: isPrivate?.value ?? false,
    allow,
    invites,
    ...(block.length > 0 && { block }),
    ...(given.some(one => one.given.roster) && { roster: true as const })
  }
}

/**
 * The port maps that a word stands for: ports (`25565`, `27015-27020`), ports of one protocol (`udp:19132`), or what an entry
 * is called.
 * @returns a fault as the rest of a sentence when the server shares none, or not all of them
 */
export function findMaps(
  word: string,
  maps: readonly SharedMap[]
): { readonly maps: readonly SharedMap[] } | { readonly fault: string } {
  const text = word.trim()
  const named = maps.filter(({ name }) => isCalled(name, text))
  if (named.length > 0) return { maps: named }
  const [, proto, list = ''] = /^(?:([a-z+]+):)?(.*)$/is.exec(text) ?? []
  const protos = proto === undefined ? undefined : parseProtos(proto)
  const ports = parsePorts(list)
  const shared = `it shares ${describe(maps)}`
  if ('fault' in ports || (protos && 'fault' in protos)) {
    return { fault: `names ${quote(text)}, which the server does not share; ${shared}` }
  }
  const found = maps.filter(
    map => ports.ports.includes(map.port) && (!protos || protos.protos.includes(map.proto))
  )
  const missing = ports.ports.filter(port => !found.some(map => map.port === port))
  if (missing.length === 0) return { maps: found }
  return {
    fault: `names port ${formatPorts(missing)}${proto ? ` of ${proto}` : ''}, which the server does not share; ${shared}`
  }
}

function describe(maps: readonly SharedMap[]): string {
  const names = [...new Set(maps.flatMap(({ name }) => (name === undefined ? [] : [quoteName(name)])))]
  return [mapsText(maps), ...names].join(', ')
}
