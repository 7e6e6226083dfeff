/** What completes a command line, beyond the commands and flags that yargs offers: games, what runs, ports of a ticket. */

import type { TicketMap } from '../identity/ticket.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import type { CliContext } from './context.js'
import { DEFAULT_FILE, file } from './file.js'
import { commands } from './program.js'
import { presentGuests } from './running-guests.js'
import { controlOf, everyFlag } from './shared-flags.js'

/** How scripts of shells ask. */
export const ASKS = '--get-yargs-completions'

/** A word, and what it is. */
type Offer = readonly [word: string, what: string]

/** Flags of one letter, which yargs offers with two dashes. */
const NO_FLAG = /^--\w(?=$|[:\t])/

/**
 * The words to offer.
 * @param argv {@link ASKS}, the program, and the words so far; the last is the one to complete
 * @param offered what yargs offers, a line each
 */
export async function completions(
  argv: readonly string[],
  offered: string,
  context: Pick<CliContext, 'env'>
): Promise<string> {
  const words = argv.slice(argv.indexOf(ASKS) + 1).map(word => word.trim())
  // Those of fish come without the program.
  if (/(^|[\\/])hyper-nat(\.exe)?$/.test(words[0] ?? '')) words.shift()
  const current = words.length > 1 ? words.at(-1)! : ''
  const own = await offersFor(words, current, context)
  const shown = own
    .filter(([word]) => word.startsWith(current))
    .map(offer => lineOf(offer, context.env.SHELL))
  // Where a value is wanted, a shell without offers has those of its own: files.
  const others = wantsValue(words, current) ? '' : offered
  const rest = others.split('\n').filter(line => line !== '' && !NO_FLAG.test(line))
  return [...shown, ...rest].join('\n')
}

/** Whether the word before is a flag that takes one. */
function wantsValue(words: readonly string[], current: string): boolean {
  const before = words.at(-2) ?? ''
  if (current.startsWith('-') || !before.startsWith('-')) return false
  const command = commands.find(({ name, alias }) => [name, alias].includes(words[0])) ?? file
  return Object.entries({ ...everyFlag, ...command.flags }).some(([name, { type, alias = [] }]) => {
    const names = [name, ...[alias].flat()].map(one => (one.length === 1 ? `-${one}` : `--${one}`))
    return type === 'string' && names.includes(before)
  })
}

async function offersFor(
  words: readonly string[],
  current: string,
  context: Pick<CliContext, 'env'>
): Promise<Offer[]> {
  const [command = ''] = words
  const before = words.at(-2) ?? ''
  if (before === '--pid') return daemons(words, context)
  if (command === 'join' && before === '--only') return mapsOf(words)
  if (command === 'invite' && before === '--maps') return mapsInFile()
  if (current.startsWith('-') || before.startsWith('-')) return []
  if (command === 'host' || command === 'games') return games()
  if (command === 'friends' && words.length === 2) return FRIENDS_ACTIONS.map(word => [word, ''])
  if (command === 'friends' && words.length === 3 && words[1] !== 'add') return friends()
  if (TAKES_FRIENDS.has(command) && words.length === 2) return friends()
  if (command === 'connect' && words.length === 3) return mapsOf(words)
  if (OF_GUESTS.has(command) && words.length === 2) return guestsFor(command, context)
  if (command === 'service') return ['install', 'uninstall', 'status'].map(word => [word, ''])
  if (command === 'completion') return ['bash', 'zsh', 'fish', 'powershell'].map(word => [word, ''])
  return []
}

const FRIENDS_ACTIONS = ['add', 'remove', 'rename', 'list']

/** Commands whose first word may be a friend. */
const TAKES_FRIENDS: ReadonlySet<string> = new Set(['join', 'connect', 'ping', 'doctor'])

async function friends(): Promise<Offer[]> {
  const { readFriends } = await import('../options/friends.js')
  const all = await readFriends().catch(() => [])
  return all.map(({ name, publicKey }) => [name, publicKey])
}

/** Commands whose first word is a guest of a server in ./options.json. */
const OF_GUESTS: ReadonlySet<string> = new Set(['revoke', 'block', 'unblock'])

async function guestsFor(command: string, context: Pick<CliContext, 'env'>): Promise<Offer[]> {
  const { readOptionsFile } = await import('../options/file.js')
  const { serversIn } = await import('../options/guests.js')
  const { keysAt } = await import('../options/blocked.js')
  try {
    const servers = serversIn(await readOptionsFile(DEFAULT_FILE))
    const present = command === 'block' ? await presentGuests(DEFAULT_FILE, {}, context) : []
    return servers.flatMap((server): Offer[] => {
      const { invites, allow } = server.access
      if (command === 'revoke')
        return [...invites, ...allow].flatMap(({ name }) => (isWord(name) ? [[name, '']] : []))
      const keys = keysAt(server, present, command === 'block')
      return keys.map(({ key, name }) => (isWord(name) ? [name, key] : [key, name ?? '']))
    })
  } catch {
    // There is no file, or it is being written.
    return []
  }
}

/** Whether a shell takes it for one word. */
function isWord(name: string | undefined): name is string {
  return name !== undefined && /^[\w-]+$/.test(name)
}

async function games(): Promise<Offer[]> {
  const { knownGames } = await import('../games/games.js')
  return knownGames().all.flatMap(({ id, aliases = [], name }) =>
    [id, ...aliases].map(word => [word, name] as const)
  )
}

/** The processes that run. */
async function daemons(words: readonly string[], context: Pick<CliContext, 'env'>): Promise<Offer[]> {
  const { findDaemons } = await import('../control/client.js')
  const at = words.indexOf('--control')
  const control = controlOf(at < 0 ? {} : { control: words[at + 1] }, context)
  const found = await findDaemons({ control }).catch(() => [])
  for (const one of found) one.control.close()
  return found.map(({ who }) => [`${who.pid}`, who.file ?? 'without a file'])
}

/** The ports of the ticket in the line, or of the friend's ticket, with their names. */
async function mapsOf(words: readonly string[]): Promise<Offer[]> {
  const { decodeTicket } = await import('../identity/ticket.js')
  const { serverNamed } = await import('../options/friends.js')
  try {
    const text = words.find(looksLikeTicket) ?? (await serverNamed(words[1] ?? ''))
    return decodeTicket(text).maps.flatMap(mapOffers)
  } catch {
    // It is not complete yet, or it is a public key, which names no ports.
    return []
  }
}

/** The ports of the servers in ./options.json. */
async function mapsInFile(): Promise<Offer[]> {
  const { readOptionsFile } = await import('../options/file.js')
  try {
    const { entries } = await readOptionsFile(DEFAULT_FILE)
    return entries.flatMap(entry => (entry.mode === 'server' ? mapOffers(entry) : []))
  } catch {
    // There is no file, or it is being written.
    return []
  }
}

function mapOffers({ proto, port, name }: Pick<TicketMap, 'proto' | 'port' | 'name'>): Offer[] {
  return [
    [`${port}`, `${proto}${name === undefined ? '' : ` ${name}`}`],
    ...(isWord(name) ? [[name, `${proto} ${port}`] as const] : [])
  ]
}

/** As each shell wants it: zsh and fish show what a word is. */
function lineOf([word, what]: Offer, shell = ''): string {
  if (what === '') return word
  if (shell.includes('zsh')) return `${word.replaceAll(':', '\\:')}:${what}`
  return shell.includes('fish') ? `${word}\t${what}` : word
}
