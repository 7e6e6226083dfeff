/** Words and flags that a command does not know, each with a guess at what was meant. */

import type { Options as Flag } from 'yargs'
import type { Fault } from '../errors.js'
import { looksLikeTicket } from '../identity/ticket-prefix.js'
import { isProto } from '../proto.js'
import { guess } from '../text/guess.js'
import { quote } from '../text/quote.js'
import { type Arguments, type Command, commandLine } from './command.js'
import { everyFlag } from './shared-flags.js'

/** What yargs itself adds. */
const BUILT_IN = ['_', '$0', 'help', 'h', 'version']

/** Words of other programs, in lower case without separators, and the flags that they stand for. */
const SYNONYMS: Record<string, string> = {
  key: 'public-key',
  serverkey: 'public-key',
  password: 'secret',
  local: 'local-port',
  listen: 'local-port',
  remote: 'remote-port',
  bind: 'local-host',
  address: 'host',
  file: 'config',
  options: 'config',
  debug: 'verbose',
  silent: 'quiet',
  dht: 'bootstrap',
  turn: 'relay'
}

const COMMAND_SYNONYMS: Record<string, string> = {
  share: 'server',
  recipes: 'games',
  open: 'join',
  check: 'doctor',
  diagnose: 'doctor',
  test: 'doctor',
  identity: 'id',
  ban: 'block',
  kick: 'block',
  unban: 'unblock',
  whoami: 'id',
  genkey: 'keygen'
}

/** Words of other programs for what two commands do. */
const LISTS: ReadonlySet<string> = new Set(['list', 'ls', 'ps'])

/** One fault for everything that `command` cannot use, and for flags that are given twice. */
export async function unknownArguments(
  args: Arguments,
  command: Command,
  commands: readonly Command[]
): Promise<Fault[]> {
  const words = args._ as string[]
  if (isUnknownCommand(command, args)) {
    // The flags belong to the command that was meant; they would all be unknown here.
    return [await unknownCommand(words[0]!, commands)]
  }
  const faults: Fault[] = []
  const own = flagNames(command)
  const known = new Set([...BUILT_IN, ...own])
  for (const key of Object.keys(args)) {
    if (!known.has(key)) faults.push(unknownFlag(key, command, commands))
  }
  for (const word of words.slice(1)) {
    faults.push({
      path: shown(word),
      message: `unexpected argument${wordHint(word, own)}`
    })
  }
  return [...faults, ...repeated(args, command), ...nameless(args, command)]
}

/** What may have been meant by a word that stands alone. */
function wordHint(word: string, flags: readonly string[]): string {
  if (word.startsWith('-')) return '; a value that starts with a dash is given as --flag=-value'
  return /^\d+([,-]\d+)*$/.test(word) && flags.includes('p') ? `; did you mean -p ${word}?` : ''
}

/** True if there is a word where a command should be: yargs then runs the command that needs none. */
export function isUnknownCommand(command: Command, args: Arguments): boolean {
  return command.name === '$0' && (args._ as string[]).length > 0
}

async function unknownCommand(word: string, commands: readonly Command[]): Promise<Fault> {
  return { path: shown(word), message: `is not a command; ${await commandHint(word, commands)}` }
}

/** What a word that is not a command may have been meant as. */
async function commandHint(word: string, commands: readonly Command[]): Promise<string> {
  if (/\.jsonc?$/i.test(word)) return `did you mean "-c ${word}"?`
  if (looksLikeTicket(word)) return 'it is a ticket: hyper-nat join, and then the ticket'
  if (LISTS.has(word.toLowerCase())) return '"status" lists what runs, "games" lists the games'
  const names = ['help', 'version', ...commands.map(command => command.name).filter(name => name !== '$0')]
  const meant = guess(word, names, COMMAND_SYNONYMS)
  if (meant !== undefined) return `did you mean "${meant}"?`
  const { knownGames } = await import('../games/games.js')
  const game = knownGames().find(word)
  if (game) return `it is a game: hyper-nat host ${word}`
  const synonym = guess(word, Object.keys(COMMAND_SYNONYMS), {})
  if (synonym !== undefined) return `did you mean "${COMMAND_SYNONYMS[synonym]}"?`
  const near = knownGames().guess(word)
  if (near !== undefined) return `did you mean "host ${near}"?`
  return 'hyper-nat help lists the commands'
}

function unknownFlag(key: string, command: Command, commands: readonly Command[]): Fault {
  const path = key.length === 1 ? `-${key}` : `--${shown(key)}`
  const owner = commands.find(other => other !== command && flagNames(other).includes(key))
  const long = [...Object.keys(command.flags), ...Object.keys(everyFlag), 'help', 'version']
  if (isProto(key) && long.includes('protocol')) {
    return { path, message: `is unknown; did you mean --protocol ${key}?` }
  }
  const small = key.toLowerCase()
  if (key.length === 1 && key !== small && flagNames(command).includes(small)) {
    return { path, message: `is unknown; did you mean -${small}?` }
  }
  const meant = guess(key, long, SYNONYMS)
  if (meant) return { path, message: `is unknown; did you mean --${meant}?` }
  if (owner) return { path, message: `is unknown here; it belongs to ${commandLine(owner)}` }
  return { path, message: `is unknown; ${commandLine(command)} --help lists the flags` }
}

function repeated(args: Arguments, command: Command): Fault[] {
  return Object.entries({ ...everyFlag, ...command.flags }).flatMap(([name, flag]) => {
    const value = args[name]
    if (flag.type !== 'string' || flag.array || name === 'bootstrap' || !Array.isArray(value)) return []
    return [{ path: shortest(name, flag), message: `is given ${value.length} times; give it once` }]
  })
}

/** Flags that need a file name and have none, as when a script's variable is not set. */
function nameless(args: Arguments, command: Command): Fault[] {
  return ['config', 'identity'].flatMap(name => {
    const flag = command.flags[name]
    if (!flag || args[name] !== '') return []
    return [{ path: shortest(name, flag), message: 'is empty; it is the name of a file' }]
  })
}

function shortest(name: string, { alias }: Flag): string {
  return typeof alias === 'string' ? `-${alias}` : `--${name}`
}

/**
 * Switches whose value is neither yes nor no: the parser would take it for no.
 * @param argv as it was typed
 */
export function wrongSwitches(argv: readonly string[], command: Command): Fault[] {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).flatMap((word): Fault[] => {
    const [, path, name, value] = /^(--?([^=]+))=(.*)$/s.exec(word) ?? []
    if (path === undefined || value === 'true' || value === 'false') return []
    const isSwitch = Object.entries({ ...everyFlag, ...command.flags }).some(
      ([long, { type, alias }]) => type === 'boolean' && (long === name || alias === name)
    )
    return isSwitch ? [{ path, message: `is ${quote(value)}; give true or false, or the flag alone` }] : []
  })
}

function flagNames(command: Command): string[] {
  const flags = Object.entries({ ...everyFlag, ...command.flags }).flatMap(([name, flag]) =>
    [name, flag.alias ?? []].flat()
  )
  return command.positional ? [...flags, command.positional.name] : flags
}

/** Plain words as they are, anything else escaped in quotes; only the beginning of a ticket, which may be a secret. */
function shown(word: string): string {
  const ticket = /hnat\d/i.exec(word)
  if (ticket) return shown(`${word.slice(0, ticket.index)}hnat..`)
  return /^[\x21-\x7e]+$/.test(word) ? word : quote(word)
}
