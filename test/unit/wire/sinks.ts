/** Sinks that write down what a decoder calls. */
import b4a from 'b4a'
import { Reader } from '../../../src/wire/bytes.js'
import type { FrameSink } from '../../../src/wire/frames.js'
import { readMaps } from '../../../src/wire/handshake.js'
import type { RecordSink } from '../../../src/wire/records.js'
import { readRoster } from '../../../src/wire/roster.js'

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
  const names = ['hello', 'welcome', 'close', 'addresses', 'open', 'data', 'fin', 'reset', 'window']
  const list = (name: string, read: (body: Reader) => unknown) => (content: Uint8Array) => {
    const body = new Reader(content)
    calls.push([name, read(body)])
    body.done()
  }
  const lists = { maps: list('maps', readMaps), roster: list('roster', readRoster) }
  return { ...recorder(calls, names), ...lists } as unknown as FrameSink
}

export function recordRecorder(calls: Call[]): RecordSink {
  return recorder(calls, ['ping', 'pong', 'udp', 'fragment', 'segment', 'game']) as unknown as RecordSink
}
