/** `hyper-nat --help`: examples, and the commands in groups. `hyper-nat help COMMAND` has the flags. */

import type { Command } from './command.js'

/** Commands that belong together. */
export interface CommandGroup {
  readonly title: string
  readonly commands: readonly Command[]
}

const EXAMPLES: readonly (readonly [line: string, what: string])[] = [
  ['hyper-nat ui', 'host, join and watch in the browser'],
  ['hyper-nat host minecraft', 'share a game, and show the ticket for your friends'],
  ['hyper-nat join hnat1..', 'join with the ticket that a friend has sent']
]

export function overview(groups: readonly CommandGroup[], columns: number): string {
  const names = groups.flatMap(({ commands }) => commands.map(({ name }) => name))
  const width = Math.max(...names.map(name => name.length))
  const exampleWidth = Math.max(...EXAMPLES.map(([line]) => line.length))
  return [
    "Use another computer's ports as if they were yours: directly, encrypted, through NATs.",
    '',
    ...EXAMPLES.map(([line, what]) => `  ${line.padEnd(exampleWidth)}  ${what}`),
    ...groups.flatMap(({ title, commands }) => [
      '',
      `${title}:`,
      ...commands.flatMap(({ name, describe }) => item(name.padEnd(width), describe, columns))
    ]),
    '',
    'Without a command, hyper-nat runs the entries of ./options.json (-c FILE for another file).',
    'Every command takes --json (events for programs), --quiet and --verbose.',
    'hyper-nat help COMMAND shows the flags of a command, hyper-nat help flags those without one.'
  ].join('\n')
}

/** `  name  description`, wrapped under the description. */
function item(name: string, text: string, columns: number): string[] {
  const indent = name.length + 4
  const lines: string[] = []
  let line = `  ${name}  `
  for (const word of text.split(' ')) {
    if (line.length > indent && line.length + word.length > columns) {
      lines.push(line.trimEnd())
      line = ' '.repeat(indent)
    }
    line += `${word} `
  }
  return [...lines, line.trimEnd()]
}
