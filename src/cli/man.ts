/** The manual page, made of what the commands say of themselves. */

import type { Options as Flag } from 'yargs'
import { type Command, commandLine } from './command.js'
import { commands } from './program.js'
import { everyFlag } from './shared-flags.js'

const ENVIRONMENT: readonly (readonly [name: string, what: string])[] = [
  ['HYPER_NAT_SECRET', 'The secret of hyper-nat server and relay, where no flag gives one.'],
  ['HYPER_NAT_BOOTSTRAP', 'As --bootstrap.'],
  ['HYPER_NAT_RELAY', 'As --relay.'],
  ['HYPER_NAT_CONTROL', 'As --control.']
]

const EXIT_STATUS: readonly (readonly [code: string, what: string])[] = [
  ['0', 'Done, or stopped by SIGINT or SIGTERM.'],
  ['1', 'Failed while running.'],
  ['2', 'A mistake on the command line or in the options; nothing was done.']
]

/**
 * The text of hyper-nat(1), in the man macros of roff.
 * @param version of hyper-nat
 */
export function manPage(version: string): string {
  return [
    `.TH HYPER\\-NAT 1 "" "hyper\\-nat ${roff(version)}" "User Commands"`,
    '.SH NAME',
    'hyper\\-nat \\- reach a port of another computer, directly and encrypted, through NATs',
    '.SH SYNOPSIS',
    '.B hyper\\-nat',
    '[\\fIcommand\\fR] [\\fIflags\\fR]',
    '.SH DESCRIPTION',
    'Tunnels TCP and UDP ports between the computers of friends. One shares ports with',
    '.BR "hyper\\-nat server" ,',
    'and gives the ticket that it shows to the others, who paste it behind',
    '.BR "hyper\\-nat join" .',
    'Without a command it runs what ./options.json says.',
    '.SH COMMANDS',
    ...commands.flatMap(commandSection),
    '.SH FLAGS OF EVERY COMMAND',
    ...flagItems(everyFlag),
    '.SH ENVIRONMENT',
    ...items(ENVIRONMENT),
    '.SH FILES',
    ...items([
      [
        'options.json',
        'What hyper-nat runs, unless -c names another file: servers and clients. docs/options.md lists its keys.'
      ]
    ]),
    '.SH EXIT STATUS',
    ...items(EXIT_STATUS),
    ''
  ].join('\n')
}

function commandSection(command: Command): string[] {
  const { describe, flags, positional, examples } = command
  const words = positional ? ` [\\fI${roff(positional.name)}\\fR]` : ''
  return [
    `.SS ${roff(commandLine(command))}${words}`,
    `${text(describe)}.`,
    ...(positional ? items([[positional.name, positional.describe]]) : []),
    ...flagItems(flags),
    ...examples.flatMap(([line, what]) => [
      '.PP',
      `Example: ${text(what)}`,
      '.PP',
      '.RS 4',
      '.nf',
      text(line),
      '.fi',
      '.RE'
    ])
  ]
}

function flagItems(flags: Readonly<Record<string, Flag>>): string[] {
  return Object.entries(flags).flatMap(([name, flag]) => {
    const names = [name, ...[flag.alias ?? []].flat()].sort((a, b) => a.length - b.length)
    const value = flag.type === 'string' ? ' \\fIvalue\\fR' : ''
    const shown = names.map(one => `\\fB${roff(one.length === 1 ? `-${one}` : `--${one}`)}\\fR`).join(', ')
    return ['.TP', `${shown}${value}`, text(flag.describe ?? '')]
  })
}

function items(rows: readonly (readonly [name: string, what: string])[]): string[] {
  return rows.flatMap(([name, what]) => ['.TP', `\\fB${roff(name)}\\fR`, text(what)])
}

/** Characters that mean something to roff. */
function roff(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
}

/** A line of text: one that begins like a request is none. */
function text(plain: string): string {
  return roff(plain).replace(/^\./, '\\&.')
}
