import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UdpFlows } from '../../../src/flows/udp.js'

function make(max: number, idleMs: number) {
  const forgotten: string[] = []
  const limits = { udpFlows: max, udpEvictMs: 5000, udpIdleSeconds: idleMs / 1000 }
  const flows = new UdpFlows<string, number>(limits, (key, value, cause) =>
    forgotten.push(`${key}=${value} ${cause}`)
  )
  return { flows, forgotten }
}

test('a flow is found until it has been idle for its time', () => {
  const { flows, forgotten } = make(10, 60_000)
  flows.add('a', 1, 0)
  assert.equal(flows.touch('a', 50_000), 1)
  flows.sweep(100_000)
  assert.equal(flows.touch('a', 100_000), 1)
  flows.sweep(160_000)
  assert.equal(flows.touch('a', 160_000), undefined)
  assert.deepEqual(forgotten, ['a=1 idle'])
})

test('a flow is not forgotten before its idle time, also where that is short', () => {
  const { flows, forgotten } = make(10, 1000)
  flows.add('a', 1, 0)
  flows.touch('a', 900)
  flows.sweep(1000)
  assert.deepEqual(forgotten, [], 'it was active 100 ms ago')
})

test('the one idle longest makes room', () => {
  const { flows, forgotten } = make(3, 60_000)
  flows.add('a', 1, 0)
  flows.add('b', 2, 0)
  flows.add('c', 3, 0)
  assert.ok(flows.makeRoom(0) === false, 'all are in use')
  flows.touch('a', 5000)
  for (const [key, value, now] of [
    ['d', 4, 6000],
    ['e', 5, 7000]
  ] as const) {
    assert.ok(flows.makeRoom(now))
    flows.add(key, value, now)
  }
  assert.deepEqual(forgotten, ['b=2 full', 'c=3 full'])
  assert.deepEqual(flows.values().sort(), [1, 4, 5])
})

test('a flow in use makes no room, however many others want one', () => {
  const { flows, forgotten } = make(3, 60_000)
  for (const [i, key] of ['a', 'b', 'c'].entries()) flows.add(key, i, 0)
  for (let now = 0; now < 20_000; now += 100) {
    for (const key of ['a', 'b', 'c']) flows.touch(key, now)
    assert.equal(flows.makeRoom(now + 99), false)
  }
  assert.deepEqual(forgotten, [])
  assert.equal(flows.makeRoom(24_899), false)
  assert.equal(flows.makeRoom(24_900), true)
  assert.deepEqual(forgotten, ['a=0 full'])
})

test('clearing tells of each', () => {
  const { flows, forgotten } = make(3, 60_000)
  flows.add('a', 1, 0)
  flows.add('b', 2, 0)
  flows.delete('a')
  flows.clear()
  assert.deepEqual(forgotten, ['b=2 closed'])
  assert.equal(flows.size, 0)
})

test('never more than its size, and none is forgotten twice or lost', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 3000 })), {
        maxLength: 200
      }),
      steps => {
        const alive = new Set<number>()
        const limits = { udpFlows: 8, udpEvictMs: 2000, udpIdleSeconds: 10 }
        const flows = new UdpFlows<number, number>(limits, key => assert.ok(alive.delete(key), 'twice'))
        let now = 0
        for (const [key, wait] of steps) {
          now += wait
          if (flows.touch(key, now) === undefined) {
            assert.ok(!alive.has(key), 'lost')
            if (flows.makeRoom(now)) {
              flows.add(key, key, now)
              alive.add(key)
            }
          }
          if (wait % 3 === 0) flows.sweep(now)
          assert.ok(flows.size <= 8)
          assert.deepEqual(new Set(flows.values()), alive)
        }
      }
    ),
    { numRuns: 200 }
  )
})
