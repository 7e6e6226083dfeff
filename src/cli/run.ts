/**
 * A command line from start to end: parse, collect options, run the daemon until it shall stop, give an exit code. It
 * touches the process only through {@link Surroundings}.
 */

import { codeOf, HyperNatError, OptionsError } from '../errors.js'
import { CONTROL_LIMITS, LOG_FILE_BYTES } from '../limits.js'
import type { Journal } from '../log/journal.js'
import type { EventLog, Log, LogSink } from '../log/log.js'
import type { Options } from '../options/entry.js'
import type { Supervisor } from '../service/supervisor.js'
import { type Arguments, commandLine, type DaemonExtras, type Job, type Task } from './command.js'
import { EXIT, type RunningDaemon, type Surroundings } from './console.js'
import type { TextExtras } from './event-text.js'
import { DEFAULT_FILE, file, firstSteps } from './file.js'
import type { Output } from './output.js'
import { type Invocation, parseArguments } from './program.js'
import { withRunFlags } from './run-flags.js'
import { controlOf, withControl } from './shared-flags.js'
import { isUnknownCommand } from './unknown.js'

/** Errors that are in what the user gave, wherever they are found: exit code 2, nothing was done. */
const USAGE_ERRORS: ReadonlySet<string> = new Set([
  'BAD_OPTIONS',
  'BAD_USAGE',
  'OPTIONS_NOT_FOUND',
  'OPTIONS_UNREADABLE',
  'BAD_PUBLIC_KEY',
  'BAD_SECRET',
  'BAD_TICKET',
  'TICKET_MISTYPED',
  'TICKET_CUT',
  'TICKET_VERSION',
  'IDENTITY_EXPOSED',
  'IDENTITY_UNUSABLE',
  'OPTIONS_BUSY',
  'TICKET_TOO_LONG',
  'UNSUPPORTED',
  'SEVERAL_DAEMONS',
  'UNKNOWN_GAME',
  'GAME_UNPLAYABLE',
  'BAD_RECIPE'
])

/** Runs a command line (without the program's own name) to its end; resolves with the exit code. */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  const call = await parseArguments(argv, around.columns, around.name)
  if (call.kind === 'text') {
    around.stdout(`${call.text}\n`)
    return EXIT.done
  }
  const { args } = call
  const { JsonOutput, TextOutput } = await import('./output.js')
  const voice = (bootstrap?: readonly string[], extras?: TextExtras): Output =>
    args.json ? new JsonOutput(around) : new TextOutput(around, Boolean(args.quiet), bootstrap, extras)

  const job = await collect(call, around, voice())
  if (!job) return EXIT.usage
  if ('answer' in job) {
    voice().answer(job.answer)
    return EXIT.done
  }
  if ('task' in job) {
    for (const warning of job.warnings) voice().warning(warning)
    return runTask(job.task, voice(), around, await makeLog(args, around))
  }
  const output =
    'options' in job ? voice(job.options.network.bootstrap, await extrasOf(job, around)) : voice()
  const { warnings } = 'options' in job ? job.options : job.service
  for (const warning of warnings) output.warning(warning)
  if (job.generatedSecret !== undefined) output.generatedSecret(job.generatedSecret)
  const { Journal } = await import('../log/journal.js')
  const journal = 'options' in job ? new Journal(CONTROL_LIMITS) : undefined
  const file = 'options' in job ? await openLogFile(job.options.log, output) : undefined
  const log = await makeLog(args, around, journal, file)
  const running =
    'options' in job
      ? around.daemon(withControl(job.options, controlOf(args, around)), log, journal!)
      : job.service.make(log)
  const daemon = await running
  const supervisor = await makeSupervisor(around, log)
  if ('options' in job && job.options.source) around.onReload(() => reload(daemon, output, supervisor))
  if ('opened' in job && job.opened) tellOpened(daemon, job.opened, output)
  if ('openPage' in job && job.openPage) openPage(daemon, around)
  return runDaemon(daemon, log, output, around, { supervisor, logged: file?.event })
}

/** What people's text shows beside the events. */
async function extrasOf(
  { joined, hosted, byFlags, gameOf, qr }: DaemonExtras,
  around: Surroundings
): Promise<TextExtras> {
  if (qr === undefined) return { joined, hosted, byFlags, gameOf }
  const { qrCode } = await import('./qr.js')
  const draw = (ticket: string): string => qrCode(ticket, around.columns)
  return { joined, hosted, byFlags, gameOf, qr: ticket => draw(qr === true ? ticket : qr) }
}

/** What could not be done with the ports does not keep them from being used. */
function tellOpened(
  daemon: RunningDaemon,
  opened: NonNullable<DaemonExtras['opened']>,
  output: Output
): void {
  daemon.on('event', event => {
    if (event.event !== 'ready' || event.mode !== 'client') return
    opened(event.maps).then(
      text => output.note(text),
      err =>
        output.event({ event: 'warning', code: codeOf(err), message: `It was not saved. ${messageOf(err)}` })
    )
  })
}

/** What a browser is started with shows in the list of processes. */
function openPage(daemon: RunningDaemon, around: Surroundings): void {
  daemon.on('event', event => {
    if (event.event === 'ui') around.openBrowser(event.once)
  })
}

function messageOf(err: unknown): string {
  return err instanceof Error ? err.message : String(err)
}

/** For commands that change a file which somebody has. */
const anotherFile = (name: string): string => `-c FILE names another one, and ${name} ui makes one\n`

