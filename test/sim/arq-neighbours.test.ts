/**
 * How the ARQ shares a link of 20 ms each way: with itself, with flows of the kernel, and with a policer. Deterministic: each scene
 * has its seed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QUICK, seeds } from '../support/quick.js'
import { Scene } from './support/scene.js'

for (const loss of [0, 0.02, 0.05]) {
  for (const late of [0, 3000]) {
    test(`two bulk flows at ${loss * 100} % loss, the second ${late / 1000} s later, share within ${late && loss ? '35:65' : '40:60'}`, t => {
      const least = late && loss ? 0.35 : 0.4
      for (const seed of seeds(5, 6, 7)) {
        const scene = new Scene(seed, { loss })
        const a = scene.bulk()
        scene.run(late)
        const b = scene.bulk()
        // One that comes later needs some seconds until it has its half; so does one whose startup losses have ended.
        scene.run(loss === 0.05 || late > 0 ? 10_000 : 1000)
        a.mark()
        b.mark()
        scene.run(10_000)
        const share = a.rate / (a.rate + b.rate)
        t.diagnostic(`seed ${seed}: ${a.rate.toFixed(1)} and ${b.rate.toFixed(1)} Mbit/s`)
        assert.ok(share >= least && share <= 1 - least, `seed ${seed}: ${share}`)
        assert.ok(a.rate + b.rate >= 75)
      }
    })
  }
}

/**
 * The least share of either side beside one flow of the kernel, in the mean of two seeds and of who came first, since single runs differ by
 * chance: the queue in kB, the rate in Mbit/s.
 */
const NEIGHBOURS = [
  ['cubic', 32, 20, 0.3],
  ['cubic', 128, 20, 0.25],
  ['cubic', 512, 20, 0.3],
  ['cubic', 32, 100, 0.25],
  ['cubic', 128, 100, 0.15],
  ['cubic', 512, 100, 0.3],
  ['reno', 32, 20, 0.3],
  ['reno', 128, 20, 0.3],
  ['reno', 512, 20, 0.3],
  ['reno', 32, 100, 0.2],
  ['reno', 128, 100, 0.25],
  ['reno', 512, 100, 0.3],
  ['bbr1', 32, 20, 0.05],
  ['bbr1', 128, 20, 0.3],
  ['bbr1', 512, 20, 0.3],
  ['bbr1', 32, 100, 0.1],
  ['bbr1', 128, 100, 0.1],
  ['bbr1', 512, 100, 0.3]
] as const

for (const [kind, queue, rate, least] of NEIGHBOURS) {
  // Five times as many packets take five times as long.
  if (QUICK && rate > 20) continue
  test(`beside a ${kind} flow, ${rate} Mbit/s and ${queue} kB of queue, neither side has less than ${100 * least} %`, t => {
    const shares: number[] = []
    for (const seed of [8, 9]) {
      for (const first of [true, false]) {
        const scene = new Scene(seed, { queue: queue * 1000, rate })
        const early = first ? scene.tcp(kind) : null
        const before = first ? null : scene.bulk()
        scene.run(4000)
        const tcp = early ?? scene.tcp(kind)
        const bulk = before ?? scene.bulk()
        scene.run(4000)
        bulk.mark()
        const delivered = tcp.delivered
        scene.run(30000)
        const its = ((tcp.delivered - delivered) * 8) / 1000 / 30000
        shares.push(its / (its + bulk.rate))
        t.diagnostic(
          `${kind} ${first ? 'first' : 'second'}: ${its.toFixed(1)}, ours ${bulk.rate.toFixed(1)} Mbit/s`
        )
      }
    }
    const share = shares.reduce((a, b) => a + b) / shares.length
    assert.ok(share >= least && share <= 1 - least, `its share is ${share}`)
  })
}

for (const rate of [20, 50]) {
  for (const burst of [50, 500]) {
    test(`a policer of ${rate} Mbit/s with a bucket of ${burst} kB: few drops, and most of its rate`, t => {
      const scene = new Scene(3, { policer: { rate, burst: burst * 1000 } })
      const bulk = scene.bulk()
      scene.run(5000)
      bulk.mark()
      const { drops, packets } = scene.there
      scene.run(15000)
      const dropped = (scene.there.drops - drops) / (scene.there.packets - packets)
      // What the policer lets through includes headers.
      const wire = (bulk.rate * (1200 + 70)) / 1180
      t.diagnostic(`${wire.toFixed(1)} Mbit/s on the wire, ${(100 * dropped).toFixed(1)} % dropped`)
      assert.ok(dropped < 0.02, `${dropped} of the packets were dropped`)
      assert.ok(wire >= 0.85 * rate, `${wire} Mbit/s`)
    })
  }
}
