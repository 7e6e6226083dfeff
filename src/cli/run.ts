/** Runs a command line: parses it, has the command collect what to run, runs that, and resolves with the exit code. */

import { existsSync } from 'node:fs'
import { codeOf, exitCodeOf, HyperNatError, OptionsError } from '../errors.js'
import { type Arguments, commandLine, type Job } from './command.js'
import { ASKS, completions } from './complete.js'
import { type CliContext, EXIT } from './context.js'
import { DEFAULT_FILE, file, firstSteps } from './file.js'
import { makeLog } from './log.js'
import type { Output } from './output.js'
import { type Invocation, parseArguments } from './program.js'
import { withRunFlags } from './run-flags.js'
import { isUnknownCommand } from './unknown.js'

/** @param argv without the name of the program */
export async function run(argv: readonly string[], context: CliContext): Promise<number> {
  const invocation = await parseArguments(argv, context.columns, context.name)
  if (invocation.kind === 'text') {
    const { text } = invocation
    context.stdout(`${argv.includes(ASKS) ? await completions(argv, text, context) : text}\n`)
    return EXIT.done
  }
  const { args } = invocation
  const output = await makeOutput(args, context)
  const job = await collect(invocation, context, output)
  return typeof job === 'number' ? job : runJob(job, args, output, context)
}

async function makeOutput(args: Arguments, context: CliContext): Promise<Output> {
  const { JsonOutput, TextOutput } = await import('./output.js')
  return args.json ? new JsonOutput(context) : new TextOutput(context, Boolean(args.quiet))
}

async function runJob(job: Job, args: Arguments, output: Output, context: CliContext): Promise<number> {
  if ('answer' in job) {
    output.answer(job.answer)
    return EXIT.done
  }
  if ('task' in job) {
    for (const warning of job.warnings) output.warning(warning)
    const { runTask } = await import('./run-task.js')
    return runTask(job.task, output, context, await makeLog(args, context))
  }
  if ('options' in job) {
    const { runDaemon } = await import('./run-daemon.js')
    return runDaemon(job, args, context)
  }
  const { runService } = await import('./run-daemon.js')
  return runService(job, args, output, context)
}

/** Advice for commands that need an options file which does not exist. */
async function anotherFile(args: Arguments, context: CliContext): Promise<string> {
  const isDefault = args.config === undefined
  const { runningFiles } = await import('./running.js')
  const [file, ...others] = isDefault ? await runningFiles(args, context) : []
  if (typeof file === 'string' && others.length === 0)
    return `the hyper-nat that runs has another file: add -c "${file}"\n`
  const { settingsFile } = await import('../options/file.js')
  const kept = settingsFile()
  if (isDefault && existsSync(kept))
    return `what you do on the page is kept in another file: add -c "${kept}"\n`
  if (file === null && others.length === 0)
    return 'the hyper-nat that runs was started without a file, and keeps no guests; one that is started with hyper-nat ui does\n'
  return '-c FILE names another one; or run this in the folder that has it\n'
}

/** What the command runs, or the exit code after printing why it cannot. */
async function collect(
  { command, args, faults }: Extract<Invocation, { kind: 'run' }>,
  context: CliContext,
  output: Output
): Promise<Job | number> {
  const name = commandLine(command)
  let found = faults
  try {
    const changes = command.changes || args['save-secret'] !== undefined
    // Without a known command, the flags mean nothing.
    const isLeft = isUnknownCommand(command, args) || (changes && faults.length > 0)
    const job = isLeft ? undefined : withRunFlags(await command.job(args, context), args)
    if (job && faults.length === 0) return job
  } catch (err) {
    if (!(err instanceof HyperNatError)) throw err
    if (faults.length === 0) {
      const subject = command.subject(args)
      output.failure(err, subject)
      if (codeOf(err) === 'OPTIONS_NOT_FOUND') {
        if (command !== file) output.advice(await anotherFile(args, context))
        else if (subject === DEFAULT_FILE) output.advice(firstSteps(context.name))
      }
      return exitCodeOf(err)
    }
    if (err instanceof OptionsError) found = [...faults, ...err.faults]
  }
  output.failure(new OptionsError(found, 'BAD_USAGE'), name)
  output.advice(`${name.replace('hyper-nat', context.name)} --help lists the flags\n`)
  return EXIT.usage
}
