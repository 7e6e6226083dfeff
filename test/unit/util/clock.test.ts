import assert from 'node:assert/strict'
import { test } from 'node:test'
import { within } from '../../../src/network/within.js'
import { FlowStream } from '../../../src/sockets/flow-stream.js'
import { systemClock } from '../../../src/util/clock.js'

const LONGEST_TIMER_MS = 2 ** 31 - 1

for (const [what, start] of [
  ['the clock', ms => systemClock.after(ms, () => {})],
  ['a wait', ms => within(Promise.resolve(), ms)],
  [
    'the timeout of a stream',
    ms => new FlowStream(() => ({ publicKey: '', name: undefined, path: null })).setTimeout(ms)
  ]
] as [string, (ms: number) => unknown][]) {
  test(`${what} takes a time that is longer than the system's timers go, and does not end at once`, t => {
    const mock = t.mock.method(globalThis, 'setTimeout')
    for (const ms of [1e12, Number.POSITIVE_INFINITY, 5]) start(ms)
    const given = mock.mock.calls.map(({ arguments: [, ms] }) => ms)
    assert.deepEqual(given, [LONGEST_TIMER_MS, LONGEST_TIMER_MS, 5])
  })
}
