/** The seam between the command line and the process around it, with an in-memory twin in the tests. */

import type { DaemonEvent, ServiceEvent } from '../events.js'
import type { Journal } from '../log/journal.js'
import type { Log } from '../log/log.js'
import type { Options } from '../options/entry.js'

/** What the CLI uses of its process. */
export interface Surroundings {
  /** The words by which the program is started again here. */
  readonly name: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Columns of the terminal; undefined if stdout is none. */
  readonly columns: number | undefined
  /** Writes text as it is; line breaks are the caller's. */
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** Everything on stdin, for a secret that comes through a pipe. */
  readonly readStdin: () => Promise<Uint8Array>
  /** Resolves when the daemon shall end: a signal, or nobody reads stdout any more. */
  readonly stopped: Promise<void>
  /** How long a daemon may take to close before it is left behind, in milliseconds. */
  readonly closeMs: number
  /** Opens a link in the user's browser, if there is one; whether it did does not show. */
  readonly openBrowser: (url: string) => void
  /** Makes the daemon; loads it when called, as `--help` has no use for it. */
  readonly daemon: (options: Options, log: Log, journal: Journal) => Promise<RunningDaemon>
  /** Calls the listener when the system asks the process to read its options again, in place of ending it. */
  readonly onReload: (listener: () => void) => void
}

/** What the CLI uses of a daemon. */
export interface RunningDaemon {
  on(name: 'event', listener: (event: DaemonEvent | ServiceEvent) => void): unknown
  start(): Promise<void>
  close(): Promise<void>
  /** Resolves when somebody else than a signal has asked that it ends. */
  readonly stopAsked?: Promise<void>
  /** Reads its options again. */
  reload?(): Promise<unknown>
}

/** Exit codes, in one place. */
export const EXIT = {
  /** Done, or stopped by a signal. */
  done: 0,
  /** Failed while running. */
  failed: 1,
  /** Bad usage or bad options; nothing was done. */
  usage: 2
} as const
