/** `hyper-nat guests`: who may come in, who is here, when the others were, and who is kept out. */

import type { ServerInFile } from '../options/guests.js'
import { type Arguments, type Command, type Job, text } from './command.js'
import type { CliContext } from './context.js'
import { counted } from './counted.js'
import { DEFAULT_FILE } from './file.js'
import { presentGuests } from './running-guests.js'
import { guestFlags } from './shared-flags.js'

export const guests: Command = {
  name: 'guests',
  alias: 'invites',
  describe: 'List guests with their keys: who is connected, and when others last were',
  flags: { config: guestFlags.config! },
  examples: [],
  subject: args => text(args, 'config') ?? DEFAULT_FILE,
  job
}

/** One line of the list. */
interface Listed {
  readonly name?: string
  /** Let in by an invite, by a key of `allow`, or by the public ticket; or kept out. */
  readonly kind: 'invite' | 'allow' | 'public' | 'block'
  /** The guest's public key, in base58; left out: it comes from the invite. */
  readonly key?: string
  readonly maps?: readonly { readonly proto: string; readonly port: number }[]
  readonly expires?: string
  readonly expired?: true
  readonly maxDevices?: number
  readonly lastSeen?: string
  /** Devices that are connected now; left out: none. */
  readonly here?: number
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { readOptionsFile } = await import('../options/file.js')
  const { serversIn, timeText } = await import('../options/guests.js')
  const { readSeen, seenFile } = await import('../options/last-seen.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const { quoteName } = await import('../text/quote.js')
  const path = guests.subject(args)
  const servers = serversIn(await readOptionsFile(path))
  const seen = await readSeen(seenFile(path))
  const present = await presentGuests(path, args, context)
  const now = Date.now()
  const listed = (server: ServerInFile): Listed[] => {
    const { access } = server
    const own = present.filter(one => one.publicKey === server.publicKey)
    const presence = (name: string | undefined, key: string | undefined, created = 0) => {
      const here = own.filter(one => (key === undefined ? one.name === name : one.peer === key)).length
      if (here > 0) return { lastSeen: timeText(now), here }
      if (name === undefined) return {}
      const ms = seen.get(server.publicKey)?.get(name)?.at
      // Before its invite was made, that was another guest of the same name.
      return ms === undefined || ms < created ? {} : { lastSeen: timeText(ms) }
    }
    return [
      ...access.invites.map(
        ({ name, maps, expires, maxDevices, created }): Listed => ({
          name,
          kind: 'invite',
          ...(maps && { maps: maps.map(({ proto, port }) => ({ proto, port })) }),
          ...(expires !== undefined && { expires: timeText(expires) }),
          ...(expires !== undefined && expires <= now && { expired: true as const }),
          ...(maxDevices !== undefined && { maxDevices }),
          ...presence(name, undefined, created)
        })
      ),
      ...access.allow.map(
        ({ name, publicKey }): Listed => ({
          ...(name !== undefined && { name }),
          kind: 'allow',
          key: encodeKey(publicKey),
          ...presence(name, encodeKey(publicKey))
        })
      ),
      ...[...new Set(own.flatMap(({ name, peer }) => (name === undefined ? [peer] : [])))]
        .filter(key => !access.allow.some(({ publicKey }) => encodeKey(publicKey) === key))
        .map((key): Listed => ({ kind: 'public', key, ...presence(undefined, key) })),
      ...(access.block ?? []).map(
        ({ name, publicKey }): Listed => ({
          ...(name !== undefined && { name }),
          kind: 'block',
          key: encodeKey(publicKey)
        })
      )
    ]
  }
  const line = ({ kind, name, key, maps, expires, expired, maxDevices, lastSeen, here }: Listed): string => {
    const parts = [
      name === undefined ? key! : quoteName(name),
      ...(name !== undefined && key !== undefined ? [key] : []),
      ...(maps ? [maps.map(({ proto, port }) => `${proto} ${port}`).join(', ')] : []),
      ...(expires === undefined ? [] : [`${expired ? 'expired' : 'until'} ${expires}`]),
      ...(maxDevices === undefined ? [] : [`${counted(maxDevices, 'device')} at a time`]),
      ...(kind === 'public' ? ['with the public ticket'] : []),
      ...(kind === 'block'
        ? ['blocked']
        : name === undefined && here === undefined
          ? []
          : [presenceText(lastSeen, here)])
    ]
    return `  ${parts.join('; ')}\n`
  }
  const shown = servers.map(server => {
    const who = server.access.private ? 'private' : 'not private: everyone who has the public key can join'
    const lines = listed(server).map(line).join('') || '  no guests\n'
    return `${server.publicKey} (${who})\n${lines}`
  })
  return {
    answer: {
      text: shown.join('') || 'There is no server in this file.\n',
      json: {
        event: 'invites',
        servers: servers.map(server => ({
          publicKey: server.publicKey,
          private: server.access.private,
          guests: listed(server)
        }))
      }
    }
  }
}

function presenceText(lastSeen: string | undefined, here: number | undefined): string {
  if (here !== undefined) return here > 1 ? `here now, on ${counted(here, 'device')}` : 'here now'
  return lastSeen === undefined ? 'not seen yet' : `last seen ${lastSeen}`
}
