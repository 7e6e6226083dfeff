import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import type { CliContext, RunningDaemon, StopReason } from '../../../src/cli/context.js'
import { run } from '../../../src/cli/run.js'
import type { DaemonEvent } from '../../../src/events.js'
import type { Log } from '../../../src/log/log.js'
import type { Options } from '../../../src/options/entry.js'

/** What commands keep for their user is not for the tester's own folders. */
export const settings = mkdtempSync(join(tmpdir(), 'hyper-nat-settings-'))
Object.assign(process.env, { HOME: settings, XDG_CONFIG_HOME: settings, APPDATA: settings })
process.on('exit', () => rmSync(settings, { recursive: true, force: true }))

/** A daemon that does as it is told by a test, in place of the one that reaches the network. */
export class FakeDaemon extends EventEmitter implements RunningDaemon {
  started = false
  closed = false
  /** What `start` and `close` do. */
  onStart: () => Promise<void> = async () => {}
  onClose: () => Promise<void> = async () => {}

  async start(): Promise<void> {
    this.started = true
    await this.onStart()
  }

  async close(): Promise<void> {
    this.closed = true
    await this.onClose()
  }

  tell(event: DaemonEvent): void {
    this.emit('event', event)
  }
}

/** A process around the command line, in memory. */
export class Memory implements CliContext {
  name = 'hyper-nat'
  /** No daemon that runs on this machine is asked. */
  env: Record<string, string> = { HYPER_NAT_CONTROL: 'off' }
  columns = 100
  closeMs = 60_000
  out = ''
  err = ''
  stdin = ''
  options: Options | undefined
  log: Log | undefined
  fake = new FakeDaemon()
  stop: () => void = () => {}
  readonly stopped = new Promise<StopReason>(resolve => {
    this.stop = () => resolve('signal')
  })

  pipes = () => ({
    input: Readable.from([this.stdin]),
    output: new PassThrough(),
    isTerminal: false,
    closeOutput: async () => {}
  })

  stdout = (text: string): void => {
    this.out += text
  }
  stderr = (text: string): void => {
    this.err += text
  }
  onReload = (): void => {}
  /** Links that the browser was opened with. */
  readonly opened: string[] = []
  openBrowser = (url: string): void => {
    this.opened.push(url)
  }
  readStdin = async (): Promise<Uint8Array> => Buffer.from(this.stdin)
  daemon = async (options: Options, log: Log): Promise<RunningDaemon> => {
    this.options = options
    this.log = log
    return this.fake
  }

  /** Every line of stdout as JSON. */
  get events(): Record<string, unknown>[] {
    return this.out
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line))
  }
}

/** What a command line comes to when the daemon is stopped as soon as it has started. */
export async function runOnce(
  argv: readonly string[],
  set: Partial<Memory> = {}
): Promise<Memory & { code: number }> {
  const memory = Object.assign(new Memory(), set)
  memory.stop()
  const code = await run(argv, memory)
  return Object.assign(memory, { code })
}

/** Splits a command line as sh would: blanks separate, double quotes keep together. */
export function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(match => match[1] ?? match[2]!)
}
