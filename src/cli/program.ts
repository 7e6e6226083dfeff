/**
 * argv to a command and its arguments, by yargs. yargs neither prints nor exits here, and coerces nothing: a secret of
 * `0123` or `1e5` stays what was typed. Unknown words are collected, so that all are reported at once.
 */

import yargs, { type Argv } from 'yargs'
import type { Fault } from '../errors.js'
import { version } from '../version.js'
import { block, unblock } from './block.js'
import { bootstrap } from './bootstrap.js'
import { client } from './client.js'
import type { Arguments, Command } from './command.js'
import { completion } from './completion.js'
import { connect } from './connect.js'
import { doctor } from './doctor.js'
import { file } from './file.js'
import { friends } from './friends.js'
import { games } from './games.js'
import { guests } from './guests.js'
import { type CommandGroup, overview } from './help.js'
import { host } from './host.js'
import { id } from './id.js'
import { invite } from './invite.js'
import { join } from './join.js'
import { keygen } from './keygen.js'
import { learn } from './learn.js'
import { logs } from './logs.js'
import { ping } from './ping.js'
import { relay } from './relay.js'
import { reload } from './reload.js'
import { revoke } from './revoke.js'
import { server } from './server.js'
import { service } from './service.js'
import { everyFlag } from './shared-flags.js'
import { status } from './status.js'
import { stop } from './stop.js'
import { ticket } from './ticket.js'
import { ui } from './ui.js'
import { unknownArguments, wrongSwitches } from './unknown.js'

const NAME = 'hyper-nat'
const WIDEST = 110

export const groups: readonly CommandGroup[] = [
  { title: 'Play', commands: [ui, host, join, friends, games, learn] },
  { title: 'Share', commands: [server, client, connect, ticket, guests, invite, revoke, block, unblock] },
  { title: 'Run', commands: [service, reload, stop] },
  { title: 'Look', commands: [status, logs, doctor, ping] },
  { title: 'Advanced', commands: [keygen, id, relay, bootstrap, completion] }
]

export const commands: readonly Command[] = [file, ...groups.flatMap(group => group.commands)]

/** What a command line asks for. */
export type Invocation =
  /** Print this and be done: help, the version, the words that complete others. */
  | { readonly kind: 'text'; readonly text: string }
  /** Run a command, unless there are faults. */
  | {
      readonly kind: 'run'
      readonly command: Command
      readonly args: Arguments
      readonly faults: readonly Fault[]
    }

/**
 * Reads a command line.
 * @param given argv without the program's own name
 * @param columns width of the terminal
 * @param name the words by which the program is started here
 */
export async function parseArguments(
  given: readonly string[],
  columns = 80,
  name = NAME
): Promise<Invocation> {
  const argv = asFlags(given)
  if (isHelpOnly(argv) && given.at(-1) !== ALL_FLAGS) {
    return { kind: 'text', text: overview(groups, name, Math.min(columns, WIDEST)) }
  }
  let chosen: Command = file
  let text = ''
  const parser = build(columns, name, command => {
    chosen = command
  })
  let refused: Error | undefined
  // Help and completions arrive here in place of being printed; completions in several calls.
  const args: Arguments = await parser.parseAsync(
    joinDash(argv),
    {},
    (err: Error | undefined, _args: unknown, output: string) => {
      if (output) text = output
      if (err) refused = err
    }
  )
  // yargs offers the command without a name by its placeholder.
  if ('get-yargs-completions' in args) return { kind: 'text', text: text.replace(/^\$0.*\n?/gm, '') }
  if (text !== '' && !refused) return { kind: 'text', text }
  const faults = [...(await unknownArguments(args, chosen, commands)), ...wrongSwitches(argv, chosen)]
  if (refused) faults.push({ path: '', message: refused.message })
  return { kind: 'run', command: chosen, args, faults }
}

/** What `help` shows the flags without a command for. */
const ALL_FLAGS = 'flags'

/** `help`, `help COMMAND`, `version` and `-V` as the flags that they stand for. */
function asFlags(argv: readonly string[]): readonly string[] {
  const [first, second] = argv
  if (first === 'version' || first === '-V') return ['--version', ...argv.slice(1)]
  if (first !== 'help') return argv
  if (second === undefined || second === ALL_FLAGS) return ['--help']
  // One that does not exist is reported as such.
  return commands.some(({ name, alias }) => name === second || alias === second)
    ? [second, '--help']
    : argv.slice(1)
}

function isHelpOnly(argv: readonly string[]): boolean {
  return argv.length === 1 && (argv[0] === '--help' || argv[0] === '-h')
}

/** yargs takes a lone dash for a word of its own, not for the value of the flag before it. */
function joinDash(argv: readonly string[]): string[] {
  const joined: string[] = []
  for (const arg of argv) {
    if (arg === '-' && joined.at(-1) === '--secret-file') joined[joined.length - 1] = '--secret-file=-'
    else joined.push(arg)
  }
  return joined
}

function build(columns: number, name: string, choose: (command: Command) => void): Argv {
  // The texts say what a flag takes. The types do not know of this setting.
  const plain = yargs() as Argv & { usageConfiguration(how: { 'hide-types': boolean }): Argv }
  const parser = plain
    .usageConfiguration({ 'hide-types': true })
    .scriptName(name)
    .usage('$0 [command] [flags]\n\nReach a port of another computer, directly and encrypted, through NATs.')
    // Messages are in English only, so the language of the system must not translate half of them.
    .locale('en')
    .exitProcess(false)
    .showHelpOnFail(false)
    .parserConfiguration({
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'dot-notation': false,
      'camel-case-expansion': false,
      'boolean-negation': false
    })
    .options(everyFlag)
  for (const command of commands) {
    const { positional } = command
    // Several words: a ticket that was pasted with its line breaks arrives in pieces.
    const usage = positional ? `${command.name} [${positional.name}..]` : command.name
    parser.command(
      command.alias === undefined ? usage : [usage, command.alias],
      command.describe,
      builder => {
        builder.options(command.flags)
        if (positional) builder.positional(positional.name, { type: 'string', describe: positional.describe })
        // Here, not above: groups are shown in the order in which they are made.
        builder.group(Object.keys(command.flags), 'Flags:')
        builder.group([...Object.keys(everyFlag), 'help', 'version'], 'Flags of every command:')
        for (const [line, what] of command.examples) builder.example(line.replace(NAME, name), what)
      },
      () => choose(command)
    )
  }
  keepNoHelp(parser)
  return parser.version(version()).help('help').alias('h', 'help').wrap(Math.min(columns, WIDEST))
}

/** yargs lays out the help of every command that it runs, in case that somebody asks for it later; nobody does. */
function keepNoHelp(parser: Argv): void {
  const { getInternalMethods } = parser as Argv & {
    getInternalMethods?(): { getUsageInstance?(): { cacheHelpMessage?: unknown } }
  }
  const usage = getInternalMethods?.call(parser).getUsageInstance?.()
  if (usage?.cacheHelpMessage) usage.cacheHelpMessage = () => {}
}
