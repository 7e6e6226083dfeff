/** `hyper-nat friends`: names for the servers of friends. */

import { OptionsError } from '../errors.js'
import { type Arguments, type Command, type Job, words } from './command.js'
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
  subject: () => 'hyper-nat friends',
  job
}

async function job(args: Arguments): Promise<Job> {
  const { addFriend, readFriends, removeFriend, renameFriend } = await import('../options/friends.js')
  const [action = 'list', name, ...rest] = words(args, 'what')
  const usage = (message: string): OptionsError => new OptionsError([{ path: action, message }], 'BAD_USAGE')
  const take = (what: string, count = 1): string => {
    if (name === undefined) throw usage('needs the name of a friend')
    if (rest.length < count) throw usage(`needs ${what} behind the name`)
    return rest.join('')
  }
  switch (action) {
    case 'list': {
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
    case 'remove':
      take('', 0)
      return done('removed', await removeFriend(name!), `${name} is removed.\n`)
    case 'rename': {
      const friend = await renameFriend(name!, take('a new name'))
      return done('renamed', friend, `${name} is called ${friend.name} now.\n`)
    }
    default:
      throw new OptionsError(
        [{ path: action, message: `is unknown; give one of ${ACTIONS.join(', ')}` }],
        'BAD_USAGE'
      )
  }
}

function done(
  action: 'added' | 'removed' | 'renamed',
  { name, publicKey }: { name: string; publicKey: string },
  text: string
): Job {
  return { answer: { text, json: { event: 'friend', action, name, publicKey } } }
}
