#!/usr/bin/env node
/** The process around the command line: argv, streams, signals, exit code. The only place that ends the process. */

import { spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { type CliContext, EXIT, type StopReason } from './cli/context.js'
import { ownName } from './cli/own-name.js'
import { cacheCompiledCode, tuneEngine } from './engine.js'
import { codeOf, type ErrorCode } from './errors.js'
import type { Options } from './options/entry.js'
import { isSingleFile } from './shipped.js'

/** Whoever stops it waits 3 s at the most; closing must leave some of that for the output. In milliseconds. */
const CLOSE_MS = 2700

/** How long the last lines may take to leave through a pipe that is read slowly, in milliseconds. */
const FLUSH_MS = 250

/** How long a question waits for an answer, in milliseconds. */
const ANSWER_MS = 60_000

/** Texts that must not leave the process, whatever an unexpected error says. */
const secrets = new Set<string>()

/** Without a terminal, SIGHUP reloads, as with other daemons; from a terminal that closes, it ends the process. */
let reload: (() => void) | null = null
const isHangUp = (signal: NodeJS.Signals): boolean => signal === 'SIGHUP' && process.platform !== 'win32'
const hasTerminal = (): boolean =>
  [process.stdin, process.stdout, process.stderr].some(stream => stream.isTTY)

/** Whether the terminal has closed. */
let hungUp = false

/** Whether an unexpected error ends the process already. */
let crashed = false

/** Errors of a pipe that nobody reads any more. */
const READER_GONE: ReadonlySet<string> = new Set(['EPIPE', 'EOF', 'ECONNRESET'])

/** Whether stdout takes nothing any more: its disk is full, for example. */
let mute = false

/** Whether something that was to be said is lost for that. */
let isLost = false

/** Whether a daemon runs, which does not end by itself, or the process was asked to stop: then there is more than its output. */
let isMoreThanOutput = false

const stopped = new Promise<StopReason>(resolve => {
  let asked = false
  // SIGHUP and SIGBREAK are how Windows says that the console closes, or that Ctrl-Break was pressed.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGBREAK'] as const) {
    process.on(signal, () => {
      if (reload && isHangUp(signal) && !hasTerminal()) return reload()
      if (asked) leave(EXIT.done)
      asked = true
      isMoreThanOutput = true
      hungUp = isHangUp(signal) && hasTerminal()
      resolve('signal')
    })
  }
  process.stdout.on('error', err => {
    // As in `hyper-nat | head`.
    if (READER_GONE.has(codeOf(err))) return resolve('reader gone')
    if (mute) return
    mute = true
    isLost = true
    process.stderr.write(
      `warning STDOUT_FAILED: Nothing can be written to stdout (${codeOf(err)}). A hyper-nat that runs goes on without it; free some space and start it again to see its output.\n`
    )
  })
})
process.stderr.on('error', () => {})
process.on('uncaughtException', err => void crash(err))
process.on('unhandledRejection', err => void crash(err))

const context: CliContext = {
  name: ownName({
    platform: process.platform,
    isSingleFile,
    execPath: process.execPath,
    script: process.argv[1] ?? '',
    cwd: process.cwd(),
    env: process.env
  }),
  env: process.env,
  get columns() {
    return process.stdout.columns || undefined
  },
  stdout: text => void (mute || process.stdout.write(text)),
  stderr: text => void process.stderr.write(text),
  readStdin,
  ask: process.stdin.isTTY && process.stdout.isTTY ? ask : undefined,
  pipes: () => ({
    input: process.stdin,
    output: process.stdout,
    isTerminal: process.stdin.isTTY === true,
    closeOutput
  }),
  stopped,
  closeMs: CLOSE_MS,
  openBrowser,
  onReload: listener => {
    reload = listener
  },
  async daemon(options, log, journal, trace) {
    isMoreThanOutput = true
    tuneEngine()
    const { Daemon } = await import('./daemon.js')
    return new Daemon(withSecretsKnown(options), log, journal, trace)
  }
}

start().then(exit).catch(crash)

