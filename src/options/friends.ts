/** Friends: servers by the names that this user has for them, in a file of their own. */

import { readFileSync } from 'node:fs'
import { chmod, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import writeFileAtomic from 'write-file-atomic'
import { codeOf, HyperNatError, InputError } from '../errors.js'
import { decodeKey, encodeKey } from '../identity/encoding.js'
import { decodeTicket, encodeTicket } from '../identity/ticket.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { guess } from '../text/guess.js'
import { quote } from '../text/quote.js'
import { userFolders } from '../user-folders.js'
import { decodeText } from '../util/decode-text.js'
import { makeFolder } from '../util/folder.js'
import { guestNameFault } from './guest-name.js'
import { locked } from './lock.js'

/** A server and what its owner's friend calls it. */
export interface Friend {
  readonly name: string
  /** In base58. It stays what it was when the friend was added. */
  readonly publicKey: string
  /** Also what else leads there, and lets this user in; a secret if it holds an invite. */
  readonly ticket?: string
}

/** A name is that of another server. */
export class NameTakenError extends HyperNatError {
  /** @param conflict what is wrong, without what to do about it, and without a full stop */
  constructor(readonly conflict: string) {
    super('NAME_TAKEN', `${conflict}; then use --replace, or another name.`)
  }
}

/** Characters that only a name has so few of. */
const NAME_LIKE = 30

/** Where they are kept. */
export function friendsFile(): string {
  return join(userFolders().config, 'friends.json')
}

/**
 * All friends, by name.
 * @throws HyperNatError `OPTIONS_UNREADABLE` when the file cannot be read, or holds something else
 */
export async function readFriends(file = friendsFile()): Promise<Friend[]> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (err) {
    return noneYet(file, err)
  }
  return parseFriends(file, bytes)
}

/** As {@link readFriends}, at once: for options, which are judged without waiting for anything. */
export function readFriendsSync(file = friendsFile()): Friend[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (err) {
    return noneYet(file, err)
  }
  return parseFriends(file, bytes)
}

function noneYet(file: string, err: unknown): Friend[] {
  if (codeOf(err) === 'ENOENT') return []
  throw unusable(file, codeOf(err), err)
}

function parseFriends(file: string, bytes: Buffer): Friend[] {
  try {
    const { friends } = JSON.parse(decodeText(bytes)) as { friends: unknown }
    if (!Array.isArray(friends)) throw new Error('it holds no list of friends')
    return friends.map(friendOf)
  } catch (err) {
    throw unusable(file, err instanceof Error ? err.message : String(err), err)
  }
}

/**
 * Adds a friend, or gives one that is there a newer ticket.
 * @param server a ticket or a public key
 * @param replace whether a name may lead to another server from now on
 * @throws HyperNatError `BAD_OPTIONS` for the name, a code of `decodeTicket` or `decodeKey`, `NAME_TAKEN` for a name of another
 * server, and what {@link readFriends} throws
 */
export async function addFriend(
  name: string,
  server: string,
  replace = false,
  file = friendsFile()
): Promise<Friend> {
  const friend = leadingTo(name, server)
  await edit(file, friends => {
    const known = replace ? friends.find(one => isCalled(one, name)) : checkFriend(friends, name, server)
    return [...friends.filter(one => one !== known), friend]
  })
  return friend
}

/**
 * Whether a name can be given to a server.
 * @returns the friend who has it already, and is that server
 * @throws HyperNatError as {@link addFriend}
 */
export function checkFriend(friends: readonly Friend[], name: string, server: string): Friend | undefined {
  const { publicKey } = leadingTo(name, server)
  const known = friends.find(one => isCalled(one, name))
  if (!known || known.publicKey === publicKey) return known
  throw new NameTakenError(
    `${quote(known.name)} is another server: its key is ${known.publicKey}, and this one's ${publicKey}. Ask your friend whether that is right`
  )
}

/** @throws HyperNatError `BAD_OPTIONS` for a name that nobody has, and what {@link readFriends} throws */
export async function removeFriend(name: string, file = friendsFile()): Promise<Friend> {
  let removed: Friend | undefined
  await edit(file, friends => {
    removed = known(friends, name)
    return friends.filter(one => one !== removed)
  })
  return removed!
}

/** @throws HyperNatError `BAD_OPTIONS`, `NAME_TAKEN`, and what {@link readFriends} throws */
export async function renameFriend(name: string, newName: string, file = friendsFile()): Promise<Friend> {
  checkName(newName)
  let renamed: Friend | undefined
  await edit(file, friends => {
    const friend = known(friends, name)
    if (friends.some(one => one !== friend && isCalled(one, newName))) {
      throw new HyperNatError('NAME_TAKEN', `There is a ${quote(newName)} already: choose another name.`)
    }
    renamed = { ...friend, name: newName }
    return friends.map(one => (one === friend ? renamed! : one))
  })
  return renamed!
}

