import { EventEmitter } from 'node:events'
import type { DaemonEvent } from './events.js'
import type { Log } from './log.js'
import type { Options } from './options/entry.js'

/** Runs every entry of the options in one process, on one DHT node. */
export class Daemon extends EventEmitter<{ event: [DaemonEvent] }> {
  constructor(
    readonly options: Options,
    readonly log: Log
  ) {
    super()
  }

  /** Binds every local port, announces every secret. Throws {@link HyperNatError} `PORT_IN_USE`, ... */
  async start(): Promise<void> {}

  /** Unannounces, ends sessions, closes sockets. */
  async close(): Promise<void> {}
}
