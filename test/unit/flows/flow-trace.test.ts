import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ArqStats } from '../../../src/flows/arq/index.js'
import { FlowTrace } from '../../../src/flows/flow-trace.js'

const stats: ArqStats = {
  state: 'open',
  rtt: 20,
  minRtt: 20,
  lossRate: 0,
  bandwidth: 1250,
  window: 14_000,
  inFlight: 0,
  segmentsSent: 1,
  retransmits: 0,
  losses: 0,
  bytesSent: 0,
  bytesReceived: 0,
  phase: 'startup'
}

function traced() {
  const events: [name: string, data: object][] = []
  const trace = new FlowTrace((name, _, data) => void events.push([name, data]), 'a/1')
  return { events, trace }
}

test('a flow tells its state, its phase and what was measured, then only what has changed', () => {
  const { events, trace } = traced()
  trace.update(stats, 0)
  assert.deepEqual(
    events.splice(0).map(([name]) => name),
    ['connectivity:connection_state_updated', 'recovery:congestion_state_updated', 'recovery:metrics_updated']
  )
  trace.update(stats, 1000)
  assert.deepEqual(events, [])
  trace.update({ ...stats, rtt: 25, bandwidth: 2500 }, 2000)
  assert.deepEqual(events, [['recovery:metrics_updated', { smoothed_rtt: 25, delivery_rate: 20_000_000 }]])
})

test('losses are told at once, and what was measured 100 times a second at the most', () => {
  const { events, trace } = traced()
  trace.update(stats, 0)
  events.length = 0
  trace.update({ ...stats, losses: 3, retransmits: 2, rtt: 30 }, 5)
  assert.deepEqual(events.splice(0), [['hyper-nat:packets_lost', { lost: 3, retransmitted: 2 }]])
  trace.update({ ...stats, losses: 3, retransmits: 2, rtt: 30 }, 10)
  assert.deepEqual(events, [['recovery:metrics_updated', { smoothed_rtt: 30 }]])
})

test('what was never measured is null', () => {
  const { events, trace } = traced()
  trace.update({ ...stats, minRtt: Number.POSITIVE_INFINITY }, 0)
  assert.equal((events.at(-1)![1] as { min_rtt: unknown }).min_rtt, null)
})
