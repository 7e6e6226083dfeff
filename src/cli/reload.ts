/** `hyper-nat reload`: a running daemon reads its options file again. */

import { HyperNatError, OptionsError } from '../errors.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Arguments, Command, Job } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { choiceOf, reloadedText, runningFlags, runningOne } from './running.js'

export const reload: Command = {
  name: 'reload',
  describe: 'Reload the options file of the running hyper-nat',
  flags: runningFlags,
  examples: [['hyper-nat reload', 'what is as it was goes on undisturbed']],
  subject: args => (args.config === undefined ? 'hyper-nat reload' : String(args.config)),
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const choice = await choiceOf(args, context)
  return {
    warnings: [],
    async task({ stdout }) {
      const { control } = await runningOne(choice)
      try {
        const reloaded = await control.ask('reload', CONTROL_LIMITS.jobMs)
        if (args.json) stdout(`${JSON.stringify({ event: 'reloaded', ...reloaded })}\n`)
        else if (!args.quiet) stdout(reloadedText(reloaded))
        return EXIT.done
      } catch (err) {
        if (!(err instanceof OptionsError) || args.json) throw err
        const faults = err.faults.map(({ path, message }) => `\n  ${path ? `${path}: ` : ''}${message}`)
        throw new HyperNatError(err.code, `The file is not used as it is now.${faults.join('')}`, {
          cause: err
        })
      } finally {
        control.close()
      }
    }
  }
}
