/** `hyper-nat friends`: names for the servers of friends. */

import { resolve } from 'node:path'
import { OptionsError } from '../errors.js'
import { type Arguments, type Command, type Job, words } from './command.js'
import type { CliContext } from './context.js'
import { DEFAULT_FILE } from './file.js'
import { isGiven } from './shared-flags.js'
import { table } from './table.js'

const ACTIONS = ['list', 'add', 'remove', 'rename']

export const friends: Command = {
  name: 'friends',
  describe: 'Give names to the servers of your friends: add, remove, rename, list',
  positional: { name: 'what', describe: 'add NAME TICKET|KEY, remove NAME, rename NAME NEW, or list' },
  flags: { replace: { type: 'boolean', describe: 'With add: the name leads to another server from now on' } },
  examples: [
    ['hyper-nat friends add bob hnat1..', 'from now on: hyper-nat join bob'],
    ['hyper-nat friends', 'who there is']
  ],
  changes: true,
  subject: () => 'hyper-nat friends',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { addFriend, readFriends, removeFriend, renameFriend } = await import('../options/friends.js')
  const [action = 'list', name, ...rest] = words(args, 'what')
  const usage = (message: string): OptionsError => new OptionsError([{ path: action, message }], 'BAD_USAGE')
  const take = (what: string, count = 1): string => {
    if (name === undefined) throw usage('needs the name of a friend')
    if (rest.length < count) throw usage(`needs ${what} behind the name`)
    // A ticket may have been broken into several words.
    if (action !== 'add') refuseMore(rest.slice(count))
    return rest.join('')
  }
  const refuseMore = (more: readonly string[]): void => {
    if (more.length > 0) throw usage('has too many words behind it; names have no blanks')
  }
  switch (action) {
    case 'list': {
      refuseMore(words(args, 'what').slice(1))
      const all = await readFriends()
      const rows = all.map(({ name, publicKey, ticket }) => [name, publicKey, ticket ? 'ticket' : 'key'])
      return {
        answer: {
          text:
            all.length === 0
              ? 'There are no friends yet: hyper-nat friends add NAME TICKET\n'
              : table(['NAME', 'PUBLIC KEY', 'BY'], rows),
          json: {
            event: 'friends',
            friends: all.map(({ name, publicKey, ticket }) => ({
              name,
              publicKey,
              hasTicket: ticket !== undefined
            }))
          }
        }
      }
    }
    case 'add': {
      const server = take('a ticket or a public key')
      const friend = await addFriend(name!, server, isGiven(args, 'replace') ?? false)
      const use = friend.ticket
        ? `hyper-nat join ${friend.name}`
        : `ping, doctor and connect work with the name; join needs a ticket, too: hyper-nat friends add ${friend.name} TICKET`
      return done('added', friend, `${friend.name} is added: ${use}\n`)
    }
    case 'remove': {
      take('', 0)
      const used = await usesOf(name!, args, context)
      const friend = await removeFriend(name!)
      return done('removed', friend, `${name} is removed.\n${mend(used, 'the ticket or key')}`, used)
    }
    case 'rename': {
      const newName = take('a new name')
      const used = await usesOf(name!, args, context)
      const friend = await renameFriend(name!, newName)
      const text = `${name} is called ${friend.name} now.\n${mend(used, friend.name)}`
      return done('renamed', friend, text, used)
    }
    default:
      throw new OptionsError(
        [{ path: action, message: `is unknown; give one of ${ACTIONS.join(', ')}` }],
        'BAD_USAGE'
      )
  }
}

/**
 * Where options files name a friend: `options.json: schema[1]`. It looks at the files of what runs,
 * at that of the page, and at the one in this folder; it cannot know of others.
 */
async function usesOf(name: string, args: Arguments, context: CliContext): Promise<string[]> {
  const [{ runningFiles }, { readOptionsIfThere, settingsFile }] = await Promise.all([
    import('./running.js'),
    import('../options/file.js')
  ])
  const running = await runningFiles(args, context)
  const files = [...running.map(file => file ?? DEFAULT_FILE), settingsFile(), DEFAULT_FILE]
  const uses = await Promise.all(
    [...new Set(files.map(file => resolve(file)))].map(async file => {
      // A file that cannot be read has worse faults.
      const options = await readOptionsIfThere(file).catch(() => null)
      const entries = options?.entries.filter(
        entry => entry.mode === 'client' && entry.friend?.toLowerCase() === name.toLowerCase()
      )
      return [...new Set(entries?.map(({ path }) => `${file}: ${path}`))]
    })
  )
  return uses.flat()
}

/** What to do where options files name a friend as it was. */
function mend(used: readonly string[], instead: string): string {
  return used.map(place => `Write ${instead} in ${place}; until then that file cannot be used.\n`).join('')
}

function done(
  action: 'added' | 'removed' | 'renamed',
  { name, publicKey }: { name: string; publicKey: string },
  text: string,
  usedIn: readonly string[] = []
): Job {
  return {
    answer: {
      text,
      json: { event: 'friend', action, name, publicKey, ...(usedIn.length > 0 && { usedIn }) }
    }
  }
}
