import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MtuPings } from '../../../src/datagrams/mtu-pings.js'
import { MAX_PING_PADDING } from '../../../src/wire/constants.js'

test('each answer brings a ping that fills a larger packet, until a full one of Ethernet must have passed', () => {
  let size = 1200
  const paddings: number[] = []
  const pings = new MtuPings(
    () => size,
    padding => paddings.push(padding)
  )
  pings.answered()
  assert.deepEqual(paddings, [], 'an answer that nobody asked for')
  pings.start()
  for (let answers = 0; answers < 100; answers++) {
    size += 16
    pings.answered()
  }
  assert.deepEqual(paddings.slice(0, 3), [1168, 1184, 1200])
  assert.equal(paddings.length, 25)
  assert.equal(Math.max(...paddings), MAX_PING_PADDING)
})

test('a path without a size is asked with nothing', () => {
  const paddings: number[] = []
  new MtuPings(
    () => 0,
    padding => paddings.push(padding)
  ).start()
  assert.deepEqual(paddings, [0])
})
