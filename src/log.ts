import pino from 'pino'

/** The log: pino's own interface. People's text and events are the CLI's; this is for diagnostics, to stderr. */
export type Log = pino.Logger

/** A log that keeps silent: the library's default. */
export const silentLog: Log = pino({ enabled: false })