/**
 * What a word for a server stands for: a friend's ticket or public key; a ticket and a key stand for themselves.
 * @throws HyperNatError `BAD_TICKET` for what can be none of these, and what {@link readFriends} throws
 */
export async function serverNamed(given: string, file = friendsFile()): Promise<string> {
  if (given === '' || looksLikeTicket(given)) return given
  const found = serverAmong(await readFriends(file), given)
  if ('server' in found) return found.server
  throw new InputError(
    'BAD_TICKET',
    quote(given),
    `is neither a ticket, which begins with hnat1, nor one of your friends; ${found.advice}`
  )
}

/** The same among friends that were read; where there is none, what to do about it. */
export function serverAmong(
  friends: readonly Friend[],
  given: string
): { readonly server: string; readonly friend?: string } | { readonly advice: string } {
  if (looksLikeTicket(given)) return { server: given }
  const friend = friends.find(one => isCalled(one, given))
  if (friend) return { server: friend.ticket ?? friend.publicKey, friend: friend.name }
  // Anything longer was meant to be a key, or a ticket, and is faulted as one.
  if (given.length > NAME_LIKE || isKey(given)) return { server: given }
  const meant = guess(
    given,
    friends.map(({ name }) => name)
  )
  return {
    advice: meant === undefined ? 'hyper-nat friends lists those' : `did you mean ${quote(meant)}?`
  }
}

function friendOf(json: unknown): Friend {
  const { name, publicKey, ticket } = json as Record<string, unknown>
  if (typeof name !== 'string' || typeof publicKey !== 'string')
    throw new Error('a friend in it has no name or no key')
  decodeKey(publicKey)
  return { name, publicKey, ...(typeof ticket === 'string' && { ticket }) }
}

function leadingTo(name: string, server: string): Friend {
  checkName(name)
  if (!looksLikeTicket(server)) return { name, publicKey: encodeKey(decodeKey(server)) }
  const ticket = decodeTicket(server)
  return { name, publicKey: encodeKey(ticket.publicKey), ticket: encodeTicket(ticket) }
}

function checkName(name: string): void {
  const fault =
    guestNameFault(name) ??
    (looksLikeTicket(name) || isKey(name)
      ? 'looks like a ticket or a key; choose another name'
      : /^\d+$/.test(name)
        ? 'is a number, as a port is; choose another name'
        : /[\s:/]/.test(name)
          ? 'has a blank, a colon or a slash; take it out'
          : undefined)
  if (fault) throw new InputError('BAD_OPTIONS', quote(name), fault)
}

export function isKey(text: string): boolean {
  try {
    decodeKey(text)
    return true
  } catch {
    return false
  }
}

/** People do not mean two friends by `Bob` and `bob`. */
function isCalled(friend: Friend, name: string): boolean {
  return friend.name.toLowerCase() === name.toLowerCase()
}

function known(friends: readonly Friend[], name: string): Friend {
  const friend = friends.find(one => isCalled(one, name))
  if (friend) return friend
  const names = friends.map(one => one.name)
  const meant = guess(name, names)
  const advice = meant
    ? `did you mean ${quote(meant)}?`
    : names.length > 0
      ? `there are ${names.join(', ')}`
      : 'there are none yet'
  throw new InputError('BAD_OPTIONS', quote(name), `is not one of your friends; ${advice}`)
}

async function edit(file: string, change: (friends: Friend[]) => Friend[]): Promise<void> {
  try {
    await makeFolder(dirname(file), 0o700)
    await locked(file, async lock => {
      const friends = change(await readFriends(file))
      friends.sort((a, b) => a.name.localeCompare(b.name))
      const text = `${JSON.stringify({ friends }, null, 2)}\n`
      // Invites in it are secrets, whatever the mode of the file was.
      await writeFileAtomic(file, text, { mode: 0o600, tmpfileCreated: lock.note })
      await chmod(file, 0o600)
    })
  } catch (err) {
    if (err instanceof HyperNatError) throw err
    throw unusable(file, codeOf(err), err)
  }
}

function unusable(file: string, why: string, cause: unknown): HyperNatError {
  return new HyperNatError(
    'OPTIONS_UNREADABLE',
    `the file of friends ${file} cannot be used (${why}): mend it, or move it away and add your friends again`,
    { cause }
  )
}
