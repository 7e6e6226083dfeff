/** Runs a daemon, or a relay or bootstrap nodes, from start to exit. */

import { codeOf, exitCodeOf, HyperNatError, oneLine } from '../errors.js'
import { CONTROL_LIMITS, LOG_FILE_BYTES, TRACE_FILE_BYTES } from '../limits.js'
import { Journal } from '../log/journal.js'
import type { EventLog, Log, LogSink } from '../log/log.js'
import type { TraceFile } from '../log/trace-file.js'
import type { Options } from '../options/entry.js'
import type { Supervisor } from '../service/supervisor.js'
import { version } from '../version.js'
import { type Arguments, type DaemonJob, type ServiceJob, text } from './command.js'
import { type CliContext, EXIT, type RunningDaemon } from './context.js'
import type { TextExtras } from './event-text.js'
import type { LiveLine } from './live-status.js'
import { makeLog } from './log.js'
import { JsonOutput, type Output, TextOutput } from './output.js'
import { controlOf, withControl } from './shared-flags.js'

/** Runs a daemon with options, until it is asked to stop. @returns the exit code */
export async function runDaemon(job: DaemonJob, args: Arguments, context: CliContext): Promise<number> {
  const options = withControl(job.options, controlOf(args, context))
  const live = await liveLine(args, context)
  const output = args.json
    ? new JsonOutput(context)
    : new TextOutput(context, Boolean(args.quiet), options.network.bootstrap, {
        ...(await textExtrasOf(job, context)),
        live
      })
  printBefore(job, options.warnings, output)
  const journal = new Journal(CONTROL_LIMITS)
  const file = await openLogFile(options.log, output)
  const log = await makeLog(args, { ...context, ...live?.streams }, journal, file)
  const trace = await openTrace(text(args, 'trace'), output)
  const daemon = await context.daemon(options, log, journal, trace?.trace)
  const supervisor = await makeSupervisor(context, log)
  if (options.source) context.onReload(() => reload(daemon, output, supervisor))
  const { keptIn } = job
  if (keptIn !== undefined) {
    daemon.on('event', event => {
      if (event.event === 'ui') output.note(`Settings are kept in ${keptIn}\n`)
    })
  }
  if (job.opened) reportOpened(daemon, job.opened, output)
  if (job.shared) reportShared(daemon, job.shared, output)
  if (job.openPage) openPage(daemon, context)
  live?.show()
  const code = await untilStopped(daemon, { log, output, context, supervisor, eventLog: file?.event })
  trace?.close()
  return code
}

/** How it stands, at a terminal that understands more than lines. */
async function liveLine(args: Arguments, context: CliContext): Promise<LiveLine | undefined> {
  if (args.json || args.quiet || context.columns === undefined || !knowsCodes(context)) return undefined
  const [{ LiveLine }, { systemClock }] = await Promise.all([
    import('./live-status.js'),
    import('../util/clock.js')
  ])
  return new LiveLine(context, () => context.columns ?? 0, systemClock)
}

/** Runs a relay or bootstrap nodes, until the process is asked to stop. @returns the exit code */
export async function runService(
  job: ServiceJob,
  args: Arguments,
  output: Output,
  context: CliContext
): Promise<number> {
  printBefore(job, job.service.warnings, output)
  const log = await makeLog(args, context)
  const daemon = await job.service.make(log)
  const supervisor = await makeSupervisor(context, log)
  return untilStopped(daemon, { log, output, context, supervisor, eventLog: undefined })
}

function printBefore(
  { generatedSecret }: DaemonJob | ServiceJob,
  warnings: Options['warnings'],
  output: Output
): void {
  for (const warning of warnings) output.warning(warning)
  if (generatedSecret !== undefined) output.generatedSecret(generatedSecret)
}

async function textExtrasOf(
  { options, joined, hosted, byFlags, gameOf, qr }: DaemonJob,
  context: CliContext
): Promise<TextExtras> {
  // Loaded already: the options may name games.
  const { titleOf } = await import('../games/games.js')
  const extras = {
    joined,
    hosted,
    byFlags,
    file: options.source?.path,
    hasSeveral:
      new Set(options.entries.flatMap(entry => (entry.mode === 'server' ? entry.secret.reveal() : []))).size >
      1,
    gameOf,
    titleOf,
    interactive: context.columns !== undefined,
    colour: showsColours(context)
  }
  if (qr === undefined) return extras
  const { qrCode } = await import('./qr.js')
  const draw = (ticket: string): string => qrCode(ticket, context.columns)
  return { ...extras, qr: ticket => draw(qr === true ? ticket : qr) }
}

/** On a terminal that knows them, unless the user wants none (no-color.org). */
function showsColours({ columns, env }: CliContext): boolean {
  return columns !== undefined && !env.NO_COLOR && knowsCodes({ env })
}

/** Whether the terminal, if there is one, knows the codes of ECMA-48. */
function knowsCodes({ env }: Pick<CliContext, 'env'>): boolean {
  // Windows names no terminal; its consoles know them.
  const { TERM = process.platform === 'win32' ? 'windows' : 'dumb' } = env
  return TERM !== 'dumb'
}

