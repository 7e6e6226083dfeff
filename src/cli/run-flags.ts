/** Flags of the commands that run a daemon, about how it is watched; they go before what a file says. */

import { resolve } from 'node:path'
import type { Options as Flag } from 'yargs'
import { type Fault, OptionsError } from '../errors.js'
import type { Options } from '../options/entry.js'
import { PORT_MAX } from '../text/ports.js'
import { type Arguments, type Job, text } from './command.js'
import { number } from './numbers.js'

export const runFlags: Readonly<Record<string, Flag>> = {
  metrics: { type: 'string', describe: 'Serve metrics for Prometheus on this port of 127.0.0.1' },
  'log-file': { type: 'string', describe: 'Log to this file, too, as JSON lines' },
  trace: {
    type: 'string',
    describe: 'Write events of paths and flows to this file (qlog), to diagnose a slow line'
  }
}

/**
 * The job with what these flags say.
 * @throws OptionsError BAD_USAGE
 */
export function withRunFlags(job: Job, args: Arguments): Job {
  if (!('options' in job)) return job
  const faults: Fault[] = []
  const port = number(args, 'metrics', { min: 0, max: PORT_MAX }, faults)
  const file = text(args, 'log-file')
  if (file === '') faults.push({ path: '--log-file', message: 'is empty; it is the name of a file' })
  if (text(args, 'trace') === '')
    faults.push({ path: '--trace', message: 'is empty; it is the name of a file' })
  if (faults.length > 0) throw new OptionsError(faults, 'BAD_USAGE')
  const withFlags = (options: Options): Options => ({
    ...options,
    ...(port !== undefined && { metrics: { ...options.metrics, port } }),
    ...(file !== undefined && { log: { ...options.log, file: resolve(file) } })
  })
  const { source } = job.options
  const read = async (): Promise<Options> => withFlags(await source!.read())
  return {
    ...job,
    options: { ...withFlags(job.options), ...(source && { source: { ...source, read } }) }
  }
}
