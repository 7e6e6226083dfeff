/**
 * What the ARQ is for, in figures, on a link of 100 Mbit/s, 20 ms each way and a queue of 512 kB. Deterministic: each
 * scene has its seed. The bounds are the project's targets; what is measured lies well within most of them.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seeds } from '../support/quick.js'
import { Scene } from './support/scene.js'

function bulkRate(seed: number, link: { loss?: number; jitter?: number }, ms = 10000): number {
  const scene = new Scene(seed, link)
  const bulk = scene.bulk()
  bulk.mark()
  scene.run(ms)
  return bulk.rate
}

for (const [loss, least] of [
  [0, 80],
  [0.02, 80],
  [0.05, 70]
] as const) {
  test(`bulk at ${loss * 100} % loss: at least ${least} Mbit/s, the start included`, t => {
    for (const seed of seeds(1, 2, 3)) {
      const rate = bulkRate(seed, { loss })
      t.diagnostic(`seed ${seed}: ${rate.toFixed(1)} Mbit/s`)
      assert.ok(rate >= least, `${rate} Mbit/s`)
    }
  })
}

for (const [delay, rate, least] of [
  [100, 100, 70],
  [150, 100, 60],
  [75, 200, 120],
  [20, 1000, 600]
] as const) {
  test(`a path of ${rate} Mbit/s and ${delay} ms each way, which holds about a window, is filled and not flooded`, t => {
    for (const seed of seeds(1, 2)) {
      const scene = new Scene(seed, { delay, rate })
      const bulk = scene.bulk()
      // The first round trips are short of what the path holds.
      scene.run(4000)
      bulk.mark()
      scene.run(8000)
      const { segmentsSent, retransmits } = bulk.sender.arq!.stats
      const again = retransmits / segmentsSent
      t.diagnostic(`seed ${seed}: ${bulk.rate.toFixed(1)} Mbit/s, ${(100 * again).toFixed(1)} % sent again`)
      assert.ok(bulk.rate >= least, `${bulk.rate} Mbit/s`)
      assert.ok(again <= 0.1, `${again} of the segments were sent again`)
    }
  })
}

test('bulk over 20 ms of jitter, and at 20 % loss, does not collapse', t => {
  for (const [link, least] of [
    [{ jitter: 20 }, 60],
    [{ jitter: 20, loss: 0.05 }, 20],
    [{ loss: 0.2 }, 55],
    [{ jitter: 20, loss: 0.2 }, 5]
  ] as const) {
    const rate = bulkRate(4, link, 20000)
    t.diagnostic(`${JSON.stringify(link)}: ${rate.toFixed(1)} Mbit/s`)
    assert.ok(rate >= least, `${JSON.stringify(link)}: ${rate} Mbit/s`)
  }
})

test('both ways at 20 % loss, a startup that chance has ended early is made up for within 8 s', t => {
  for (const seed of seeds(1, 2, 3, 4, 5, 6)) {
    const scene = new Scene(seed, { loss: 0.2 })
    const { sender, reader } = scene.bulk()
    scene.run(300)
    const chunk = new Uint8Array(65536)
    for (let i = 0; i < 4000; i++) reader.send(chunk)
    scene.run(8000)
    const before = sender.bytesRead
    scene.run(4000)
    const rate = ((sender.bytesRead - before) * 8) / 4e6
    t.diagnostic(`seed ${seed}: ${rate.toFixed(1)} Mbit/s`)
    assert.ok(rate >= 45, `seed ${seed}: ${rate}`)
  }
})

for (const [loss, least] of [
  [0, 80],
  [0.2, 50]
] as const) {
  test(`bulk both ways at ${loss * 100} % loss is as fast on a new path as on the first`, t => {
    for (const seed of seeds(1, 2, 3)) {
      const scene = new Scene(seed, { loss })
      const { sender, reader } = scene.bulk()
      scene.run(1000)
      const chunk = new Uint8Array(65536)
      for (let i = 0; i < 4000; i++) reader.send(chunk)
      scene.run(4000)
      for (const end of [sender, reader]) end.rebind()
      scene.run(4000)
      const before = [sender.bytesRead, reader.bytesRead]
      scene.run(6000)
      const rates = [sender, reader].map((end, i) => ((end.bytesRead - before[i]!) * 8) / 6e6)
      t.diagnostic(`seed ${seed}: ${rates.map(rate => rate.toFixed(1)).join(' and ')} Mbit/s`)
      assert.ok(Math.min(...rates) >= least, `seed ${seed}: ${rates}`)
    }
  })
}

for (const [loss, p99] of [
  [0, 45],
  [0.02, 65],
  [0.05, 80]
] as const) {
  test(`100 bytes every 20 ms at ${loss * 100} % loss: p50 within 2 ms of the round trip, p99 at most ${p99} ms`, t => {
    const scene = new Scene(3, { loss })
    const pings = scene.pings()
    scene.run(60000)
    t.diagnostic(
      `p50 ${pings.percentile(0.5).toFixed(1)} p99 ${pings.percentile(0.99).toFixed(1)} max ${pings.percentile(1).toFixed(1)} ms, ` +
        `${pings.here.bytesOut} bytes for ${pings.sent} messages`
    )
    assert.ok(pings.times.length >= pings.sent - 5, 'answers are missing')
    assert.ok(pings.percentile(0.5) <= 42)
    assert.ok(pings.percentile(0.99) <= p99)
  })
}

test('a bulk flow beside an interactive one: its p99 stays under 120 ms', t => {
  const scene = new Scene(4)
  const pings = scene.pings()
  scene.run(1000)
  const bulk = scene.bulk()
  bulk.mark()
  scene.run(15000)
  t.diagnostic(`bulk ${bulk.rate.toFixed(1)} Mbit/s, p99 ${pings.percentile(0.99).toFixed(1)} ms`)
  assert.ok(pings.percentile(0.99) < 120)
  assert.ok(bulk.rate >= 80)
})

for (const [delay, rate, queue, least] of [
  [10, 100, 16, 78],
  [10, 100, 64, 85],
  [15, 20, 32, 17],
  [20, 2, 64, 1.7],
  [90, 100, 256, 75]
] as const) {
  test(`alone, ${delay} ms each way, ${rate} Mbit/s and ${queue} kB of queue: at least ${least} Mbit/s`, t => {
    const scene = new Scene(3, { delay, rate, queue: queue * 1000 })
    const bulk = scene.bulk()
    scene.run(delay < 50 ? 2000 : 4000)
    bulk.mark()
    scene.run(8000)
    t.diagnostic(`${bulk.rate.toFixed(1)} Mbit/s`)
    assert.ok(bulk.rate >= least, `${bulk.rate} Mbit/s`)
  })
}

test('after 3 s of silence a flow begins with the least window (persistent congestion), and is soon as fast as before', t => {
  const scene = new Scene(10)
  const bulk = scene.bulk()
  scene.run(4000)
  const { window } = bulk.sender.arq!.stats
  for (const link of [scene.there, scene.back]) link.blackoutUntil = scene.clock.now() + 3000
  let least = window
  for (let i = 0; i < 5000; i++) {
    scene.run(1)
    least = Math.min(least, bulk.sender.arq!.stats.window)
  }
  t.diagnostic(`window ${window}, then ${least}`)
  assert.ok(least <= 4 * 1200, `${least}`)
  bulk.mark()
  scene.run(3000)
  t.diagnostic(`${bulk.rate.toFixed(1)} Mbit/s`)
  assert.ok(bulk.rate >= 80)
})

test('where the path is silent for a moment every 2 s, a flow does not go on asking in just those moments', () => {
  for (const seed of seeds(11, 12, 13, 14, 15)) {
    const scene = new Scene(seed)
    const [sender, reader] = scene.pair()
    const silent = (ms: number) => {
      for (const link of [scene.there, scene.back]) link.blackoutUntil = scene.clock.now() + ms
    }
    scene.run(1000)
    silent(30_000)
    sender.send(new Uint8Array(1000))
    scene.run(20_000)
    // Its timer has backed off to the longest it knows; from its next probe on, silence comes in step with it.
    const next = sender.arq!.nextUpdate()
    scene.run(next - 100 - scene.clock.now())
    for (let i = 0; i < 10; i++) {
      silent(300)
      scene.run(2000)
    }
    assert.equal(reader.bytesRead, 1000, `seed ${seed}`)
  }
})

test('a reader that has stalled is asked ever more rarely, and goes on as soon as it reads', t => {
  for (const delay of [0.1, 20]) {
    const scene = new Scene(6, { delay })
    const { sender, reader } = scene.bulk()
    scene.run(1000)
    reader.stalled = true
    scene.run(10_000)
    const before = sender.segmentsOut
    scene.run(60_000)
    const probes = sender.segmentsOut - before
    t.diagnostic(`${probes} probes in a minute at ${2 * delay} ms`)
    assert.ok(probes >= 10 && probes <= 40, `${probes}`)
    reader.stalled = false
    reader.readable()
    const read = reader.bytesRead
    scene.run(1000)
    assert.ok(reader.bytesRead > read + 1_000_000, `${reader.bytesRead - read} bytes in a second`)
  }
})

test('coarse timers: updates that come 5 ms late cost little', t => {
  const scene = new Scene(9)
  const bulk = scene.bulk({ granularity: 5 })
  bulk.mark()
  scene.run(10000)
  t.diagnostic(`${bulk.rate.toFixed(1)} Mbit/s`)
  assert.ok(bulk.rate >= 75)
})
