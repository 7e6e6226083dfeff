/**
 * Writes the reference of options.json and of the command line into docs/ from the schema and the commands; a unit test fails while
 * a committed page is not current.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Options as Flag } from 'yargs'
import { type Command, commandLine } from '../src/cli/command.js'
import { file } from '../src/cli/file.js'
import type { CommandGroup } from '../src/cli/help.js'
import { groups } from '../src/cli/program.js'
import { everyFlag } from '../src/cli/shared-flags.js'
import { optionsJsonSchema } from '../src/options/json-schema.js'

/** What stands before and behind the generated part. */
const BEGIN = '<!-- made by scripts/reference.ts -->'
const END = '<!-- end -->'

/** What is read of a JSON Schema. */
interface Schema {
  readonly description?: string
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly oneOf?: readonly Schema[]
  readonly anyOf?: readonly Schema[]
}

/** The pages, by their paths. */
export const PAGES: Readonly<Record<string, () => string>> = {
  'docs/options.md': () => optionsReference(optionsJsonSchema() as Schema),
  'docs/command-line.md': () => commandReference(groups, file)
}

/** A page with its generated part as it is now. */
export function referencePage(page: string, made: string): string {
  const [head, rest] = page.split(BEGIN)
  const foot = rest?.split(END)[1]
  if (head === undefined || foot === undefined) throw new Error('the page has no place for the reference')
  return `${head}${BEGIN}\n\n${made}\n${END}${foot}`
}

function optionsReference(schema: Schema): string {
  const { schema: entries, ...settings } = schema.properties ?? {}
  const kinds = entries?.items?.oneOf ?? entries?.items?.anyOf ?? []
  const tables = kinds.map(kind => {
    const mode = String(kind.properties?.mode?.const)
    return `### A ${mode}'s entry\n\n${keyTable(rowsOf(kind))}`
  })
  return [...tables, `### Beside \`schema\`\n\n${keyTable(rowsOf({ properties: settings }))}`].join('\n')
}

/** Keys with what they mean; those of an object behind it, with their path. */
function rowsOf({ properties = {}, anyOf = [] }: Schema, path = ''): string[] {
  const own = Object.entries(properties).flatMap(([key, value]) => {
    const name = `${path}${key}`
    const line = value.description === undefined ? [] : [`| \`${name}\` | ${cell(value.description)} |`]
    return [...line, ...rowsOf(value, `${name}.`)]
  })
  return [...own, ...anyOf.flatMap(one => rowsOf(one, path))]
}

function keyTable(rows: readonly string[]): string {
  return `| key | meaning |\n| --- | --- |\n${rows.join('\n')}\n`
}

function commandReference(all: readonly CommandGroup[], bare: Command): string {
  const parts = all.map(({ title, commands }) => `## ${title}\n\n${commands.map(section).join('\n')}`)
  return [
    ...parts,
    `## Without a command\n\n${bare.describe}.\n\n${flagTable(bare.flags)}`,
    `## Flags of every command\n\n${flagTable(everyFlag)}`
  ].join('\n')
}

function section(command: Command): string {
  const { describe, positional, flags, examples } = command
  const words = positional ? ` [${positional.name}]` : ''
  return [
    `### \`${commandLine(command)}${words}\`\n\n${describe}.\n`,
    ...(positional ? [`\`${positional.name}\`: ${positional.describe}.\n`] : []),
    ...(examples.length > 0 ? [`| example | |\n| --- | --- |\n${examples.map(example).join('\n')}\n`] : []),
    ...(Object.keys(flags).length > 0 ? [flagTable(flags)] : [])
  ].join('\n')
}

function example([line, what]: readonly [string, string]): string {
  return `| \`${line}\` | ${cell(what)} |`
}

function flagTable(flags: Readonly<Record<string, Flag>>): string {
  const rows = Object.entries(flags).map(([name, flag]) => {
    const names = [name, ...[flag.alias ?? []].flat()].sort((a, b) => a.length - b.length)
    const shown = names.map(one => `\`${one.length === 1 ? '-' : '--'}${one}\``).join(', ')
    return `| ${shown} | ${cell(flag.describe ?? '')} |`
  })
  return `| flag | |\n| --- | --- |\n${rows.join('\n')}\n`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;')
}

// Run from the root of the project: node dist/scripts/reference.js
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, make] of Object.entries(PAGES)) {
    writeFileSync(path, referencePage(readFileSync(path, 'utf8'), make()))
  }
}
