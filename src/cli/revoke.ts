/** `hyper-nat revoke`: a guest is not let in any more. */

import { type Arguments, type Command, type Job, text, words } from './command.js'
import type { CliContext } from './context.js'
import { DEFAULT_FILE } from './file.js'
import { notApplied, tellChanged } from './running.js'
import { guestFlags } from './shared-flags.js'

export const revoke: Command = {
  name: 'revoke',
  describe: "Revoke a guest's invite, and disconnect the guest",
  positional: { name: 'name', describe: 'What you call the guest' },
  flags: guestFlags,
  examples: [['hyper-nat revoke Anna', "Anna's ticket stops working"]],
  changes: true,
  subject: () => 'hyper-nat revoke',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { removeGuest } = await import('../options/guests.js')
  const { quoteName } = await import('../text/quote.js')
  const name = words(args, 'name').join(' ')
  const path = text(args, 'config') ?? DEFAULT_FILE
  const server = await removeGuest(path, name, text(args, 'server'))
  const { applied, why } = await tellChanged(path, args, context)
  const isPrivate = server.access.private
  return {
    answer: {
      text: `${quoteName(name)} is not invited any more.\n${applied === false ? notApplied(why) : ''}${isPrivate ? '' : PUBLIC}`,
      json: {
        event: 'revoked',
        name,
        publicKey: server.publicKey,
        private: isPrivate,
        ...(applied !== null && { applied })
      }
    }
  }
}

const PUBLIC =
  'The server is not private, and the ticket holds its public key: its owner can still come in with that, without a name.\n' +
  '"private": true in the entry of the server keeps out everyone who is not invited.\n'
