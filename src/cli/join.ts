/** `hyper-nat join`: open everything that a ticket names. */

import type { FoundDaemon } from '../control/client.js'
import type { ClientMapInfo } from '../events.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { CONTROL_LIMITS, LIMITS } from '../limits.js'
import type { ClientEntry } from '../options/entry.js'
import { type Arguments, type Command, type Job, type Task, text, words } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { DEFAULT_FILE, savedText } from './file.js'
import type { GameOf } from './join-hints.js'
import { keptIdentity } from './kept-identity.js'
import { besideOwnGame } from './own-server.js'
import { type Remember, rememberer } from './remember.js'
import { runFlags } from './run-flags.js'
import { runningFrom } from './running.js'
import {
  discoveryFlag,
  discoveryOf,
  duplicateFlag,
  isGiven,
  localHostFlags,
  networkFlags,
  networkOf,
  qrFlag
} from './shared-flags.js'

export const join: Command = {
  name: 'join',
  describe: 'Open the ports of a ticket that a server shows',
  positional: { name: 'ticket', describe: 'The text that begins with hnat1' },
  flags: {
    only: {
      type: 'string',
      array: true,
      describe: 'Only these: ports, or names as hyper-nat ticket shows them; 25565 or minecraft-java'
    },
    'local-port': {
      alias: 'l',
      type: 'string',
      array: true,
      describe:
        'Port(s) on this computer, as many as there are to open (the same as there); 0 for any free one'
    },
    offset: { type: 'string', describe: 'What to add to each port, for the local ones' },
    ...localHostFlags,
    ...discoveryFlag,
    save: {
      type: 'boolean',
      describe: `Save it in ${DEFAULT_FILE}, so that hyper-nat alone opens it again`
    },
    config: { alias: 'c', type: 'string', describe: `With --save, a file other than ./${DEFAULT_FILE}` },
    ...duplicateFlag,
    ...qrFlag,
    remember: {
      type: 'string',
      describe: 'Give the server this name, so that hyper-nat join NAME opens it again (hyper-nat friends)'
    },
    replace: {
      type: 'boolean',
      describe: 'With --remember: the name leads to another server from now on'
    },
    identity: {
      type: 'string',
      describe: 'File with the key that identifies you to servers (one for each server)'
    },
    yes: {
      type: 'boolean',
      describe: 'Ask nothing, and open many ports, or those of well-known services, too'
    },
    anonymous: { type: 'boolean', describe: 'Use a new key each time: servers do not recognize you' },
    ...networkFlags,
    ...runFlags
  },
  examples: [
    ['hyper-nat join hnat1..', 'the same ports here as there'],
    ['hyper-nat join hnat1.. --only 25565 -l 25570', 'one of them, on another port'],
    ['hyper-nat join hnat1.. --save', 'and again with hyper-nat alone'],
    ['hyper-nat join hnat1.. --remember bob', 'from now on: hyper-nat join bob']
  ],
  changes: true,
  subject: () => 'hyper-nat join',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { decodeTicket, encodeTicket } = await import('../identity/ticket.js')
  const { joinEntries, joinOptions, surpriseOf } = await import('../options/join.js')
  const { OptionsError } = await import('../errors.js')
  const { ticketIn } = await import('../options/pasted-ticket.js')
  const [only, strays] = apart(words(args, 'only'))
  const [localPorts, others] = apart(words(args, 'local-port'))
  const { serverNamed } = await import('../options/friends.js')
  const said = [...words(args, 'ticket'), ...strays, ...others]
  const given = ticketIn(said.length === 1 ? await serverNamed(said[0]!) : said.join(' '))
  const file = text(args, 'config')
  if (file !== undefined && !args.save) {
    throw new OptionsError(
      [{ path: '-c', message: 'only works with --save: join itself reads no options file' }],
      'BAD_USAGE'
    )
  }
  if (args.anonymous && args.identity !== undefined) {
    const message = 'cannot be combined with --identity; give one of them'
    throw new OptionsError([{ path: '--anonymous', message }], 'BAD_USAGE')
  }
  const extra = {
    localHost: text(args, 'local-host'),
    socketMode: text(args, 'socket-mode'),
    discovery: discoveryOf(args),
    duplicate: isGiven(args, 'duplicate')
  }
  const identity = text(args, 'identity')
  const asked = joinOptions({
    ticket: given,
    offset: text(args, 'offset'),
    only: args.only === undefined ? undefined : only,
    localPorts: args['local-port'] === undefined ? undefined : localPorts.join(','),
    ...extra,
    ...networkOf(args, context)
  })
  const ticket = decodeTicket(given)
  const path = file ?? DEFAULT_FILE
  const save = async (maps: Parameters<typeof joinEntries>[2]): Promise<number> => {
    const { saveEntries } = await import('../options/edit.js')
    return saveEntries(path, joinEntries(encodeTicket(ticket), ticket, maps, extra))
  }
  const { entries, warnings: own } = await besideOwnGame(
    ticket.publicKey,
    asked.entries.filter(entry => entry.mode === 'client'),
    args,
    context
  )
  const surprise = surpriseOf(entries, args['local-port'] !== undefined || args.offset !== undefined)
  if (surprise !== undefined && !args.yes) {
    const message = `${surprise}. If you trust the person who gave it to you, join with --yes; --only opens some of them, -l puts them elsewhere`
    throw new OptionsError([{ path: 'TICKET', message }], 'BAD_USAGE')
  }
  const remember = await rememberer(ticket, args, context)
  const warnings = [...asked.warnings, ...own]
  const running = args.save ? await runningFrom(path, args, context) : null
  if (running) return { warnings, task: handOver(running, entries, save, remember, path, args) }
  const used =
    identity ?? (args.anonymous || ticket.invite ? undefined : await keptIdentity(ticket.publicKey, warnings))
  return {
    options: { ...asked, entries, warnings, ...(used !== undefined && { identity: used }) },
    joined: entries,
    gameOf: await gamesOf(),
    ...(args.qr ? { qr: encodeTicket(ticket) } : {}),
    ...(args.save || remember
      ? {
          opened: async maps => {
            const told = (await remember?.()) ?? ''
            if (!args.save) return told
            const saved = savedText(await save(maps), path, context.name)
            return told + saved + (await nameIdentity(path, identity))
          }
        }
      : {})
  }
}

