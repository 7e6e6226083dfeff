import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { RestraintWatch } from '../../../src/session/restraint-watch.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

/** A game plays beside a transfer that is always held up; the path answers when the test says so. */
function playing(heldAgain = () => {}) {
  const clock = new VirtualClock()
  const asked: ((rtt: number | null) => void)[] = []
  const bounds: number[] = []
  const watch = new RestraintWatch(clock, LIMITS, {
    ask: done => asked.push(done),
    bound: bytes => {
      bounds.push(bytes)
      heldAgain()
    }
  })
  for (let i = 0; i < LIMITS.gameDatagrams; i++) watch.datagram()
  return { clock, asked, bounds, watch }
}

test('a transfer beside a game is bounded, and the path measured, until the game is over', () => {
  const { clock, asked, bounds, watch } = playing()
  watch.held(true)
  assert.deepEqual([watch.active, bounds, asked.length], [true, [LIMITS.restraintStartBytes], 1])
  watch.held(true)
  assert.equal(asked.length, 1, 'one timer')
  clock.run(clock.now() + 4 * LIMITS.restraintPingMs)
  assert.equal(asked.length, 5)
  clock.run(clock.now() + LIMITS.gameMs + LIMITS.restraintIdleMs)
  assert.deepEqual([watch.active, bounds.at(-1)], [false, Number.POSITIVE_INFINITY])
  const before = asked.length
  clock.run(clock.now() + 10 * LIMITS.restraintPingMs)
  assert.equal(asked.length, before, 'nothing is measured any more')
})

test('with the connection go the bound and its timer', () => {
  const { clock, asked, bounds, watch } = playing()
  watch.held(true)
  watch.reset()
  assert.deepEqual([watch.active, bounds.at(-1)], [false, Number.POSITIVE_INFINITY])
  clock.run(clock.now() + 10 * LIMITS.restraintPingMs)
  assert.equal(asked.length, 1)
})

test('a connection that goes while its bound is told is not measured', () => {
  let reset = () => {}
  const { asked, watch } = playing(() => {
    const now = reset
    reset = () => {}
    now()
  })
  reset = () => watch.reset()
  watch.held(true)
  assert.deepEqual([watch.active, asked.length], [false, 0])
})
