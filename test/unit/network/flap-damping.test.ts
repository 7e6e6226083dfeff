import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { FlapDamping, LONGEST_REST_MS } from '../../../src/network/flap-damping.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

function make() {
  const clock = new VirtualClock()
  const passed: number[] = []
  const damping = new FlapDamping(clock, LIMITS, () => passed.push(clock.now()))
  const pass = (ms: number): void => {
    clock.at(clock.now() + ms, () => {})
    clock.run(clock.now() + ms)
  }
  return { clock, passed, damping, pass }
}

test('the first change passes at once, the next ones at growing intervals', () => {
  const { passed, damping, pass } = make()
  for (let i = 0; i < 3000; i++) {
    damping.report()
    pass(100)
  }
  assert.deepEqual(passed, [0, 2000, 6000, 14_000, 30_000, 62_000, 122_000, 182_000, 242_000])
})

test('after a quiet while a change is the first again', () => {
  const { clock, passed, damping, pass } = make()
  for (let i = 0; i < 100; i++) {
    damping.report()
    pass(100)
  }
  pass(20_000 + LONGEST_REST_MS)
  passed.length = 0
  const from = clock.now()
  for (let i = 0; i < 30; i++) {
    damping.report()
    pass(100)
  }
  assert.deepEqual(
    passed.map(at => at - from),
    [0, 2000]
  )
})

test('changes that keep coming after each rest are damped all the same', () => {
  const { passed, damping, pass } = make()
  for (let i = 0; i < 100; i++) {
    damping.report()
    pass(9000)
  }
  assert.ok(passed.length < 20, `${passed}`)
})

test('a change that waits may be dropped', () => {
  const { clock, passed, damping, pass } = make()
  damping.report()
  damping.report()
  damping.drop()
  pass(10_000)
  assert.deepEqual(passed, [0])
  assert.equal(clock.pending, 0)
})
