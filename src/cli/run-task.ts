/** Runs a command that ends by itself. */

import { exitCodeOf, HyperNatError } from '../errors.js'
import type { Log } from '../log/log.js'
import type { Task } from './command.js'
import { type CliContext, EXIT } from './context.js'
import type { Output } from './output.js'

/** @returns the task's exit code, or that of the error with which it failed */
export async function runTask(task: Task, output: Output, context: CliContext, log: Log): Promise<number> {
  // After a signal, open handles must not keep the process alive.
  const late = context.stopped.then(
    () => new Promise<number>(resolve => void setTimeout(resolve, context.closeMs, EXIT.done).unref())
  )
  try {
    return await Promise.race([task(context, log), late])
  } catch (err) {
    if (!(err instanceof HyperNatError)) throw err
    output.failure(err, 'hyper-nat')
    return exitCodeOf(err)
  }
}