/** Opens the file of a trace. One that cannot be written gives a warning, and the daemon runs without it. */
async function openTrace(path: string | undefined, output: Output): Promise<TraceFile | undefined> {
  if (path === undefined) return undefined
  const [{ TraceFile }, { systemClock, wallClock }] = await Promise.all([
    import('../log/trace-file.js'),
    import('../util/clock.js')
  ])
  const unwritable = (code: string): void =>
    output.event({
      event: 'warning',
      code: 'TRACE_UNWRITABLE',
      message: `The trace ${path} cannot be written (${code}). Check that its folder exists, has space left and allows writing.`
    })
  const full = `The trace ${path} has ${TRACE_FILE_BYTES / 1e6} MB and ends here. Start again for another one.`
  try {
    return new TraceFile(path, {
      clock: systemClock,
      startedAt: wallClock(),
      version: version(),
      limit: TRACE_FILE_BYTES,
      onend: why =>
        why === 'full'
          ? output.event({ event: 'warning', code: 'TRACE_FULL', message: full })
          : unwritable(why.code)
    })
  } catch (err) {
    unwritable(codeOf(err))
    return undefined
  }
}

/** Opens the log file. One that cannot be written gives a warning, and the daemon runs without it. */
async function openLogFile(
  options: Options['log'],
  output: Output
): Promise<(LogSink & { event: EventLog }) | undefined> {
  if (!options) return undefined
  const [{ LogFile }, { createEventLog }] = await Promise.all([
    import('../log/log-file.js'),
    import('../log/log.js')
  ])
  const { write } = new LogFile(options.file, LOG_FILE_BYTES, (code, path) => {
    const message =
      path === options.file
        ? `The log file ${path} cannot be written (${code}). Check that its folder exists, has space left and allows writing.`
        : `The full log file cannot be renamed to ${path} (${code}), so its older lines are deleted. Check that this file can be replaced.`
    output.event({ event: 'warning', code: 'LOG_UNWRITABLE', message })
  })
  const sink = { level: options.level ?? 'info', write } as const
  return { ...sink, event: createEventLog(sink) }
}

/** Calls `opened` once the client's ports are bound. Its failure is a warning: the ports work without it. */
function reportOpened(daemon: RunningDaemon, opened: NonNullable<DaemonJob['opened']>, output: Output): void {
  daemon.on('event', event => {
    if (event.event !== 'ready' || event.mode !== 'client') return
    report(opened(event.maps), output)
  })
}

/** Calls `shared` once ports are shared. Its failure is a warning: they work without it. */
function reportShared(daemon: RunningDaemon, shared: NonNullable<DaemonJob['shared']>, output: Output): void {
  let done = false
  daemon.on('event', event => {
    if (done || event.event !== 'ready' || event.mode !== 'server') return
    done = true
    report(shared(), output)
  })
}

function report(saved: Promise<string>, output: Output): void {
  saved.then(
    text => output.note(text),
    err => output.event({ event: 'warning', code: codeOf(err), message: `Not saved. ${oneLine(err)}` })
  )
}

function openPage(daemon: RunningDaemon, context: CliContext): void {
  daemon.on('event', event => {
    // Not `url`: the browser's arguments are visible in the list of processes.
    if (event.event === 'ui') context.openBrowser(event.once)
  })
}

/** Reloads the options. Faults in them are a warning; the daemon goes on with what it has. */
function reload(daemon: RunningDaemon, output: Output, supervisor: Supervisor | null): void {
  supervisor?.reloading()
  daemon
    .reload?.()
    .catch(err => output.event({ event: 'warning', code: codeOf(err), message: oneLine(err) }))
    .finally(() => supervisor?.ready())
}

async function makeSupervisor({ env }: CliContext, log: Log): Promise<Supervisor | null> {
  if (!env.NOTIFY_SOCKET) return null
  const [{ supervisorOf }, { systemClock }] = await Promise.all([
    import('../service/supervisor.js'),
    import('../util/clock.js')
  ])
  return supervisorOf(env, process.pid, systemClock, log)
}

/** What a running daemon reports to. */
interface Reporting {
  readonly log: Log
  readonly output: Output
  readonly context: CliContext
  readonly supervisor: Supervisor | null
  /** Of the log file. */
  readonly eventLog: EventLog | undefined
}

async function untilStopped(
  daemon: RunningDaemon,
  { log, output, context, supervisor, eventLog }: Reporting
): Promise<number> {
  daemon.on('event', event => output.event(event))
  if (eventLog) daemon.on('event', eventLog)
  let code: number = EXIT.done
  // Without a network it announces itself later: no reason for systemd to restart it.
  daemon.on('event', event => {
    if (event.event === 'warning' && event.code === 'DHT_UNREACHABLE') supervisor?.ready()
  })
  try {
    // A daemon that cannot reach the DHT has not started, and must stop nevertheless.
    const stopped = Promise.race([context.stopped, ...(daemon.stopAsked ? [daemon.stopAsked] : [])])
    const started = daemon.start().then(() => supervisor?.ready())
    const reason = await Promise.race([started.then(() => stopped), stopped])
    if (reason === 'reader gone') log.info('nothing reads stdout any more: stopping')
  } catch (err) {
    if (!(err instanceof HyperNatError)) throw err
    output.failure(err, 'hyper-nat')
    eventLog?.({ event: 'error', code: err.code, message: err.message })
    code = exitCodeOf(err)
  }
  output.close()
  log.info('closing')
  // Together: an immediate exit would lose the message to systemd.
  await withTimeout(Promise.all([supervisor?.stopping(), daemon.close()]), log, context.closeMs)
  return code
}

/** Waits for an orderly close, but not longer than `ms`. */
async function withTimeout(closing: Promise<unknown>, log: Log, ms: number): Promise<void> {
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
