/** Sinks that write down what a decoder calls. */
import b4a from 'b4a'
import type { FrameSink } from '../../../src/wire/frames.js'
import type { RecordSink } from '../../../src/wire/records.js'

export type Call = readonly unknown[]

function copy(value: unknown): unknown {
  return value instanceof Uint8Array ? b4a.from(value) : value
}

function recorder(calls: Call[], names: readonly string[]): Record<string, (...args: unknown[]) => void> {
  return Object.fromEntries(
    names.map(name => [name, (...args: unknown[]) => void calls.push([name, ...args.map(copy)])])
  )
}

export function frameRecorder(calls: Call[]): FrameSink {
  const names = [
    'hello',
    'welcome',
    'close',
    'maps',
    'addresses',
    'roster',
    'open',
    'data',
    'fin',
    'reset',
    'window'
  ]
  return recorder(calls, names) as unknown as FrameSink
}

export function recordRecorder(calls: Call[]): RecordSink {
  return recorder(calls, ['ping', 'pong', 'udp', 'fragment', 'segment', 'game']) as unknown as RecordSink
}
