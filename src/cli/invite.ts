/** `hyper-nat invite`: a ticket for one guest. */

import { OptionsError } from '../errors.js'
import { LIMITS } from '../limits.js'
import { type Arguments, type Command, type Job, list, text, words } from './command.js'
import type { CliContext } from './context.js'
import { counted } from './counted.js'
import { DEFAULT_FILE } from './file.js'
import { number } from './numbers.js'
import { tellChanged } from './running.js'
import { guestFlags, networkOf, qrFlag, relayFlag } from './shared-flags.js'

export const invite: Command = {
  name: 'invite',
  describe: 'Make a ticket for one guest, which can be revoked',
  positional: { name: 'name', describe: 'What you call the guest' },
  flags: {
    maps: {
      type: 'string',
      array: true,
      describe: 'Only these: 25565 or udp:19132 or names of entries (all ports)'
    },
    expires: { type: 'string', describe: 'When it ends: 90m, 12h, 7d, 4w from now (never)' },
    'max-devices': { type: 'string', describe: `On how many devices at a time (${LIMITS.guestSessions})` },
    ...guestFlags,
    ...qrFlag,
    ...relayFlag
  },
  examples: [
    ['hyper-nat invite Anna', 'a ticket for Anna, shown again when asked again'],
    ['hyper-nat invite Ben --maps 25565 --expires 7d --max-devices 2', 'one port, a week, two devices'],
    ['hyper-nat revoke Ben', 'and Ben is out']
  ],
  changes: true,
  subject: () => 'hyper-nat invite',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { parseDuration } = await import('../access/duration.js')
  const { inviteTicket } = await import('../identity/server-ticket.js')
  const { readOptionsFile } = await import('../options/file.js')
  const { relaysToTell } = await import('../options/network-flags.js')
  const { addInvite, timeText } = await import('../options/guests.js')
  const { quote, quoteName } = await import('../text/quote.js')
  const { DEVICES_MAX } = await import('../options/schema-access.js')
  const faults: { path: string; message: string }[] = []
  const path = text(args, 'config') ?? DEFAULT_FILE
  const name = words(args, 'name').join(' ')
  const lasts = text(args, 'expires')
  const ms = lasts === undefined ? undefined : parseDuration(lasts)
  if (lasts !== undefined && ms === undefined) {
    const message = `is ${quote(lasts)}; give minutes, hours, days or weeks such as 90m, 12h, 7d or 4w, ten years at the most`
    faults.push({ path: '--expires', message })
  }
  const maxDevices = number(args, 'max-devices', { min: 1, max: DEVICES_MAX }, faults)
  const only = list(args, 'maps')
    ?.split(',')
    .map(word => word.trim())
    .filter(word => word !== '')
  if (only?.length === 0)
    faults.push({ path: '--maps', message: 'is empty; name ports, or leave it out for all' })
  if (faults.length > 0) throw new OptionsError(faults)
  const { bootstrap, relay } = networkOf(args, context)
  // What the command line adds to the file, as the running server has it.
  const { network } = await readOptionsFile(path, bootstrap, relay)
  const now = Date.now()
  const invited = await addInvite(
    path,
    {
      name,
      maps: only,
      expires: ms === undefined ? undefined : now + ms,
      maxDevices,
      server: text(args, 'server')
    },
    now,
    ({ keyPair, maps }, invite) =>
      inviteTicket(keyPair, invite, {
        maps,
        relays: relaysToTell(network),
        bootstrap: network.bootstrap ?? []
      })
  )
  const { server, ticket, isNew } = invited
  if (isNew) await tellChanged(path, args, context)
  const { expires, maps } = invited.invite
  const limits = [
    ...(maps ? [`for ${maps.map(({ proto, port }) => `${proto} ${port}`).join(', ')}`] : []),
    ...(expires === undefined ? [] : [`until ${timeText(expires)}`]),
    ...(invited.invite.maxDevices === undefined
      ? []
      : [`on ${counted(invited.invite.maxDevices, 'device')} at a time`])
  ]
  const code = args.qr ? (await import('./qr.js')).qrCode(ticket, context.columns) : ''
  return {
    answer: {
      text:
        `${isNew ? 'An invite' : 'The invite'} for ${quoteName(name)}${limits.length > 0 ? `, ${limits.join(', ')}` : ''}. Send this line to nobody else:\n` +
        `  hyper-nat join ${ticket}\n${code}` +
        (server.access.private ? '' : PUBLIC),
      json: {
        event: 'invite',
        name,
        ticket,
        publicKey: server.publicKey,
        private: server.access.private,
        ...(maps && { maps: maps.map(({ proto, port }) => ({ proto, port })) }),
        ...(expires !== undefined && { expires: timeText(expires) }),
        ...(invited.invite.maxDevices !== undefined && { maxDevices: invited.invite.maxDevices })
      }
    }
  }
}

/** What an invite is worth at a server that is not private. */
const PUBLIC =
  'The server is not private: everyone who has its public key can use all of its ports, and this invite only gives the\n' +
  'guest a name. "private": true in its entry keeps everybody else out.\n'
