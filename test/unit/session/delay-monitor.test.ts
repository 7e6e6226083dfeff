import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { DelayMonitor } from '../../../src/session/delay-monitor.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

/** A game plays beside a transfer that is always held up; the path answers when the test says so. */
function playing(limitedAgain = () => {}) {
  const clock = new VirtualClock()
  const asked: ((rtt: number | null) => void)[] = []
  const bounds: number[] = []
  const monitor = new DelayMonitor(clock, LIMITS, {
    ask: done => asked.push(done),
    cwndCap: bytes => {
      bounds.push(bytes)
      limitedAgain()
    }
  })
  for (let i = 0; i < LIMITS.gameDatagrams; i++) monitor.onDatagram()
  return { clock, asked, bounds, monitor }
}

test('a transfer during a game is bounded, and the path measured, until the game is over', () => {
  const { clock, asked, bounds, monitor } = playing()
  monitor.onLimited(true)
  assert.deepEqual([monitor.active, bounds, asked.length], [true, [LIMITS.delayStartBytes], 1])
  monitor.onLimited(true)
  assert.equal(asked.length, 1, 'one timer')
  clock.run(clock.now() + 4 * LIMITS.delayPingMs)
  assert.equal(asked.length, 5)
  clock.run(clock.now() + LIMITS.gameMs + LIMITS.delayIdleMs)
  assert.deepEqual([monitor.active, bounds.at(-1)], [false, Number.POSITIVE_INFINITY])
  const before = asked.length
  clock.run(clock.now() + 10 * LIMITS.delayPingMs)
  assert.equal(asked.length, before, 'nothing is measured any more')
})

test('with the connection go the bound and its timer', () => {
  const { clock, asked, bounds, monitor } = playing()
  monitor.onLimited(true)
  monitor.reset()
  assert.deepEqual([monitor.active, bounds.at(-1)], [false, Number.POSITIVE_INFINITY])
  clock.run(clock.now() + 10 * LIMITS.delayPingMs)
  assert.equal(asked.length, 1)
})

test('a connection that is lost while its bound is set is not measured', () => {
  let reset = () => {}
  const { asked, monitor } = playing(() => {
    const now = reset
    reset = () => {}
    now()
  })
  reset = () => monitor.reset()
  monitor.onLimited(true)
  assert.deepEqual([monitor.active, asked.length], [false, 0])
})

test('every bound is a whole number of bytes, those of the moment in which queues run empty too', () => {
  const { clock, asked, bounds, monitor } = playing()
  const { delayDrainEveryMs, delayPingMs, delayStartBytes } = LIMITS
  for (let i = 0; i < (5 * delayDrainEveryMs) / delayPingMs; i++) {
    monitor.onDatagram()
    monitor.onLimited(true)
    // A path that holds 30 kB, and has a queue beyond.
    const queued = Math.max(0, bounds.at(-1)! - 30_000)
    for (const done of asked.splice(0)) done(20 + queued / 1500)
    clock.run(clock.now() + delayPingMs)
  }
  const finite = bounds.filter(Number.isFinite)
  assert.ok(finite.some(bytes => bytes > delayStartBytes))
  for (const bytes of finite) assert.ok(Number.isInteger(bytes), `${bytes}`)
})

test('no bound stays when the game is over, also at a moment in which queues run empty', () => {
  const { clock, asked, bounds, monitor } = playing()
  const { delayDrainEveryMs, delayPingMs, gameMs } = LIMITS
  monitor.onRtt(20)
  const endsInDrain = (): boolean => (clock.now() + gameMs) % delayDrainEveryMs > delayDrainEveryMs - 50
  for (let i = 0; i < (3 * delayDrainEveryMs) / delayPingMs || !endsInDrain(); i++) {
    monitor.onDatagram()
    monitor.onLimited(true)
    // The queue is another's.
    for (const done of asked.splice(0)) done(60)
    clock.run(clock.now() + delayPingMs)
  }
  while (monitor.active) {
    monitor.onLimited(true)
    clock.run(clock.now() + delayPingMs)
  }
  assert.equal(bounds.at(-1), Number.POSITIVE_INFINITY)
})
