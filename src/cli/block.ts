/** `hyper-nat block` and `hyper-nat unblock`: keep a guest out by their key, and let them in again. */

import { OptionsError } from '../errors.js'
import { type Arguments, type Command, type Job, text, words } from './command.js'
import type { CliContext } from './context.js'
import { DEFAULT_FILE } from './file.js'
import { notApplied, tellChanged } from './running.js'
import { presentGuests } from './running-guests.js'
import { guestFlags } from './shared-flags.js'

export const block: Command = {
  name: 'block',
  describe: 'Block a guest who came without an invite, and disconnect them',
  positional: {
    name: 'guest',
    describe: 'Their public key, its first characters (hyper-nat guests shows it), or their name'
  },
  flags: guestFlags,
  examples: [
    ['hyper-nat guests', 'who is here, and their keys'],
    ['hyper-nat block DHUJWe9K', 'the guest whose key starts so']
  ],
  changes: true,
  subject: () => 'hyper-nat block',
  job: (args, context) => job(args, context, true)
}

export const unblock: Command = {
  name: 'unblock',
  describe: 'Let a blocked guest in again',
  positional: block.positional!,
  flags: guestFlags,
  examples: [['hyper-nat unblock DHUJWe9K', 'the guest whose key starts so']],
  changes: true,
  subject: () => 'hyper-nat unblock',
  job: (args, context) => job(args, context, false)
}

async function job(args: Arguments, context: CliContext, blocked: boolean): Promise<Job> {
  const { blockGuest } = await import('../options/blocked.js')
  const { quoteName } = await import('../text/quote.js')
  const who = words(args, 'guest').join(' ')
  if (who === '') {
    const message = 'is missing; hyper-nat guests lists the guests with their keys'
    throw new OptionsError([{ path: 'GUEST', message }], 'BAD_USAGE')
  }
  const path = text(args, 'config') ?? DEFAULT_FILE
  const present = await presentGuests(path, args, context)
  const { server, key, name, isNew } = await blockGuest(path, who, text(args, 'server'), present, blocked)
  const { applied, why } = await tellChanged(path, args, context)
  const title = name === undefined ? key : quoteName(name)
  const action: 'blocked' | 'unblocked' = blocked ? 'blocked' : 'unblocked'
  const isPrivate = server.access.private
  const hint = blocked ? (isPrivate ? '' : PUBLIC) : isPrivate ? PRIVATE : ''
  return {
    answer: {
      text: `${title} is ${blocked ? 'blocked' : 'not blocked any more'}.\n${applied === false ? notApplied(why) : ''}${hint}`,
      json: {
        event: 'guest',
        action,
        key,
        ...(name !== undefined && { name }),
        isNew,
        publicKey: server.publicKey,
        private: isPrivate,
        ...(applied !== null && { applied })
      }
    }
  }
}

/** What a block is worth at a server that is not private. */
const PUBLIC =
  'Anyone with the public ticket can come back under a new key. "private": true in the entry of the server keeps out\n' +
  'everyone who is not invited.\n'

/** Who is in no list stays outside. */
const PRIVATE = 'The server is private, so they also need an invite: hyper-nat invite NAME\n'
