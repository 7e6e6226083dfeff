/** The diagnostic log of a command, as its flags ask for it. */

import type { Journal } from '../log/journal.js'
import type { Log, LogSink } from '../log/log.js'
import type { Arguments } from './command.js'
import type { CliContext } from './context.js'

/**
 * Logs to stderr: warnings, unless `--quiet` or `--verbose` say otherwise.
 * @param journal keeps lines for `hyper-nat logs`
 * @param file receives lines, too
 */
export async function makeLog(
  { quiet, json, verbose }: Arguments,
  context: CliContext,
  journal?: Journal,
  file?: LogSink
): Promise<Log> {
  const { createLog } = await import('../log/log.js')
  const count = Number(verbose)
  const level = count > 1 ? 'debug' : count > 0 ? 'info' : quiet ? 'error' : 'warn'
  return createLog({
    level,
    json: Boolean(json),
    brief: count === 0,
    write: context.stderr,
    ...(journal && { keep: line => journal.add(line) }),
    file
  })
}