/** Names the identity file in the options file, if there is one. @returns what is to be said of it */
async function nameIdentity(path: string, identity: string | undefined): Promise<string> {
  if (identity === undefined) return ''
  const { saveIdentity } = await import('../options/edit.js')
  if (await saveIdentity(path, identity)) return ''
  return `${path} names another identity file, and keeps it. Give --identity to use this one.\n`
}

/** Saves for a daemon that runs from the file, which opens the ports in place of this process. */
function handOver(
  { who, control }: FoundDaemon,
  entries: readonly ClientEntry[],
  save: (maps: readonly ClientEntry[]) => Promise<number>,
  remember: Remember | undefined,
  path: string,
  args: Arguments
): Task {
  return async ({ stdout }) => {
    const { freePorts } = await import('../sockets/free-ports.js')
    const { tryMaps } = await import('../client/open-map.js')
    const { encodeKey } = await import('../identity/encoding.js')
    const { joinHints } = await import('./join-hints.js')
    const publicKey = encodeKey(entries[0]!.publicKey)
    /** What the daemon has open of this. */
    const openOnes = async (): Promise<ClientMapInfo[]> => {
      const { clients } = await control.ask('status', CONTROL_LIMITS.whoMs)
      const maps = clients.filter(client => client.publicKey === publicKey).flatMap(client => client.maps)
      return maps.filter(map => entries.some(({ proto, port }) => proto === map.proto && port === map.port))
    }
    try {
      const before = await openOnes()
      const missing = entries.filter(
        ({ proto, port }) => !before.some(map => map.proto === proto && map.port === port)
      )
      const wanted = missing.map(entry => ({ ...entry, nextFree: entry.nextFree ?? false }))
      const { places } = await freePorts(wanted, LIMITS.nextFreePorts)
      let said = ''
      if (missing.length > 0) {
        const maps = missing.map((entry, i) => ({ ...entry, ...places[i]! }))
        // What the daemon could not open must not stand in its file.
        await tryMaps(maps)
        await save(maps)
        said = await nameIdentity(path, text(args, 'identity'))
        await control.ask('reload', CONTROL_LIMITS.jobMs)
      }
      said += (await remember?.()) ?? ''
      const maps = await openOnes()
      const { pid } = who
      if (args.json)
        stdout(`${JSON.stringify({ event: 'saved', publicKey, pid, maps: maps.map(mapInfo) })}\n`)
      else if (!args.quiet) {
        const done = missing.length > 0 ? `Saved in ${path}` : `${path} has it already`
        stdout(`${done}. The running hyper-nat (process ${pid}) has it open.\n${said}`)
        stdout(joinHints(maps, entries, await gamesOf()))
      }
      return EXIT.done
    } finally {
      control.close()
    }
  }
}

function mapInfo({ proto, port, localHost, localPort }: ClientMapInfo): ClientMapInfo {
  return { proto, port, localHost, localPort }
}

/** A list takes all words behind it, also a ticket that was meant to stand for itself. */
function apart(given: readonly string[]): [own: string[], tickets: string[]] {
  return [given.filter(word => !looksLikeTicket(word)), given.filter(looksLikeTicket)]
}

/** Tells games by the names of port maps. */
async function gamesOf(): Promise<GameOf> {
  const { knownGames } = await import('../games/games.js')
  return name => knownGames().ofMap(name)
}
