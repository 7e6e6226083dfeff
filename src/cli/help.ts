/** `hyper-nat --help`: examples, and the commands in groups. `hyper-nat help COMMAND` has the flags. */

import type { Command } from './command.js'

/** Commands that belong together. */
export interface CommandGroup {
  readonly title: string
  readonly commands: readonly Command[]
}

const EXAMPLES: readonly (readonly [command: string, what: string])[] = [
  ['ui', 'host, join and watch in the browser'],
  ['host minecraft', 'share a game, and show the ticket for your friends'],
  ['join hnat1..', 'join with the ticket that a friend has sent']
]

/** @param name the words by which the program is started here */
export function overview(groups: readonly CommandGroup[], name: string, columns: number): string {
  const names = groups.flatMap(({ commands }) => commands.map(({ name }) => name))
  const width = Math.max(...names.map(name => name.length))
  const exampleWidth = Math.max(...EXAMPLES.map(([command]) => command.length))
  return [
    "Use another computer's ports as if they were yours: directly, encrypted, through NATs.",
    '',
    ...EXAMPLES.map(([command, what]) => `  ${name} ${command.padEnd(exampleWidth)}  ${what}`),
    ...groups.flatMap(({ title, commands }) => [
      '',
      `${title}:`,
      ...commands.flatMap(({ name, describe }) => item(name.padEnd(width), describe, columns))
    ]),
    '',
    `Without a command, ${name} runs the entries of ./options.json (-c FILE for another file).`,
    'Every command takes --json (events for programs), --quiet and --verbose.',
    `${name} help COMMAND shows the flags of a command, ${name} help flags those without one.`
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
