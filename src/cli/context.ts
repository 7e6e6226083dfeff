/** What the command line uses of its process; tests have an in-memory twin. */

import type { Readable, Writable } from 'node:stream'
import type { DaemonEvent, ServiceEvent } from '../events.js'
import type { Journal } from '../log/journal.js'
import type { Log } from '../log/log.js'
import type { Options } from '../options/entry.js'
import type { Trace } from '../util/trace.js'

/** `reader gone`: stdout is a pipe that was closed at its other end. */
export type StopReason = 'signal' | 'reader gone'

export interface Pipes {
  readonly input: Readable
  readonly output: Writable
  /** Whether the input is a terminal, which does not end. */
  readonly isTerminal: boolean
  /** Ends the output, so that its reader sees the end; resolves when all has been taken. */
  readonly closeOutput: () => Promise<void>
}

export interface CliContext {
  /** The words by which the program is started again here. */
  readonly name: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Columns of the terminal; undefined if stdout is not a terminal. */
  readonly columns: number | undefined
  /** Writes text as it is; line breaks are the caller's. */
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Reads all of stdin, for a secret from a pipe. */
  readonly readStdin: () => Promise<Uint8Array>
  /** Prompts on the terminal, and resolves with the line that was typed; undefined without a terminal. */
  readonly ask?: ((question: string) => Promise<string>) | undefined
  /** stdin and stdout as bytes, for a command that writes nothing else there. */
  readonly pipes: () => Pipes
  /** Resolves when the process is asked to stop: by a signal, or because stdout was closed. */
  readonly stopped: Promise<StopReason>
  /** How long a daemon may take to close before the process exits without it, in milliseconds. */
  readonly closeMs: number
  /** Opens a link in the user's browser, if there is one. Reports no failure. */
  readonly openBrowser: (url: string) => void
  /** Creates the daemon. Its code is loaded on this call: `--help` does not need it. */
  readonly daemon: (options: Options, log: Log, journal: Journal, trace?: Trace) => Promise<RunningDaemon>
  /** Calls the listener when a signal asks the process to reload its options. */
  readonly onReload: (listener: () => void) => void
}

/** What the command line uses of a daemon. */
export interface RunningDaemon {
  on(name: 'event', listener: (event: DaemonEvent | ServiceEvent) => void): unknown
  start(): Promise<void>
  close(): Promise<void>
  /** Resolves when the control socket is asked to stop the daemon. */
  readonly stopAsked?: Promise<void>
  /** Reloads its options. */
  reload?(): Promise<unknown>
}

/** Exit codes. */
export const EXIT = {
  /** Done, or stopped by a signal. */
  done: 0,
  /** Failed while running. */
  failed: 1,
  /** Bad usage or bad options; nothing was started. */
  usage: 2
} as const
