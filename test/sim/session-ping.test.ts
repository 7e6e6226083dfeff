/** Measuring the path through a session, while it is fine, loses packets, and is gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../src/limits.js'
import { connected } from '../support/session-peers.js'

test('a ping takes there and back, from either end', () => {
  const { world, server, client } = connected(1, { delay: 30 })
  const trips: (number | null)[] = []
  client.session!.ping(rtt => trips.push(rtt))
  server.session.ping(rtt => trips.push(rtt))
  world.pass(1000, () => trips.length === 2)
  assert.deepEqual(trips, [60, 60])
})

test('pings count the losses of the path, there and back', () => {
  const { world, client } = connected(2, { delay: 30, loss: 0.2 })
  const trips: (number | null)[] = []
  for (let i = 0; i < 500; i++) {
    client.session!.ping(rtt => trips.push(rtt))
    world.pass(20)
  }
  world.pass(LIMITS.answerMs)
  assert.equal(trips.length, 500)
  const lost = trips.filter(rtt => rtt === null).length / trips.length
  assert.ok(Math.abs(lost - (1 - 0.8 * 0.8)) < 0.07, `${lost}`)
})

test('without a connection there is no answer, and with the next one there is', () => {
  const { world, client } = connected(3, { delay: 30 })
  const trips: (number | null)[] = []
  const ping = (): void => client.session!.ping(rtt => trips.push(rtt))
  ping()
  client.connection!.die()
  world.pass(1)
  assert.deepEqual(trips, [null])
  ping()
  assert.deepEqual(trips, [null, null])
  client.dial()
  world.pass(1000, () => client.session?.state === 'up')
  ping()
  world.pass(60)
  assert.equal(trips[2], 60)
})
