import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TargetState } from '../../../src/events.js'
import { TARGET_WATCH } from '../../../src/limits.js'
import type { SharedMap } from '../../../src/server/shared-maps.js'
import { TargetWatch } from '../../../src/server/target-watch.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const { closedMs, answeringMs } = TARGET_WATCH

function mapOf(id: number, host = '127.0.0.1'): SharedMap {
  const off = { playerAddresses: false, proxyProtocol: false, duplicate: false }
  return { id, proto: 'tcp', port: 1000 + id, host, ...off }
}

/** A watch over targets that a test opens and closes. */
function scene(...maps: SharedMap[]) {
  const clock = new VirtualClock()
  const states = new Map<number, TargetState>(maps.map(({ id }) => [id, 'closed']))
  const told: string[] = []
  const probes: number[] = []
  const shared = [...maps]
  const watch = new TargetWatch({
    clock,
    maps: () => shared,
    onchange: ({ id }, state) => void told.push(`${id} ${state}`),
    ontcp: ({ id }) => void told.push(`${id} tcp`),
    probe: async ({ port, proto }) => {
      const id = port - 1000
      if (proto === 'udp') return 'unknown'
      probes.push(id)
      return states.get(id)!
    }
  })
  /** Probes are asynchronous: their answers need a turn of the event loop. */
  const after = async (ms: number): Promise<void> => {
    clock.run(clock.now() + ms)
    await new Promise(resolve => setImmediate(resolve))
  }
  return { watch, states, told, probes, shared, after }
}

test('a closed target is told of once, and again when it answers', async () => {
  const map = mapOf(1)
  const { watch, states, told, after } = scene(map)
  assert.equal(watch.of(map), 'unknown')
  watch.check()
  await after(0)
  await after(closedMs)
  assert.deepEqual(told, ['1 closed'])
  states.set(1, 'answers')
  await after(closedMs)
  assert.deepEqual(told, ['1 closed', '1 answers'])
  assert.equal(watch.of(map), 'answers')
})

test('a target that answers from the start is no news; one that closes later is', async () => {
  const { watch, states, told, probes, after } = scene(mapOf(1))
  states.set(1, 'answers')
  watch.check()
  await after(0)
  await after(closedMs)
  assert.deepEqual([told, probes], [[], [1]])
  states.set(1, 'closed')
  await after(answeringMs)
  assert.deepEqual(told, ['1 closed'])
})

test('a target on another computer is not probed again once it answers', async () => {
  const { watch, states, probes, after } = scene(mapOf(1, '192.168.1.20'))
  watch.check()
  await after(0)
  states.set(1, 'answers')
  await after(closedMs)
  assert.deepEqual(probes, [1, 1])
  await after(10 * answeringMs)
  assert.deepEqual(probes, [1, 1])
})

test("what a guest's connection shows counts at once, and starts probing again", async () => {
  const map = mapOf(1, '192.168.1.20')
  const { watch, states, told, after } = scene(map)
  states.set(1, 'answers')
  watch.check()
  await after(0)
  states.set(1, 'closed')
  watch.learn(map, 'closed')
  assert.deepEqual(told, ['1 closed'])
  states.set(1, 'answers')
  await after(closedMs)
  assert.deepEqual(told, ['1 closed', '1 answers'])
})

test('maps that have gone are forgotten, and nothing runs after the end', async () => {
  const [first, second] = [mapOf(1), mapOf(2)]
  const { watch, told, probes, shared, after } = scene(first, second)
  watch.check()
  await after(0)
  shared.splice(0, 1)
  watch.check()
  await after(0)
  assert.equal(watch.of(first), 'unknown')
  probes.length = 0
  await after(closedMs)
  assert.deepEqual(probes, [2])
  watch.close()
  await after(10 * closedMs)
  assert.deepEqual([probes, told], [[2], ['1 closed', '2 closed']])
})

test('a port that is shared over UDP alone, and answers over TCP, is told of once', async () => {
  const udp = (id: number): SharedMap => ({ ...mapOf(id), proto: 'udp' })
  const both = { ...mapOf(2), id: 9 }
  const { watch, states, told, after } = scene(udp(1), udp(2), both, udp(3))
  for (const id of [1, 2]) states.set(id, 'answers')
  states.set(3, 'closed')
  watch.check()
  for (let turn = 0; turn < 5; turn++) await after(0)
  watch.check()
  for (let turn = 0; turn < 5; turn++) await after(0)
  assert.deepEqual(told, ['1 tcp'])
})
