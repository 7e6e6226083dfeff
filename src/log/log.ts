/** Diagnostic log to stderr and a file: pino's JSON lines for programs, or one plain line each for people. */

import pino from 'pino'
import type { DaemonEvent, ServiceEvent } from '../events.js'

/**
 * As much of pino's logger as is used; `console` will do. For diagnostics only: the CLI prints events and text for people.
 */
export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error'>

/** Logs nothing: the library's default. */
export const silentLog: Log = pino({ enabled: false })

const LEVELS = ['error', 'warn', 'info', 'debug'] as const

export type LogLevel = (typeof LEVELS)[number]

/** An additional destination for JSON lines. */
export interface LogSink {
  /** Lowest level that is written. */
  readonly level: LogLevel
  /** Takes one line with its line break. */
  readonly write: (line: string) => void
}

export interface LogOptions {
  /** Lowest level that is written. */
  readonly level: LogLevel
  /** True for pino's JSON lines, false for text. */
  readonly json: boolean
  /** Text for people who did not ask for diagnostics: without the time, and without the names of values. */
  readonly brief?: boolean
  /** Takes one line with its line break. */
  readonly write: (line: string) => void
  /** Receives JSON lines of `info` and above, independent of `level`. */
  readonly keep?: (line: string) => void
  /** Receives JSON lines of its own level. */
  readonly file?: LogSink | undefined
}

/** Creates a log. Secrets are safe to log: their type masks them. */
export function createLog({ level, json, brief, write, keep, file }: LogOptions): Log {
  const text = brief ? briefLine : plainLine

  const streams: { readonly level: LogLevel; readonly stream: pino.DestinationStream }[] = [
    { level, stream: { write: json ? write : line => write(text(line)) } }
  ]
  if (keep) streams.push({ level: 'info', stream: { write: keep } })
  if (file) streams.push({ level: file.level, stream: file })
  const least = LEVELS.findLast(level => streams.some(stream => stream.level === level)) ?? level
  return logTo(least, pino.multistream([...streams]))
}

export type EventLog = (event: DaemonEvent | ServiceEvent) => void

/** A log of events, as JSON lines. */
export function createEventLog({ level, write }: LogSink): EventLog {
  const log = logTo(level, { write })
  return event => {
    // The page's link is for one person, and logs are shown to others.
    if (event.event === 'ui') return
    if (event.event === 'error') log.error(event)
    else if (event.event === 'warning') log.warn(event)
    // Strangers can cause these as often as they like.
    else if (event.event === 'connecting') log.debug(event)
    else log.info(event)
  }
}

function logTo(level: LogLevel, stream: pino.DestinationStream): Log {
  return pino(
    {
      level,
      // A process id and host name do not help a user, and logs are shown to strangers.
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      // Stack traces only at level debug.
      serializers: { err: err => (level === 'debug' ? pino.stdSerializers.err(err) : shortened(err)) }
    },
    stream
  )
}

function shortened(err: unknown): unknown {
  if (!(err instanceof Error)) return err
  return { ...('code' in err && { code: err.code }), message: err.message }
}

/** `12:34:56 warn  message  key=value`, from one of pino's JSON lines; the time is UTC, as in the JSON. */
export function plainLine(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const details = Object.entries(rest).map(([key, value]) => `  ${key}=${plainValue(value)}`)
  return `${String(time).slice(11, 19)} ${String(level).padEnd(5)} ${msg ?? ''}${details.join('')}\n`
}

/** `warning: message (value, value)`, from one of pino's JSON lines. Keys of guests say nothing to people. */
export function briefLine(line: string): string {
  const { level, time: _, msg, peer: __, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const { message = err } = (err ?? {}) as { message?: unknown }
  const values = [...Object.values(rest), ...(err === undefined ? [] : [message])].map(plainValue)
  const details = values.length === 0 ? '' : ` (${values.join(', ')})`
  return `${level === 'warn' ? 'warning' : level}: ${msg ?? ''}${details}\n`
}

function plainValue(value: unknown): string {
  if (typeof value === 'string' && /^[\x21-\x7e]+$/.test(value)) return value
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
