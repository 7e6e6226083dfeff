import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { within } from './deadline.js'

/** What a process left behind. */
export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** A program started by a test: keeps all that it says, so that a failure can show it. */
export class Process {
  readonly #child: ChildProcess
  readonly #name: string
  /** Settles when the process has ended and its output is complete. */
  readonly ended: Promise<void>
  #stdout = ''
  #stderr = ''
  #line = ''

  constructor(command: string, args: readonly string[], options: SpawnOptions & { name?: string } = {}) {
    const { name = command, ...rest } = options
    this.#name = name
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true, ...rest })
    // `close`, not `exit`: it comes when the output is complete too.
    this.ended = new Promise<void>((resolve, reject) => {
      this.#child.once('close', () => resolve())
      this.#child.once('error', reject)
    })
    this.ended.catch(() => {})
    this.#child.stdin?.on('error', () => {})
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
      const lines = (this.#line + text).split('\n')
      this.#line = lines.pop() ?? ''
      for (const line of lines) this.onLine(line)
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text
      this.onText(text)
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get running(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get stdout(): string {
    return this.#stdout
  }

  get stderr(): string {
    return this.#stderr
  }

  /** What a person needs to see when a test fails. */
  describe(): string {
    const state = this.running ? 'running' : `ended (${this.#child.exitCode ?? this.#child.signalCode})`
    return `${this.#name}, ${state}\n--- stdout\n${tail(this.#stdout)}\n--- stderr\n${tail(this.#stderr)}`
  }

  /** Writes to stdin and, unless told otherwise, ends it. */
  input(text: string | Uint8Array, end = true): void {
    this.#child.stdin?.write(text)
    if (end) this.#child.stdin?.end()
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    if (this.running) this.#child.kill(signal)
  }

  /** Waits for its end. */
  async end(ms = 20_000): Promise<Ending> {
    await within(ms, this.ended, () => `the end of ${this.describe()}`)
    const { exitCode: code, signalCode: signal } = this.#child
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr }
  }

  /** Asks it to end, makes it end if it does not listen. */
  async stop(ms = 5_000): Promise<Ending> {
    this.kill('SIGTERM')
    try {
      return await this.end(ms)
    } catch {
      this.kill('SIGKILL')
      return this.end()
    }
  }

  /** Resolves when `stdout` or `stderr` matches. */
  async says(pattern: RegExp, ms = 10_000): Promise<RegExpMatchArray> {
    const look = () => (this.#stdout + this.#stderr).match(pattern)
    const outputs = [this.#child.stdout, this.#child.stderr]
    let check = (): void => {}
    const found = new Promise<RegExpMatchArray>((resolve, reject) => {
      check = () => {
        const match = look()
        if (match) resolve(match)
      }
      for (const output of outputs) output?.on('data', check)
      this.ended.then(
        () => {
          check()
          reject(new Error(`ended before it said ${pattern}: ${this.describe()}`))
        },
        err => reject(err)
      )
      check()
    })
    try {
      return await within(ms, found, () => `${pattern} from ${this.describe()}`)
    } finally {
      for (const output of outputs) output?.off('data', check)
    }
  }

  /** For a child class that reads lines. */
  protected onLine(_line: string): void {}

  /** For a child class that reads stderr. */
  protected onText(_text: string): void {}
}

function tail(text: string): string {
  return text.length > 6_000 ? `..${text.slice(-6_000)}` : text
}

/** Runs a program to its end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: SpawnOptions & { input?: string | Uint8Array; ms?: number } = {}
): Promise<Ending> {
  const { input = '', ms = 30_000, ...rest } = options
  const child = new Process(command, args, rest)
  child.input(input)
  try {
    return await child.end(ms)
  } finally {
    child.kill('SIGKILL')
  }
}
