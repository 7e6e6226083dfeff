/** `hyper-nat stop`: ends a running daemon as Ctrl-C does, and waits until it has. */

import { HyperNatError } from '../errors.js'
import { CONTROL_LIMITS } from '../limits.js'
import type { Arguments, Command, Job } from './command.js'
import { type CliContext, EXIT } from './context.js'
import { choiceOf, runningFlags, runningOne, whoText } from './running.js'

export const stop: Command = {
  name: 'stop',
  describe: 'Stop the running hyper-nat',
  flags: runningFlags,
  examples: [['hyper-nat stop -c options.json', 'the one that runs from this file']],
  subject: () => 'hyper-nat stop',
  job
}

async function job(args: Arguments, context: CliContext): Promise<Job> {
  const choice = await choiceOf(args, context)
  return {
    warnings: [],
    async task({ stdout }) {
      const { who, control } = await runningOne(choice)
      let timer: NodeJS.Timeout | undefined
      try {
        await control.ask('stop', CONTROL_LIMITS.whoMs)
        const late = new Promise<never>((_, reject) => {
          const message = `${whoText(who)} has been asked to end, and is still running.`
          timer = setTimeout(() => reject(new HyperNatError('CONTROL_FAILED', message)), CONTROL_LIMITS.jobMs)
        })
        await Promise.race([control.closed, late])
      } finally {
        clearTimeout(timer)
        control.close()
      }
      if (args.json) stdout(`${JSON.stringify({ event: 'stopped', pid: who.pid, file: who.file })}\n`)
      else if (!args.quiet) stdout(`Stopped ${whoText(who)}\n`)
      return EXIT.done
    }
  }
}
