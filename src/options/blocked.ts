/** Guests of the servers in an options file who are kept out by their keys. */

import { type Fault, OptionsError } from '../errors.js'
import type { AccessRules } from '../identity/access-rules.js'
import { decodeKey, encodeKey } from '../identity/encoding.js'
import { quote, quoteName } from '../text/quote.js'
import { addToList, editOptions } from './edit.js'
import { chooseServer, indexOf, type ServerInFile, serversIn, withoutKey } from './guests.js'

/**
 * Keeps a key out, or lets it in again as anybody else.
 * @param server the server's public key
 * @param guest the guest's, in base58
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag; those of `editOptions`
 */
export async function setBlocked(
  path: string,
  server: string,
  guest: string,
  blocked: boolean
): Promise<void> {
  return editOptions(path, (text, options) => {
    const faults: Fault[] = []
    const found = chooseServer(serversIn(options), server, faults)
    if (!found) throw new OptionsError(faults)
    return { text: withBlocked(text, found, guest, blocked), result: undefined }
  })
}

/** A guest who is connected to a server. */
export interface PresentGuest {
  /** The server's public key, in base58. */
  readonly publicKey: string
  /** The guest's, in base58. */
  readonly peer: string
  readonly name?: string | undefined
}

export interface Blocked {
  readonly server: ServerInFile
  /** The guest's public key, in base58. */
  readonly key: string
  readonly name?: string
  /** False: it was so already. */
  readonly isNew: boolean
}

/**
 * Keeps out a guest whom the owner names, or lets them in again as anybody else.
 * @param who a public key, the start of one that is known here (4 characters or more), or the name of a key in `allow` or `block`
 * @param which which server, where there are several: its public key or the start of it, a port, or what an entry is called
 * @param present the guests who are connected
 * @throws OptionsError `BAD_OPTIONS` with every fault, its path a flag; those of `editOptions`
 */
export async function blockGuest(
  path: string,
  who: string,
  which: string | undefined,
  present: readonly PresentGuest[],
  blocked: boolean
): Promise<Blocked> {
  return editOptions(path, (text, options) => {
    const faults: Fault[] = []
    const all = serversIn(options)
    const chosen = which === undefined ? undefined : chooseServer(all, which, faults)
    if (faults.length > 0) throw new OptionsError(faults)
    const servers = chosen ? [chosen] : all
    if (blocked && servers.some(({ access }) => isInvited(access, who))) throw revokeInstead(who)
    const whole = wholeKey(who)
    const start = whole ?? who.replace(/\.+$/, '')
    const known = servers.flatMap(server => keysAt(server, present, blocked))
    const named = known.filter(one => one.name === who)
    const found =
      named.length > 0 || start.length < KEY_START ? named : known.filter(({ key }) => key.startsWith(start))
    const keys = new Set(found.map(({ key }) => key)).size
    if (keys > 1) throw noGuest(`is the start of ${keys} keys; give more of it`)
    if (keys === 0 && (!whole || !blocked)) {
      throw noGuest(
        blocked
          ? `no guest here is called ${quote(who)} or has such a key; hyper-nat guests lists all`
          : `${quote(who)} is not blocked; hyper-nat guests lists all`
      )
    }
    // A key that nobody here has is kept out for the future.
    const server = found.length === 1 ? found[0]!.server : chooseServer(servers, undefined, faults)
    if (!server) throw new OptionsError(faults)
    const { key, name } = found.find(one => one.server === server) ?? { key: whole!, name: undefined }
    if (blocked && name !== undefined && isInvited(server.access, name)) throw revokeInstead(name)
    const isNew = (server.access.block ?? []).some(one => encodeKey(one.publicKey) === key) !== blocked
    return {
      text: isNew ? withBlocked(text, server, key, blocked) : text,
      result: { server, key, ...(name !== undefined && { name }), isNew }
    }
  })
}

/** Characters of a key that are enough to name one that is known. */
const KEY_START = 4

/** The keys that can be blocked by their names or starts, or those that are blocked. */
export function keysAt(server: ServerInFile, present: readonly PresentGuest[], blocked: boolean) {
  const { allow, block = [] } = server.access
  const names = new Map<string, string | undefined>()
  if (blocked) {
    for (const { publicKey, peer, name } of present) if (publicKey === server.publicKey) names.set(peer, name)
    for (const { publicKey, name } of allow) names.set(encodeKey(publicKey), name)
  }
  for (const { publicKey, name } of block) names.set(encodeKey(publicKey), name)
  return [...names].map(([key, name]) => ({ server, key, name }))
}

function isInvited({ invites }: AccessRules, name: string): boolean {
  return invites.some(one => one.name === name)
}

/** A public key in any of its forms, in base58; undefined for other texts. */
function wholeKey(text: string): string | undefined {
  try {
    return encodeKey(decodeKey(text))
  } catch {
    return undefined
  }
}

function revokeInstead(name: string): OptionsError {
  return noGuest(`${quoteName(name)} is invited; hyper-nat revoke ${name} takes the invite back`)
}

function noGuest(message: string): OptionsError {
  return new OptionsError([{ path: 'GUEST', message }])
}

/** The text with a key among those that are kept out, and nowhere else; or not among them any more. */
function withBlocked(text: string, server: ServerInFile, guest: string, blocked: boolean): string {
  const open = withoutKey(text, server, 'block', guest)
  if (!blocked) return open
  const name = server.access.allow.find(({ publicKey }) => encodeKey(publicKey) === guest)?.name
  const rest = withoutKey(open, server, 'allow', guest)
  const entry = { ...(name !== undefined && { name }), publicKey: guest }
  return addToList(rest, ['schema', indexOf(rest, server)], 'block', entry)
}
