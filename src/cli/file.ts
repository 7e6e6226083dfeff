/** `hyper-nat` without a command: run what ./options.json, or the file of `-c`, says. */

import { resolve } from 'node:path'
import { OptionsError } from '../errors.js'
import type { Options } from '../options/entry.js'
import { type Arguments, type Command, type Job, text } from './command.js'
import type { CliContext } from './context.js'
import { runFlags } from './run-flags.js'
import { identityFlag, networkOf, relayFlag } from './shared-flags.js'

/** The file that is read when none is named. */
export const DEFAULT_FILE = 'options.json'

export const file: Command = {
  name: '$0',
  describe: 'Run the entries of ./options.json',
  flags: {
    config: { alias: 'c', type: 'string', describe: 'A file other than ./options.json' },
    ui: { type: 'boolean', describe: 'Also serve the control page, and show its link' },
    ...identityFlag,
    ...relayFlag,
    ...runFlags
  },
  examples: [],
  subject: args => text(args, 'config') ?? DEFAULT_FILE,
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { readOptionsFile } = await import('../options/file.js')
  const { bootstrap, relay } = networkOf(args, context)
  const identity = text(args, 'identity')
  const read = async (path: string): Promise<Options> => {
    const options = await readOptionsFile(path, bootstrap, relay)
    const ui = options.ui ?? (args.ui === true ? { port: 0 } : undefined)
    return { ...options, ...(identity !== undefined && { identity }), ...(ui && { ui }) }
  }
  const path = file.subject(args)
  const options = await read(path)
  // An empty file will do where there is a page to fill it. After a reload it will do anywhere: taking out the last entry ends what is shared.
  if (options.entries.length === 0 && !options.paused && !options.ui) {
    throw new OptionsError([{ path: 'schema', message: 'is empty; add at least one entry' }])
  }
  return { options: { ...options, source: { path, read: () => read(path) } } }
}

/**
 * The sentence about entries that were saved.
 * @param added how many of them the file did not have
 * @param name the command as it is typed here
 */
export function savedText(added: number, path: string, name: string): string {
  if (added === 0) return `${path} has it already\n`
  const next = path === DEFAULT_FILE ? 'in that folder' : `-c ${path}`
  return `Saved in ${resolve(path)}. Next time run ${name} ${next}.\n`
}

/** The message of hyper-nat without a command where there is no options.json. */
export const firstSteps = (name: string): string => `
In the browser, to host or to join a game:

  ${name} ui

Or here. Share a game by its name, or any port of this computer:

  ${name} host minecraft
  ${name} server -p 3000 --protocol tcp

and have your friends run the line that it shows. Or write an ${DEFAULT_FILE} here, with one entry for each:

  {
    "schema": [
      {
        "mode": "server",
        "proto": "udp",
        "port": 7913,
        "secret": "a long text that nobody guesses"
      },
      {
        "mode": "client",
        "proto": "tcp",
        "port": 80,
        "localPort": 8080,
        "publicKey": "the public key that the other computer shows"
      }
    ]
  }

"server" entries share ports, "client" entries open them. ${name} help lists all commands.
`
