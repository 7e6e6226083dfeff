import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { PathMonitor } from '../../../src/session/path-monitor.js'
import { Random } from '../../sim/support/random.js'
import { World } from '../../support/session-peers.js'

/** A monitor whose pings are answered after what `answer` gives, or not at all. */
function make(answer: (id: number) => number | null) {
  const world = new World(1)
  const pings: number[] = []
  const silences: number[] = []
  const heard: number[] = []
  const monitor: PathMonitor = new PathMonitor(world.clock, LIMITS, {
    ping: id => {
      pings.push(world.clock.now())
      const after = answer(id)
      if (after === null) return
      world.clock.after(after, () => {
        monitor.received()
        monitor.pong(id)
      })
    },
    answered: () => {},
    silent: ms => silences.push(ms),
    heard: () => heard.push(world.clock.now())
  })
  return { world, monitor, pings, silences, heard }
}

/** From now on other packets come ten times a second. */
function chatter(world: World, monitor: PathMonitor): void {
  monitor.received()
  world.clock.after(100, () => chatter(world, monitor))
}

test('round trips are smoothed as in RFC 6298, jitter as in RFC 3550', () => {
  const trips = [100, 20, 60, 300, 40]
  const { world, monitor } = make(id => trips[id - 1] ?? null)
  assert.deepEqual(monitor.quality, { rtt: null, jitter: 0, loss: 0 })
  monitor.start()
  world.pass(4500)
  let rtt = trips[0]!
  let jitter = 0
  for (let i = 1; i < trips.length; i++) {
    rtt += (trips[i]! - rtt) / 8
    jitter += (Math.abs(trips[i]! - trips[i - 1]!) - jitter) / 16
  }
  const { quality } = monitor
  assert.ok(Math.abs(quality.rtt! - rtt) < 1e-9)
  assert.ok(Math.abs(quality.jitter - jitter) < 1e-9)
  assert.equal(quality.loss, 0)
})

test('loss is the share of the last pings without an answer', () => {
  const { world, monitor } = make(id => (id % 4 === 0 ? null : 30))
  monitor.start()
  world.pass(60_000)
  assert.ok(Math.abs(monitor.quality.loss - 0.25) < 0.05, `${monitor.quality.loss}`)
})

test('the first ping of a connection may come before its key, and is no loss', () => {
  let first = true
  const { world, monitor } = make(() => {
    const answer = first ? null : 30
    first = false
    return answer
  })
  monitor.start()
  world.pass(10_500)
  assert.equal(monitor.quality.loss, 0)
  monitor.stop()
  first = true
  monitor.start()
  world.pass(10_500)
  assert.equal(monitor.quality.loss, 0)
})

test('nothing is silent while answers come', () => {
  const { world, monitor, pings, silences } = make(() => 400)
  monitor.start()
  world.pass(10_500)
  assert.equal(pings.length, 11)
  assert.deepEqual(silences, [])
})

test('silence is noticed soon, probed more often, and reported with its length', () => {
  const { world, monitor, pings, silences } = make(() => null)
  monitor.start()
  world.pass(5000)
  assert.deepEqual(pings.slice(0, 4), [0, 1000, 2000, 2400])
  assert.equal(silences[0], 2000)
  // A client dials beside after three seconds: it must hear of them soon after.
  const first = silences.find(ms => ms >= LIMITS.silentMs)!
  assert.ok(first < LIMITS.silentMs + LIMITS.pingUrgentMs, `${first}`)
  const heard = silences.length
  monitor.received()
  monitor.pong(pings.length)
  world.pass(1000)
  assert.equal(silences.length, heard)
})

test('stopped, it is still; started again, it counts silence from then', () => {
  const { world, monitor, pings, silences } = make(() => null)
  monitor.start()
  world.pass(5000)
  monitor.stop()
  const before = [pings.length, silences.length]
  world.pass(20_000)
  assert.deepEqual([pings.length, silences.length], before)
  monitor.start()
  world.pass(1500)
  assert.equal(silences.length, before[1])
})

test('an answer that was never asked for, or comes twice, counts for nothing', () => {
  const { world, monitor } = make(() => 50)
  monitor.pong(77)
  monitor.start()
  world.pass(500)
  monitor.pong(1)
  assert.equal(monitor.quality.rtt, 50)
})

test('a requested ping is measured on its own, and never takes longer than its time', () => {
  const { world, monitor } = make(id => (id === 2 ? 70 : null))
  monitor.start()
  const trips: (number | null)[] = []
  monitor.ask(rtt => trips.push(rtt))
  monitor.ask(rtt => trips.push(rtt))
  world.pass(69)
  assert.deepEqual(trips, [])
  world.pass(1)
  assert.deepEqual(trips, [70])
  world.pass(LIMITS.answerMs - 71)
  assert.deepEqual(trips, [70])
  world.pass(1)
  assert.deepEqual(trips, [70, null])
  // An answer that comes too late, or twice, is nobody's.
  monitor.pong(3)
  monitor.pong(2)
  assert.deepEqual(trips, [70, null])
  assert.equal(monitor.quality.rtt, null)
})

test('in doubt it asks at once, and what is not answered soon counts as a long silence', () => {
  const { world, monitor, pings, silences } = make(() => null)
  monitor.start()
  world.pass(500)
  monitor.probe()
  assert.deepEqual(pings, [0, 500])
  world.pass(LIMITS.doubtMs + LIMITS.pingUrgentMs)
  assert.ok(silences.at(-1)! >= LIMITS.silentMs, `${silences}`)
})

test('doubt is over with the first answer', () => {
  const { world, monitor, pings, silences } = make(() => 100)
  monitor.start()
  for (let i = 0; i < 5; i++) {
    world.pass(3000)
    monitor.probe()
  }
  world.pass(3000)
  assert.ok(
    silences.every(ms => ms < LIMITS.silentMs),
    `${silences}`
  )
  assert.ok(pings.length < 30, `${pings.length}`)
  monitor.stop()
  monitor.probe()
  assert.equal(world.pass(10_000), false)
})

test('a peer that sends but does not answer is silent, too', () => {
  const { world, monitor, silences } = make(id => (id < 3 ? 10 : null))
  chatter(world, monitor)
  monitor.start()
  world.pass(1000 + LIMITS.deafMs - 100)
  assert.deepEqual(silences, [])
  world.pass(2 * LIMITS.pingMs)
  assert.ok(silences[0]! >= LIMITS.deafMs, `${silences}`)
})

test('a path that loses every fifth packet each way is not deaf', () => {
  const random = new Random(7)
  const lost = (): boolean => random.chance(0.2)
  const { world, monitor, silences } = make(() => (lost() || lost() ? null : 40))
  chatter(world, monitor)
  monitor.start()
  world.pass(3_600_000)
  assert.ok(silences.length <= 10, `${silences.length} times in an hour`)
})

test('answers that take longer than pings are remembered are answers', () => {
  const { world, monitor, silences } = make(() => 3500)
  chatter(world, monitor)
  monitor.start()
  world.pass(60_000)
  assert.deepEqual(silences, [])
})

test('pings before the first answer tell nothing of the path', () => {
  const { world, monitor } = make(id => (id === 1 ? null : 30))
  monitor.start()
  world.pass(10_000)
  assert.equal(monitor.quality.loss, 0)
})

test('the first packet after a silence is told of, and none between two pings', () => {
  const { world, monitor, heard } = make(id => (id > 5 && id < 9 ? null : 30))
  monitor.start()
  world.pass(60_000)
  assert.equal(heard.length, 1)
})
