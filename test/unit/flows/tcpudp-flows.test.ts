import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Arq } from '../../../src/flows/arq/index.js'
import { TcpudpFlows } from '../../../src/flows/tcpudp-flows.js'
import { LIMITS } from '../../../src/limits.js'
import { Budget } from '../../../src/util/budget.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { isProtocolError } from '../wire/protocol-error.js'

/** The first segment of a flow with this open payload. */
function opening(open: Uint8Array): Uint8Array {
  let first = new Uint8Array(0)
  const host = { output: (segment: Uint8Array) => void (first = segment.slice()) }
  const nothing = { readable() {}, writable() {}, reset() {}, forget() {} }
  new Arq({ ...host, ...nothing }, { mtu: 1200, now: 0, random: () => 0, open }).update(0)
  return first
}

test('a flow that is opened with nonsense takes nothing of what the peer may have kept', () => {
  const memory = new Budget(1_000_000)
  const flows = new TcpudpFlows('server', {
    clock: new VirtualClock(),
    limits: LIMITS,
    chance: () => 0,
    windows: new Budget(1_000_000),
    memory,
    rtt: () => null,
    minRtt: () => null,
    mayOpen: () => true,
    open: () => null,
    thin() {},
    done() {}
  })
  assert.throws(() => flows.onSegment(1, opening(Uint8Array.of())), isProtocolError)
  assert.throws(() => flows.onSegment(2, opening(Uint8Array.of(1, 1))), isProtocolError)
  assert.equal(memory.used, 0)
  flows.onSegment(3, opening(Uint8Array.of(1)))
  assert.ok(memory.used > 0)
  flows.abandon('CLOSED')
  assert.equal(memory.used, 0)
})
