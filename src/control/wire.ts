/** What goes through the control socket; CONTROL.md tells it in words. */

import type { Fault } from '../errors.js'
import type { MapChange } from '../events.js'
import type { Status } from '../status.js'

/** Which daemon it is. */
export interface Who {
  readonly pid: number
  readonly version: string
  /** Milliseconds since 1970. */
  readonly since: number
  /** The real path of its options file; null when it runs from flags. */
  readonly file: string | null
}

/** `page` is the link of the control page, where it has one. */
export type DaemonStatus = Who & Status & { readonly page?: string }

/** Links of the control page: one while the daemon runs, and one that works once, within a minute. */
export interface PageLinks {
  readonly url: string
  readonly once: string
}

/** What came of reading the file again. */
export interface Reloaded {
  /** Port maps that are there now and were not, or were not like this; and the other way round. */
  readonly added: readonly MapChange[]
  readonly removed: readonly MapChange[]
  /** Settings that have changed and wait for the next start, by their names in the file. */
  readonly restart: readonly string[]
}

/** One event, or one line of the log as pino writes it; `time` is ISO 8601. */
export type JournalLine = { readonly time: string } & Readonly<Record<string, unknown>>

/** What `connect` asks for. */
export interface Place {
  /** Of the server, in base58. */
  readonly publicKey: string
  readonly proto: 'tcp' | 'udp'
  /** Left out: the only one that is shared. */
  readonly port?: number | undefined
  /** The key that the guest has to be known by, in base58; left out: any. */
  readonly as?: string | undefined
}

/** What each command gives. */
export interface Results {
  who: Who
  status: DaemonStatus
  stop: Record<string, never>
  reload: Reloaded
  logs: Record<string, never>
  page: PageLinks
  connect: { readonly port: number }
}

export type CommandName = keyof Results

export interface Request {
  readonly id: number | string
  readonly command: string
  /** Of `logs`. */
  readonly lines?: unknown
  readonly follow?: unknown
  /** Of `connect`: see {@link Place}. */
  readonly publicKey?: unknown
  readonly proto?: unknown
  readonly port?: unknown
  readonly as?: unknown
}

export interface ControlError {
  readonly code: string
  readonly message: string
  readonly faults?: readonly Pick<Fault, 'path' | 'message'>[]
}

export type Answer =
  | { readonly id: Request['id']; readonly result: unknown }
  | { readonly id: Request['id'] | null; readonly error: ControlError }
  | { readonly id: Request['id']; readonly line: JournalLine }
  | { readonly id: Request['id']; readonly left_out: number }
