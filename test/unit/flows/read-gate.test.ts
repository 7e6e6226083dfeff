import assert from 'node:assert/strict'
import { test } from 'node:test'
import { READ_BYTES, ReadGate, type UnreadFlow } from '../../../src/flows/read-gate.js'
import { Budget } from '../../../src/util/budget.js'
import { QueueNode } from '../../../src/util/queue.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

class Flow implements UnreadFlow {
  readonly startTurn: QueueNode<UnreadFlow> = new QueueNode<UnreadFlow>(this)
  started = false

  startReading(): void {
    this.started = true
  }
}

function gateFor(bytes: number): {
  clock: VirtualClock
  kept: Budget
  gate: ReadGate
  flows: Flow[]
  started(): number[]
} {
  const clock = new VirtualClock()
  const kept = new Budget(bytes)
  const flows = Array.from({ length: 5 }, () => new Flow())
  const started = (): number[] => flows.flatMap((flow, i) => (flow.started ? [i] : []))
  return { clock, kept, gate: new ReadGate(kept, clock), flows, started }
}

test('flows start at once while there is room, each with a read charged', () => {
  const { kept, gate, flows, started } = gateFor(2 * READ_BYTES)
  for (const flow of flows) gate.enter(flow)
  assert.deepEqual(started(), [0, 1])
  assert.equal(kept.used, 2 * READ_BYTES)
})

test('what is returned lets the next ones start, in their order', () => {
  const { kept, gate, flows, started } = gateFor(2 * READ_BYTES)
  for (const flow of flows) gate.enter(flow)
  gate.leave(flows[2]!)
  kept.giveBack(READ_BYTES)
  gate.open()
  assert.deepEqual(started(), [0, 1, 3])
  gate.open()
  assert.deepEqual(started(), [0, 1, 3])
})

test('without room one flow starts now and then', () => {
  const { clock, kept, gate, flows, started } = gateFor(READ_BYTES)
  for (const flow of flows) gate.enter(flow)
  clock.run(100)
  assert.deepEqual(started(), [0, 1])
  clock.run(400)
  assert.deepEqual(started(), [0, 1, 2, 3, 4])
  assert.equal(kept.used, 5 * READ_BYTES)
  assert.equal(clock.pending, 0)
})

test('a guest who acknowledges nothing gets no more flows read than that', () => {
  const { clock, kept, gate } = gateFor(READ_BYTES)
  const flows = Array.from({ length: 400 }, () => new Flow())
  for (const flow of flows) gate.enter(flow)
  clock.run(60_000)
  assert.ok(kept.used <= 5 * 1024 * 1024, `${kept.used}`)
  for (const flow of flows) gate.leave(flow)
  assert.equal(clock.pending, 0)
})
