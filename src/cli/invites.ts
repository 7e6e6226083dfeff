/** `hyper-nat invites`: who may come in, who is here, and when the others were. */

import { CONTROL_LIMITS } from '../limits.js'
import type { ServerInFile } from '../options/guests.js'
import { type Arguments, type Command, type Job, text } from './command.js'
import type { CliContext } from './context.js'
import { counted } from './counted.js'
import { DEFAULT_FILE } from './file.js'
import { runningFrom } from './running.js'
import { guestFlags } from './shared-flags.js'

export const invites: Command = {
  name: 'invites',
  describe: 'List guests: who is connected, and when others last were',
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
  /** Devices that are connected now; left out: none. */
  readonly here?: number
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { readOptionsFile } = await import('../options/file.js')
  const { serversIn, timeText } = await import('../options/guests.js')
  const { readSeen, seenFile } = await import('../options/last-seen.js')
  const { encodeKey } = await import('../identity/encoding.js')
  const { quoteName } = await import('../text/quote.js')
  const path = invites.subject(args)
  const servers = serversIn(await readOptionsFile(path))
  const seen = await readSeen(seenFile(path))
  const present = await presentOnes(path, args, context)
  const now = Date.now()
  const listed = (server: ServerInFile): Listed[] => {
    const presence = (name: string | undefined, created = 0) => {
      if (name === undefined) return {}
      const here = present.filter(one => one.publicKey === server.publicKey && one.name === name).length
      if (here > 0) return { lastSeen: timeText(now), here }
      const ms = seen.get(server.publicKey)?.get(name)
      // Before its invite was made, that was another guest of the same name.
      return ms === undefined || ms < created ? {} : { lastSeen: timeText(ms) }
    }
    return [
      ...server.access.invites.map(
        ({ name, maps, expires, maxDevices, created }): Listed => ({
          name,
          kind: 'invite',
          ...(maps && { maps: maps.map(({ proto, port }) => ({ proto, port })) }),
          ...(expires !== undefined && { expires: timeText(expires) }),
          ...(expires !== undefined && expires <= now && { expired: true as const }),
          ...(maxDevices !== undefined && { maxDevices }),
          ...presence(name, created)
        })
      ),
      ...server.access.allow.map(
        ({ name, publicKey }): Listed => ({
          ...(name !== undefined && { name }),
          kind: 'allow',
          key: encodeKey(publicKey),
          ...presence(name)
        })
      )
    ]
  }
  const line = ({ name, key, maps, expires, expired, maxDevices, lastSeen, here }: Listed): string => {
    const parts = [
      name === undefined ? key! : quoteName(name),
      ...(name !== undefined && key !== undefined ? [key] : []),
      ...(maps ? [maps.map(({ proto, port }) => `${proto} ${port}`).join(', ')] : []),
      ...(expires === undefined ? [] : [`${expired ? 'expired' : 'until'} ${expires}`]),
      ...(maxDevices === undefined ? [] : [`${counted(maxDevices, 'device')} at a time`]),
      ...(name === undefined ? [] : [presenceText(lastSeen, here)])
    ]
    return `  ${parts.join('; ')}\n`
  }
  const shown = servers.map(server => {
    const who = server.access.private ? 'private' : 'not private: everyone who has the public key can join'
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

function presenceText(lastSeen: string | undefined, here: number | undefined): string {
  if (here !== undefined) return here > 1 ? `here now, on ${counted(here, 'device')}` : 'here now'
  return lastSeen === undefined ? 'not seen yet' : `last seen ${lastSeen}`
}

/** Who is connected to the daemon that runs from the file: it does not write down at once who came. */
async function presentOnes(path: string, args: Arguments, context: CliContext) {
  const found = await runningFrom(path, args, context)
  if (!found) return []
  try {
    const { servers } = await found.control.ask('status', CONTROL_LIMITS.whoMs)
    return servers.flatMap(({ publicKey, sessions }) =>
      sessions.flatMap(({ name, state }) => (state === 'up' ? [{ publicKey, name }] : []))
    )
  } catch {
    // It ends just now, or is late: the file still tells when they were seen.
    return []
  } finally {
    found.control.close()
  }
}
