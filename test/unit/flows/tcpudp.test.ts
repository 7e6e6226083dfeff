/** One tcpudp flow on its own, its session played by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { type TcpudpCarrier, TcpudpFlow } from '../../../src/flows/tcpudp.js'
import { LIMITS } from '../../../src/limits.js'
import { Budget } from '../../../src/util/budget.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { hear } from './heard.js'

function make(clock: VirtualClock, open?: Uint8Array) {
  const segments: Uint8Array[] = []
  const carrier: TcpudpCarrier = {
    clock,
    limits: LIMITS,
    random: () => 0.5,
    queue: new Budget(1_000_000),
    windows: new Budget(1_000_000),
    segmentSize: () => 1200,
    rtt: () => 20,
    minRtt: () => 20,
    send: (_flow, segment) => segments.push(segment.slice()),
    touch() {},
    thin() {},
    lingers() {},
    done() {}
  }
  const flow = new TcpudpFlow(1, 1, carrier, open)
  const heard = hear(flow)
  return { flow, heard, segments }
}

test('what has come in the turn in which the session ends is handed over before the reset', () => {
  const clock = new VirtualClock()
  const guest = make(clock, Uint8Array.of(1))
  const host = make(clock)
  for (const bytes of ['one ', 'two ', 'three']) guest.flow.write(b4a.from(bytes))
  for (const segment of guest.segments) host.flow.input(segment)
  host.flow.abandon('CLOSED')
  assert.equal(host.heard.slice(0, -1).join(''), 'one two three')
  assert.equal(host.heard.at(-1), 'RESET CLOSED')
})

test('a flow that has come to its end is not reset with its session, though its program has not read everything yet', () => {
  const clock = new VirtualClock()
  const guest = make(clock, Uint8Array.of(1))
  const host = make(clock)
  guest.flow.write(b4a.from('all'))
  for (const { flow } of [guest, host]) flow.end()
  for (let i = 0; i < 5; i++) {
    for (const segment of guest.segments.splice(0)) host.flow.input(segment)
    for (const segment of host.segments.splice(0)) guest.flow.input(segment)
    clock.run(clock.now() + 10)
    for (const { flow } of [guest, host]) flow.update()
  }
  assert.deepEqual(host.heard, ['all', 'END', 'CLOSE'])
  host.flow.abandon('SESSION_EXPIRED')
  assert.deepEqual(host.heard, ['all', 'END', 'CLOSE'])
})
