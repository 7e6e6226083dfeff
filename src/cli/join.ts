/** `hyper-nat join`: open everything that a ticket names. */

import { type Arguments, type Command, type Job, text, words } from './command.js'
import type { Surroundings } from './console.js'
import { DEFAULT_FILE } from './file.js'
import { duplicateFlag, identityFlag, isGiven, networkOf, qrFlag, relayFlag } from './shared-flags.js'

export const join: Command = {
  name: 'join',
  describe: 'Open the ports of a ticket that a server shows',
  positional: { name: 'ticket', describe: 'The text that begins with hnat1' },
  flags: {
    only: { type: 'string', array: true, describe: 'Only these: names or ports, 80 or 80,Minecraft' },
    'local-port': {
      alias: 'l',
      type: 'string',
      array: true,
      describe:
        'Port(s) on this computer, as many as there are to open (the same as there); 0 for any free one'
    },
    offset: { type: 'string', describe: 'What to add to each port, for the local ones' },
    'local-host': { type: 'string', describe: 'The address to listen on (127.0.0.1)' },
    save: {
      type: 'boolean',
      describe: `Write what is opened into ${DEFAULT_FILE}, for hyper-nat alone to open it again`
    },
    config: { alias: 'c', type: 'string', describe: `Another file than ./${DEFAULT_FILE}, with --save` },
    ...duplicateFlag,
    ...qrFlag,
    ...identityFlag,
    ...relayFlag
  },
  examples: [
    ['hyper-nat join hnat1..', 'the same ports here as there'],
    ['hyper-nat join hnat1.. --only Minecraft -l 25570', 'one of them, on another port'],
    ['hyper-nat join hnat1.. --save', 'and again with hyper-nat alone']
  ],
  subject: () => 'hyper-nat join',
  job
}

async function job(args: Arguments, around: Surroundings): Promise<Job> {
  const { decodeTicket, encodeTicket } = await import('../identity/ticket.js')
  const { joinEntries, joinOptions } = await import('../options/join.js')
  const { OptionsError } = await import('../errors.js')
  const [only, strays] = apart(words(args, 'only'))
  const [localPorts, others] = apart(words(args, 'local-port'))
  const given = [...words(args, 'ticket'), ...strays, ...others].join('')
  const file = text(args, 'config')
  if (file !== undefined && !args.save) {
    throw new OptionsError(
      [{ path: '-c', message: 'goes with --save only: join reads no file' }],
      'BAD_USAGE'
    )
  }
  const extra = { localHost: text(args, 'local-host'), duplicate: isGiven(args, 'duplicate') }
  const identity = text(args, 'identity')
  const options = joinOptions({
    ticket: given,
    offset: text(args, 'offset'),
    only: args.only === undefined ? undefined : only,
    localPorts: args['local-port'] === undefined ? undefined : localPorts.join(','),
    ...extra,
    ...networkOf(args, around)
  })
  const ticket = decodeTicket(given)
  return {
    options: { ...options, ...(identity !== undefined && { identity }) },
    joined: options.entries,
    ...(args.qr ? { qr: encodeTicket(ticket) } : {}),
    ...(args.save
      ? {
          opened: async maps => {
            const { saveEntries } = await import('../options/edit.js')
            const path = file ?? DEFAULT_FILE
            const added = await saveEntries(path, joinEntries(encodeTicket(ticket), ticket, maps, extra))
            return added === 0 ? `${path} has it already\n` : `Saved in ${path}: hyper-nat opens it again\n`
          }
        }
      : {})
  }
}

/** A list takes all words behind it, also a ticket that was meant to stand for itself. */
function apart(given: readonly string[]): [own: string[], tickets: string[]] {
  const isTicket = (word: string): boolean => /^hnat\d/i.test(word)
  return [given.filter(word => !isTicket(word)), given.filter(isTicket)]
}
