/** A command: its flags for yargs, and how they become what it runs. */

import type { Options as Flag } from 'yargs'
import type { ClientMapInfo } from '../events.js'
import type { Log } from '../log/log.js'
import type { Entry, Options, Warning } from '../options/entry.js'
import type { CliContext, RunningDaemon } from './context.js'
import type { GameOf } from './join-hints.js'

/** The command line after yargs: every value a string or a list of strings, never a number. */
export type Arguments = Readonly<Record<string, unknown>>

/** What a command runs: a daemon, a service, a task that ends by itself, or nothing: it only prints an answer. */
export type Job =
  | DaemonJob
  | ServiceJob
  | { readonly task: Task; readonly warnings: readonly Warning[] }
  | { readonly answer: Answer }

/** A daemon with its options, and what the command prints and does besides. */
export interface DaemonJob {
  readonly options: Options
  /** Printed once: a secret that was generated because none was given. */
  readonly generatedSecret?: string
  /** Port maps whose use is explained, with their names. */
  readonly joined?: readonly Entry[]
  /** The servers come from flags: there is no file to write invites into. */
  readonly byFlags?: true
  /** How guests join the hosted game; printed once its ports are shared. */
  readonly hosted?: string
  /** Finds a game by the name of a port map. */
  readonly gameOf?: GameOf
  /** Show a QR code: of this ticket, or of the ticket of each server. */
  readonly qr?: string | true
  /** Where changes are kept, if that is not obvious: printed with the link of the page. */
  readonly keptIn?: string
  /** Open the page in the browser. */
  readonly openPage?: boolean
  /** Called with a client's ports once they are bound; resolves with text to print. */
  readonly opened?: (maps: readonly ClientMapInfo[]) => Promise<string>
  /** Called once a server's ports are shared; resolves with text to print. */
  readonly shared?: () => Promise<string>
}

/** A service for others: a relay, bootstrap nodes. */
export interface ServiceJob {
  readonly service: Service
  readonly generatedSecret?: string
}

export interface Service {
  readonly warnings: readonly Warning[]
  make(log: Log): Promise<RunningDaemon>
}

/** All that a command prints. */
export interface Answer {
  /** For people, with its line breaks. */
  readonly text: string
  /** Further help for people, printed to stderr. */
  readonly hint?: string
  /** For programs: one object with an `event`. */
  readonly json: { readonly event: string } & Readonly<Record<string, unknown>>
}

/** Ends by itself, or after `context.stopped`; resolves with the exit code. */
export type Task = (context: CliContext, log: Log) => Promise<number>

export interface Command {
  /** The word on the command line; `$0` for the command without one. */
  readonly name: string
  /** Another word for it. */
  readonly alias?: string
  readonly describe: string
  readonly flags: Readonly<Record<string, Flag>>
  /** Its positional arguments; without this, it takes none. */
  readonly positional?: { readonly name: string; readonly describe: string }
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** Its {@link job} already writes files, or asks the user: not called where the command line has faults. */
  readonly changes?: true
  /** Shown in front of faults: `hyper-nat server`, or the file's name. */
  subject(args: Arguments): string
  /**
   * Collects the options from flags, environment and files.
   * @throws HyperNatError when they cannot be used
   */
  job(args: Arguments, context: CliContext): Promise<Job>
}

/** The command as it is typed: `hyper-nat server`. */
export function commandLine(command: Command): string {
  return command.name === '$0' ? 'hyper-nat' : `hyper-nat ${command.name}`
}

/** The text of a flag; undefined if it is not given. */
export function text(args: Arguments, name: string): string | undefined {
  const value = args[name]
  return value === undefined ? undefined : String(value)
}

/** The list of a flag: repeated flags and several words (PowerShell splits `80,443`) are joined. */
export function list(args: Arguments, name: string): string | undefined {
  const value = args[name]
  return value === undefined ? undefined : [value].flat().join(',')
}

/** All words of a list flag, or of the positional argument. */
export function words(args: Arguments, name: string): string[] {
  const value = args[name]
  return value === undefined ? [] : [value].flat().map(String)
}
