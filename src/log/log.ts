/** Diagnostics, to stderr and into a file: pino's interface, its JSON lines for machines or one plain line for people. */

import pino from 'pino'
import type { DaemonEvent, ServiceEvent } from '../events.js'

/** The log: pino's own interface. People's text and events are the CLI's; this is for diagnostics, to stderr. */
export type Log = pino.Logger

/** A log that keeps silent: the library's default. */
export const silentLog: Log = pino({ enabled: false })

const LEVELS = ['error', 'warn', 'info', 'debug'] as const

export type LogLevel = (typeof LEVELS)[number]

/** Where lines of JSON go beside. */
export interface LogSink {
  /** The least that is written. */
  readonly level: LogLevel
  /** Takes one line with its line break. */
  readonly write: (line: string) => void
}

export interface LogOptions {
  /** The least that is written. */
  readonly level: LogLevel
  /** True for pino's JSON lines, false for text. */
  readonly json: boolean
  /** Takes one line with its line break. */
  readonly write: (line: string) => void
  /** Takes pino's JSON lines of `info` and above, whatever is written. */
  readonly keep?: (line: string) => void
  /** Gets JSON, too, of its own level. */
  readonly file?: LogSink | undefined
}

/** A log that writes lines. Secrets mask themselves, whoever logs them. */
export function createLog({ level, json, write, keep, file }: LogOptions): Log {
  const streams: { readonly level: LogLevel; readonly stream: pino.DestinationStream }[] = [
    { level, stream: { write: json ? write : line => write(plainLine(line)) } }
  ]
  if (keep) streams.push({ level: 'info', stream: { write: keep } })
  if (file) streams.push({ level: file.level, stream: file })
  const least = LEVELS.findLast(level => streams.some(stream => stream.level === level)) ?? level
  return logTo(least, pino.multistream([...streams]))
}

export type EventLog = (event: DaemonEvent | ServiceEvent) => void

/** The log that events go to; pino's JSON, as diagnostics. */
export function createEventLog({ level, write }: LogSink): EventLog {
  const log = logTo(level, { write })
  return event => {
    if (event.event === 'error') log.error(event)
    else if (event.event === 'warning') log.warn(event)
    else log.info(event)
  }
}

function logTo(level: LogLevel, stream: pino.DestinationStream): Log {
  return pino(
    {
      level,
      // The process id and the host's name say nothing to a user, and a log may be shown to strangers.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      // Stack traces are for those who asked for details.
      serializers: { err: err => (level === 'debug' ? pino.stdSerializers.err(err) : brief(err)) }
    },
    stream
  )
}

function brief(err: unknown): unknown {
  if (!(err instanceof Error)) return err
  return { ...('code' in err && { code: err.code }), message: err.message }
}

/** `12:34:56 warn  message  key=value`, from one of pino's JSON lines; the time is UTC, as in the JSON. */
export function plainLine(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const details = Object.entries(rest).map(([key, value]) => `  ${key}=${plainValue(value)}`)
  return `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${msg ?? ''}${details.join('')}\n`
}

function plainValue(value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)) return value
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
