/** What a command of hyper-nat is to the program: its flags for yargs, and how they become options. */

import type { Options as Flag } from 'yargs'
import type { ClientMapInfo } from '../events.js'
import type { Log } from '../log/log.js'
import type { Entry, Options, Warning } from '../options/entry.js'
import type { RunningDaemon, Surroundings } from './console.js'
import type { GameOf } from './join-hints.js'

/** The command line after yargs: every value a string or a list of strings, never a number. */
export type Arguments = Readonly<Record<string, unknown>>

/**
 * What a command runs: a daemon with these options, something else that runs until it is told to stop, or something that ends
 * by itself; or only an answer, and nothing runs.
 */
export type Job = {
  /** A secret made because none was given. */
  readonly generatedSecret?: string
} & (
  | ({ readonly options: Options } & DaemonExtras)
  | { readonly service: Service }
  | { readonly task: Task; readonly warnings: readonly Warning[] }
  | { readonly answer: Answer }
)

/** What a command wants beside a running daemon. */
export interface DaemonExtras {
  /** Port maps to tell how to use, with their names. */
  readonly joined?: readonly Entry[]
  /** The servers come from flags, so that there is no file to write invites into. */
  readonly byFlags?: true
  /** What to do in the game that is shared: told once its ports are. */
  readonly hosted?: string
  /** The game that the name of a port map tells. */
  readonly gameOf?: GameOf
  /** Show a QR code: of this ticket, or of each that a server of the daemon shows. */
  readonly qr?: string | true
  /** Open the page in the browser. */
  readonly openPage?: boolean
  /** Hears of a client's ports once they are bound; resolves with what to say about it. */
  readonly opened?: (maps: readonly ClientMapInfo[]) => Promise<string>
}

/** All that a command has to say. */
export interface Answer {
  /** For people, with its line breaks. */
  readonly text: string
  /** What else people may want to know, not a part of the answer. */
  readonly hint?: string
  /** For programs: one object with an `event`. */
  readonly json: { readonly event: string } & Readonly<Record<string, unknown>>
}

/** A part of the network that people run for others: a relay, bootstrap nodes. */
export interface Service {
  readonly warnings: readonly Warning[]
  make(log: Log): Promise<RunningDaemon>
}

/** What ends by itself, or when `around.stopped` says so; resolves with the exit code. */
export type Task = (around: Surroundings, log: Log) => Promise<number>

export interface Command {
  /** The word on the command line; `$0` for the command that needs none. */
  readonly name: string
  readonly describe: string
  readonly flags: Readonly<Record<string, Flag>>
  /** What its words that belong to no flag are; left out: it takes none. */
  readonly positional?: { readonly name: string; readonly describe: string }
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** What the faults of its options are about: `hyper-nat server`, or the file's name. */
  subject(args: Arguments): string
  /**
   * Collects the options from flags, environment and files.
   * @throws HyperNatError when they cannot be used
   */
  job(args: Arguments, around: Surroundings): Promise<Job>
}

/** How a command is called: `hyper-nat server`. */
export function commandLine(command: Command): string {
  return command.name === '$0' ? 'hyper-nat' : `hyper-nat ${command.name}`
}

/** A flag that takes one text; undefined if it is not given. */
export function text(args: Arguments, name: string): string | undefined {
  const value = args[name]
  return value === undefined ? undefined : String(value)
}

/** A flag that takes a list: repeated flags and several words (as PowerShell makes of `80,443`) go together. */
export function list(args: Arguments, name: string): string | undefined {
  const value = args[name]
  return value === undefined ? undefined : [value].flat().join(',')
}

/** Every word of a flag that takes several, or of the positional ones. */
export function words(args: Arguments, name: string): string[] {
  const value = args[name]
  return value === undefined ? [] : [value].flat().map(String)
}
