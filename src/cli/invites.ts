/** `hyper-nat invites`: who may come in, and when they did last. */

import type { ServerInFile } from '../options/guests.js'
import { type Arguments, type Command, type Job, text } from './command.js'
import { counted } from './counted.js'
import { DEFAULT_FILE } from './file.js'
import { guestFlags } from './shared-flags.js'

export const invites: Command = {
  name: 'invites',
  describe: 'List the guests of the servers in options.json, with when they were seen last',
  flags: { config: guestFlags.config! },
  examples: [],
  subject: args => text(args, 'config') ?? DEFAULT_FILE,
  job
}

/** One line of the list. */
interface Listed {
  readonly name?: string
  readonly kind: 'invite' | 'allow'
  /** The public key of an allowed one, in base58. */
  readonly key?: string
  readonly maps?: readonly { readonly proto: string; readonly port: number }[]
  readonly expires?: string
  readonly expired?: true
  readonly maxDevices?: number
  readonly lastSeen?: string
}

async function job(args: Arguments): Promise<Job> {
  const { readOptionsFile } = await import('../options/file.js')
  const { serversIn, timeText } = await import('../options/guests.js')
  const { readSeen, seenFile } = await import('../options/last-seen.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const { quote } = await import('../options/quote.js')
  const path = invites.subject(args)
  const servers = serversIn(await readOptionsFile(path))
  const seen = await readSeen(seenFile(path))
  const now = Date.now()
  const listed = (server: ServerInFile): Listed[] => {
    const lastSeen = (name: string | undefined) => {
      const ms = name === undefined ? undefined : seen.get(server.publicKey)?.get(name)
      return ms === undefined ? {} : { lastSeen: timeText(ms) }
    }
    return [
      ...server.access.invites.map(
        ({ name, maps, expires, maxDevices }): Listed => ({
          name,
          kind: 'invite',
          ...(maps && { maps: maps.map(({ proto, port }) => ({ proto, port })) }),
          ...(expires !== undefined && { expires: timeText(expires) }),
          ...(expires !== undefined && expires <= now && { expired: true as const }),
          ...(maxDevices !== undefined && { maxDevices }),
          ...lastSeen(name)
        })
      ),
      ...server.access.allow.map(
        ({ name, publicKey }): Listed => ({
          ...(name !== undefined && { name }),
          kind: 'allow',
          key: encodeKey(publicKey),
          ...lastSeen(name)
        })
      )
    ]
  }
  const line = ({ name, key, maps, expires, expired, maxDevices, lastSeen }: Listed): string => {
    const parts = [
      name === undefined ? key! : quote(name),
      ...(name !== undefined && key !== undefined ? [key] : []),
      ...(maps ? [maps.map(({ proto, port }) => `${proto} ${port}`).join(', ')] : []),
      ...(expires === undefined ? [] : [`${expired ? 'expired' : 'until'} ${expires}`]),
      ...(maxDevices === undefined ? [] : [`${counted(maxDevices, 'device')} at a time`]),
      ...(name === undefined ? [] : [lastSeen === undefined ? 'not seen yet' : `last seen ${lastSeen}`])
    ]
    return `  ${parts.join('; ')}\n`
  }
  const shown = servers.map(server => {
    const who = server.access.private ? 'private' : 'not private: whoever has the public key comes in, too'
    const lines = listed(server).map(line).join('') || '  nobody is invited\n'
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