/** Secrets of the options, and of those that a reload brings, are not shown when the process crashes. */
function withSecretsKnown(options: Options): Options {
  for (const entry of options.entries) if (entry.mode === 'server') secrets.add(entry.secret.reveal())
  const { source } = options
  if (!source) return options
  return { ...options, source: { ...source, read: async () => withSecretsKnown(await source.read()) } }
}

/** Runs the command line; resolves with the exit code. */
async function start(): Promise<number> {
  // Before the rest of the program is loaded.
  if (!isSingleFile) cacheCompiledCode()
  const { run } = await import('./cli/run.js')
  return run(process.argv.slice(2), context)
}

async function crash(err: unknown): Promise<void> {
  // A failure of what follows, such as a stdout that cannot be opened, would be reported for ever.
  if (crashed) return leave(EXIT.failed)
  crashed = true
  const { code, message } = crashReport(err)
  const isEvent = process.argv.includes('--json') && !mute
  if (isEvent) process.stdout.write(`${JSON.stringify({ event: 'error', code, message })}\n`)
  else process.stderr.write(`error ${code}: ${message}\n`)
  await exit(EXIT.failed)
}

function crashReport(err: unknown): { code: ErrorCode; message: string } {
  const code = codeOf(err)
  if (code === 'EMFILE' || code === 'ENFILE') {
    const message =
      'This computer lets hyper-nat open too few files: raise the limit ("ulimit -n 1024", LimitNOFILE of a service).'
    return { code: 'TOO_FEW_DESCRIPTORS', message }
  }
  const shown = masked(err instanceof Error ? `${err.name}: ${err.message}` : String(err)).replace(
    /\s+/g,
    ' '
  )
  return { code: 'INTERNAL', message: `${shown}${code === 'INTERNAL' ? '' : ` (${code})`}` }
}

function masked(text: string): string {
  // A ticket with an invite is a secret.
  let result = text.replace(/hnat\d[a-z0-9]+/gi, '[ticket]')
  for (const secret of secrets) result = result.replaceAll(secret, '[secret]')
  return result
}

/** Ends the process once its output has left; on some systems pipes are written in the background. */
async function exit(code: number): Promise<void> {
  const flushed = [process.stdout, process.stderr].map(
    stream => new Promise<void>(resolve => void stream.write('', () => resolve()))
  )
  const late = new Promise(resolve => setTimeout(resolve, FLUSH_MS))
  await Promise.race([Promise.all(flushed), late])
  leave(code === EXIT.done && isLost && !isMoreThanOutput ? EXIT.failed : code)
}

/** At its end Node.js resets the terminal, and fails with a crash report when that is gone: then the signal itself is the end. */
function leave(code: number): void {
  if (!hungUp) process.exit(code)
  process.removeAllListeners('SIGHUP')
  process.kill(process.pid, 'SIGHUP')
}

/** By what each system opens links with; without one, the link that was shown is there to be copied. */
function openBrowser(url: string): void {
  const [command, ...args] =
    process.platform === 'win32'
      ? ['rundll32', 'url.dll,FileProtocolHandler']
      : [process.platform === 'darwin' ? 'open' : 'xdg-open']
  const child = spawn(command!, [...args, url], { stdio: 'ignore', detached: true, windowsHide: true })
  child.on('error', () => {})
  child.unref()
}

/** The next line of the terminal; empty when it ends, nobody answers in time, or the process is asked to stop. */
async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline')
  process.stdout.write(question)
  // Ctrl-C stays a signal.
  const lines = createInterface({ input: process.stdin, terminal: false })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<string>(resolve => {
      lines.once('line', resolve)
      lines.once('close', () => resolve(''))
      void stopped.then(() => resolve(''))
      // A user who started it in a window and left wants it to keep running.
      timer = setTimeout(() => {
        process.stdout.write('\n')
        resolve('')
      }, ANSWER_MS).unref()
    })
  } finally {
    clearTimeout(timer)
    lines.close()
    process.stdin.pause()
    process.stdin.unref()
  }
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** Node.js keeps stdout open, whatever is asked of the stream. */
function closeOutput(): Promise<void> {
  return new Promise(resolve =>
    process.stdout.end(() => {
      // Whatever is still written there has nowhere to go.
      mute = true
      try {
        closeSync(1)
      } catch {
        // It is closed already.
      }
      resolve()
    })
  )
}
