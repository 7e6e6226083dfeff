import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { NetworkWatch } from '../../../src/network/network-watch.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

function make(addresses: string[]) {
  const clock = new VirtualClock()
  const told: [at: number, changes: string][] = []
  const state = { addresses, slept: 0 }
  const watch = new NetworkWatch(
    { clock, limits: LIMITS, addresses: () => state.addresses, timeOfDay: () => clock.now() + state.slept },
    changes => told.push([clock.now(), [...changes].join(' ')])
  )
  watch.start()
  return { clock, told, state, watch, pass: (ms: number) => clock.run(clock.now() + ms) }
}

test('addresses that come and go are reported at the next check, together', () => {
  const { told, state, pass } = make(['a', 'b'])
  pass(4500)
  assert.deepEqual(told, [])
  state.addresses = ['b', 'c']
  pass(4500)
  state.addresses = ['c', 'b', 'd']
  pass(4500)
  state.addresses = ['d']
  pass(4500)
  assert.deepEqual(told, [
    [5000, 'lost new'],
    [10_000, 'new'],
    [14_000, 'lost']
  ])
})

test('a machine without any address gets no report until it has one again', () => {
  const { told, state, watch, pass } = make(['a'])
  state.addresses = []
  pass(30_500)
  watch.report('back')
  assert.deepEqual(told, [])
  state.addresses = ['a']
  pass(1000)
  assert.deepEqual(told, [[31_000, 'lost back new']])
})

test('one that never had an address gets the reports of others', () => {
  const { told, watch, pass } = make([])
  pass(500)
  watch.report('moved')
  assert.deepEqual(told, [[500, 'moved']])
})

test('time that passed without us is a sleep; a little of it, or a clock that is set back, is none', () => {
  const { told, state, pass } = make(['a'])
  state.slept += LIMITS.sleepMs
  pass(1000)
  state.slept -= 3_600_000
  pass(1000)
  assert.deepEqual(told, [])
  state.slept += LIMITS.sleepMs + 1
  pass(1000)
  assert.deepEqual(told, [[3000, 'woken']])
})

test('a storm of changes is reported once, and then at intervals', () => {
  const { told, watch, pass } = make(['a'])
  for (let i = 0; i < 999; i++) {
    watch.report(i % 2 === 0 ? 'moved' : 'back')
    pass(10)
  }
  pass(60_000)
  assert.deepEqual(
    told.map(([at]) => at / LIMITS.changeRestMs),
    [0, 1, 2, 3, 4, 5]
  )
  assert.equal(told[0]![1], 'moved')
  assert.equal(told[1]![1], 'back moved')
})

test('stopped, it tells nothing more', () => {
  const { told, state, watch, pass } = make(['a'])
  watch.report('back')
  watch.report('moved')
  watch.stop()
  state.addresses = ['b']
  pass(60_000)
  assert.deepEqual(told, [[0, 'back']])
})
