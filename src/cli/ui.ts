/** `hyper-nat ui`: all of it in the browser, for who never saw a terminal. */

import type { Options } from '../options/entry.js'
import { PORT_MAX } from '../text/ports.js'
import { type Arguments, type Command, type Job, text } from './command.js'
import type { CliContext } from './context.js'
import { DEFAULT_FILE } from './file.js'
import { number } from './numbers.js'
import { identityFlag, networkOf, relayFlag } from './shared-flags.js'

export const ui: Command = {
  name: 'ui',
  describe: 'Open the control page in the browser: host, join and watch',
  flags: {
    'page-port': { type: 'string', describe: 'The port of the page on this computer (any free one)' },
    'no-open': { type: 'boolean', describe: 'Only show the link, do not open the browser' },
    config: { alias: 'c', type: 'string', describe: `Another file than ./${DEFAULT_FILE}` },
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
  const path = ui.subject(args)
  return {
    options: { ...(await read(path)), source: { path, read: () => read(path) } },
    // Who has no terminal here, a script or a service, has no eyes for a browser either.
    openPage: args['no-open'] !== true && args.json !== true && context.columns !== undefined
  }
}
