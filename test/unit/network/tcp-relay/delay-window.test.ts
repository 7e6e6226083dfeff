import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DelayWindow } from '../../../../src/network/tcp-relay/delay-window.js'

const PACKET = 1400

interface Path {
  /** Bytes per millisecond. */
  rate: number
  /** Round trip without a queue, ms. */
  trip: number
}

/**
 * A sender that always has more to send, over a queue without end.
 * @returns for each second of virtual time, the throughput (bytes per ms) and the longest wait in the queue
 */
function run(path: (second: number) => Path, seconds: number, busy: (ms: number) => boolean = () => true) {
  const window = new DelayWindow()
  const arrivals: { at: number; bytes: number }[] = []
  const result: { rate: number; queueMs: number }[] = []
  let free = 0
  let count = 0
  for (let now = 0; now < seconds * 1000; now++) {
    const second = Math.floor(now / 1000)
    const { rate, trip } = path(second)
    result[second] ??= { rate: 0, queueMs: 0 }
    while (busy(now) && window.ask()) {
      free = Math.max(free, now) + PACKET / rate
      result[second].queueMs = Math.max(result[second].queueMs, free - now)
      window.sent(PACKET, now)
      arrivals.push({ at: free + trip, bytes: PACKET })
    }
    while (arrivals[0] && arrivals[0].at <= now) {
      count += arrivals.shift()!.bytes
      result[second].rate += PACKET / 1000
      assert.ok(window.arrived(count >>> 0, now))
    }
  }
  return result
}

for (const { rate, trip } of [
  { rate: 125, trip: 20 },
  { rate: 2500, trip: 30 },
  { rate: 2500, trip: 200 },
  { rate: 12_500, trip: 5 }
]) {
  test(`fills ${(rate * 8) / 1000} Mbit/s over ${trip} ms with a queue of some 30 ms`, () => {
    const seconds = run(() => ({ rate, trip }), 30)
    for (const { rate: got, queueMs } of seconds.slice(5)) {
      assert.ok(got > 0.75 * rate, `${got} of ${rate}`)
      // The least window is half a dozen packets, which take 65 ms at 1 Mbit/s.
      assert.ok(queueMs < Math.max(90, (8 * 1024) / rate + 60, 0.75 * trip), `${queueMs} ms`)
    }
    const mean = seconds.slice(5).reduce((sum, { rate }) => sum + rate, 0) / 25
    assert.ok(mean > 0.9 * rate, `${mean} of ${rate}`)
  })
}

test('a path that becomes longer or slower is found out', () => {
  const longer = run(second => ({ rate: 2500, trip: second < 5 ? 20 : 120 }), 40)
  for (const { rate } of longer.slice(12)) assert.ok(rate > 1800, `${rate}`)
  const slower = run(second => ({ rate: second < 10 ? 12_500 : 1250, trip: 20 }), 20)
  for (const { queueMs } of slower.slice(15)) assert.ok(queueMs < 250, `${queueMs}`)
})

test('a window that is not used to the full does not grow', () => {
  const window = new DelayWindow()
  for (let now = 0, count = 0; now < 60_000; now += 50) {
    window.sent(PACKET, now)
    count += PACKET
    window.arrived(count, now + 20)
  }
  assert.equal(window.bytes, new DelayWindow().bytes)
})

test('more than was sent cannot have arrived; counts go round at 2^32', () => {
  const window = new DelayWindow()
  window.sent(1000, 0)
  assert.ok(!window.arrived(1001, 1))
  assert.ok(window.arrived(1000, 1))
  let count = 1000
  for (let i = 0; i < 3000; i++) {
    window.sent(2_000_000, i)
    count += 2_000_000
    assert.ok(window.arrived(count >>> 0, i + 1))
    assert.equal(window.underWay, 0)
  }
})
