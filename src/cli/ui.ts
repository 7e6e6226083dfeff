/** `hyper-nat ui`: the control page in the browser, for people who never saw a terminal. */

import type { FoundDaemon } from '../control/client.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Options } from '../options/entry.js'
import { PORT_MAX } from '../text/ports.js'
import { type Arguments, type Command, type Job, type Task, text } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { DEFAULT_FILE } from './file.js'
import { number } from './numbers.js'
import { choiceOf } from './running.js'
import { identityFlag, networkOf, relayFlag } from './shared-flags.js'

export const ui: Command = {
  name: 'ui',
  describe: 'Open the control page in the browser: host, join and watch',
  flags: {
    'page-port': { type: 'string', describe: 'The port of the page on this computer (any free one)' },
    'no-open': { type: 'boolean', describe: 'Only show the link, do not open the browser' },
    config: {
      alias: 'c',
      type: 'string',
      describe: `The options file (./${DEFAULT_FILE}; if there is none, one in this system's folder for settings)`
    },
    ...identityFlag,
    ...relayFlag
  },
  examples: [['hyper-nat ui', 'the page, in your browser; Ctrl-C ends it']],
  subject: args => text(args, 'config') ?? DEFAULT_FILE,
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const { OptionsError } = await import('../errors.js')
  const { readOptionsIfThere } = await import('../options/file.js')
  const faults: { path: string; message: string }[] = []
  const port = number(args, 'page-port', { min: 0, max: PORT_MAX }, faults)
  if (faults.length > 0) throw new OptionsError(faults, 'BAD_USAGE')
  const { bootstrap, relay } = networkOf(args, context)
  const identity = text(args, 'identity')
  const read = async (path: string): Promise<Options> => {
    const options = await readOptionsIfThere(path, bootstrap, relay)
    const page = port === undefined ? (options.ui ?? { port: 0 }) : { port }
    return { ...options, ...(identity !== undefined && { identity }), ui: page }
  }
  const path = text(args, 'config') ?? (await defaultFile())
  if (path !== DEFAULT_FILE && args.config === undefined) {
    const { dirname } = await import('node:path')
    const { makeFolder } = await import('../util/folder.js')
    await makeFolder(dirname(path), 0o700).catch(() => {})
  }
  const running = await pageOf(path, args, context)
  if (running) return { warnings: [], task: showPage(running, args) }
  return {
    ...(path === DEFAULT_FILE || args.config !== undefined ? {} : { keptIn: path }),
    options: { ...(await read(path)), source: { path, read: () => read(path) } },
    openPage: wantsBrowser(args, context)
  }
}

/** Without a terminal, in a script or a service, nobody would see the browser. */
function wantsBrowser(args: Arguments, { columns }: CliContext): boolean {
  return args['no-open'] !== true && args.json !== true && columns !== undefined
}

/** The file in this folder if there is one, else that in the folder for settings: the folder of the terminal does not matter. */
async function defaultFile(): Promise<string> {
  const { existsSync } = await import('node:fs')
  if (existsSync(DEFAULT_FILE)) return DEFAULT_FILE
  const { settingsFile } = await import('../options/file.js')
  return settingsFile()
}

/** A running daemon that has a page: to be closed. Without `-c` and a file here, any; else the one that runs from the file. */
async function pageOf(path: string, args: Arguments, context: CliContext): Promise<FoundDaemon | null> {
  const { findDaemons } = await import('../control/client.js')
  const isAny = args.config === undefined && path !== DEFAULT_FILE
  const choice = await choiceOf({ ...args, config: isAny ? undefined : path }, context)
  const found = await findDaemons(choice).catch(() => [])
  const pages = await Promise.all(
    found.map(async one => {
      const status = await one.control.ask('status', CONTROL_LIMITS.whoMs).catch(() => null)
      return status?.page === undefined ? null : one
    })
  )
  const [chosen = null] = pages.filter(one => one !== null)
  for (const one of found) if (one !== chosen) one.control.close()
  return chosen
}

/** Opens the page of a daemon that runs already. */
function showPage({ who, control }: FoundDaemon, args: Arguments): Task {
  return async context => {
    try {
      const { url, once } = await control.ask('page', CONTROL_LIMITS.whoMs)
      if (args.json) context.stdout(`${JSON.stringify({ event: 'ui', url, once })}\n`)
      else if (!args.quiet) {
        const from = who.file === null ? '' : `, ${who.file}`
        context.stdout(
          `hyper-nat is running already (process ${who.pid}${from}). Open its control page:\n  ${url}\n`
        )
      }
      if (wantsBrowser(args, context)) context.openBrowser(once)
      return EXIT.done
    } finally {
      control.close()
    }
  }
}