/** The options, or undefined once it has been told why there are none. */
async function collect(
  { command, args, faults }: Extract<Invocation, { kind: 'run' }>,
  around: Surroundings,
  output: Output
): Promise<Job | undefined> {
  const name = commandLine(command)
  let found = faults
  try {
    // With a word that is no command, nobody knows what the flags should be.
    const job = isUnknownCommand(command, args)
      ? undefined
      : withRunFlags(await command.job(args, around), args)
    if (job && faults.length === 0) return job
  } catch (err) {
    if (!USAGE_ERRORS.has(codeOf(err))) throw err
    if (faults.length === 0) {
      const subject = command.subject(args)
      output.failure(err, subject)
      if (codeOf(err) === 'OPTIONS_NOT_FOUND') {
        if (command !== file) output.advice(anotherFile(around.name))
        else if (subject === DEFAULT_FILE) output.advice(firstSteps(around.name))
      }
      return undefined
    }
    if (err instanceof OptionsError) found = [...faults, ...err.faults]
  }
  output.failure(new OptionsError(found, 'BAD_USAGE'), name)
  output.advice(`${name.replace('hyper-nat', around.name)} --help tells more\n`)
  return undefined
}

/** A log in a file. One that cannot be written is no reason to do nothing. */
async function openLogFile(
  options: Options['log'],
  output: Output
): Promise<(LogSink & { event: EventLog }) | undefined> {
  if (!options) return undefined
  const [{ LogFile }, { createEventLog }] = await Promise.all([
    import('../log/log-file.js'),
    import('../log/log.js')
  ])
  const { write } = new LogFile(options.file, LOG_FILE_BYTES, code => {
    const message = `The log file ${options.file} cannot be written (${code}): see whether its folder is there and not full, and who may write there.`
    output.event({ event: 'warning', code: 'LOG_UNWRITABLE', message })
  })
  const sink = { level: options.level ?? 'info', write } as const
  return { ...sink, event: createEventLog(sink) }
}

/** What is wrong with the options keeps nothing from running. */
function reload(daemon: RunningDaemon, output: Output, supervisor: Supervisor | null): void {
  supervisor?.reloading()
  daemon
    .reload?.()
    .catch(err => {
      output.event({ event: 'warning', code: codeOf(err), message: messageOf(err).replaceAll('\n', '; ') })
    })
    .finally(() => supervisor?.ready())
}

async function makeLog(
  { quiet, json, verbose }: Arguments,
  around: Surroundings,
  journal?: Journal,
  file?: LogSink
): Promise<Log> {
  const { createLog } = await import('../log/log.js')
  const loud = Number(verbose)
  const level = loud > 1 ? 'debug' : loud > 0 ? 'info' : quiet ? 'error' : 'warn'
  return createLog({
    level,
    json: Boolean(json),
    write: around.stderr,
    ...(journal && { keep: line => journal.add(line) }),
    file
  })
}

async function runTask(task: Task, output: Output, around: Surroundings, log: Log): Promise<number> {
  // What it has open must not keep it from ending when it is told to.
  const late = around.stopped.then(
    () => new Promise<number>(resolve => void setTimeout(resolve, around.closeMs, EXIT.done).unref())
  )
  try {
    return await Promise.race([task(around, log), late])
  } catch (err) {
    if (!(err instanceof HyperNatError)) throw err
    output.failure(err, 'hyper-nat')
    return USAGE_ERRORS.has(err.code) ? EXIT.usage : EXIT.failed
  }
}

/** Who hears of a daemon beside the one who started it. */
interface Watchers {
  readonly supervisor: Supervisor | null
  /** Of a log file. */
  readonly logged: EventLog | undefined
}

async function runDaemon(
  daemon: RunningDaemon,
  log: Log,
  output: Output,
  around: Surroundings,
  { supervisor, logged }: Watchers
): Promise<number> {
  daemon.on('event', event => output.event(event))
  if (logged) daemon.on('event', logged)
  let code: number = EXIT.done
  // Without a network it is announced later; that is no reason to be started anew.
  daemon.on('event', event => {
    if (event.event === 'warning' && event.code === 'DHT_UNREACHABLE') supervisor?.ready()
  })
  try {
    // Whichever comes first: a daemon that cannot reach the DHT must still stop when it is told to.
    const stopped = Promise.race([around.stopped, ...(daemon.stopAsked ? [daemon.stopAsked] : [])])
    const started = daemon.start().then(() => supervisor?.ready())
    await Promise.race([started.then(() => stopped), stopped])
  } catch (err) {
    if (!(err instanceof HyperNatError)) throw err
    output.failure(err, 'hyper-nat')
    logged?.({ event: 'error', code: err.code, message: err.message })
    code = USAGE_ERRORS.has(err.code) ? EXIT.usage : EXIT.failed
  }
  log.info('closing')
  // Who ends at once would take it along untold.
  await withinCloseTime(Promise.all([supervisor?.stopping(), daemon.close()]), log, around.closeMs)
  return code
}

async function makeSupervisor({ env }: Surroundings, log: Log): Promise<Supervisor | null> {
  if (!env.NOTIFY_SOCKET) return null
  const [{ supervisorOf }, { systemClock }] = await Promise.all([
    import('../service/supervisor.js'),
    import('../util/clock.js')
  ])
  return supervisorOf(env, process.pid, systemClock, log)
}

/** Waits for an orderly end, but not for long: whoever pressed Ctrl-C wants it to end. */
async function withinCloseTime(closing: Promise<unknown>, log: Log, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(() => {
      log.info('closing took too long; ended without it')
      resolve()
    }, ms)
  })
  try {
    await Promise.race([closing, late])
  } catch (err) {
    log.warn({ err }, 'closing failed; ended without it')
  } finally {
    clearTimeout(timer)
  }
}
