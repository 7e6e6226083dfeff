import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Traffic } from '../../../src/session/traffic.js'

test('what goes through a number that stands for no map takes no memory, and is no map', () => {
  const traffic = new Traffic()
  traffic.learn([{ id: 1, proto: 'udp', port: 7 }])
  const stray = traffic.of(2)
  for (let id = 2; id < 1000; id++) assert.equal(traffic.of(id), stray)
  stray.bytesIn += 5
  assert.deepEqual(
    traffic.list().map(({ port, bytesIn }) => ({ port, bytesIn })),
    [{ port: 7, bytesIn: 0 }]
  )
})

test('a map that gets another number goes on counting', () => {
  const traffic = new Traffic()
  traffic.learn([{ id: 1, proto: 'udp', port: 7 }])
  traffic.of(1).datagramsIn++
  traffic.learn([{ id: 9, proto: 'udp', port: 7 }])
  traffic.of(9).datagramsIn++
  assert.equal(traffic.list().length, 1)
  assert.equal(traffic.list()[0]!.datagramsIn, 2)
})

test('a copy is added to alone', () => {
  const traffic = new Traffic()
  traffic.learn([{ id: 1, proto: 'tcp', port: 7 }])
  traffic.of(1).bytesOut = 3
  const copy = traffic.copy()
  copy.of(1).bytesOut += 4
  assert.equal(copy.list()[0]!.bytesOut, 7)
  assert.equal(traffic.list()[0]!.bytesOut, 3)
})

test('sums of several sessions', () => {
  const sum = new Traffic()
  for (const bytes of [1, 10, 100]) {
    const one = new Traffic()
    one.learn([{ id: bytes, proto: 'tcp', port: 7 }])
    one.of(bytes).bytesIn = bytes
    sum.add(one.list())
  }
  assert.equal(sum.list()[0]!.bytesIn, 111)
})

test('map numbers that keep changing take a bounded amount of memory', () => {
  const traffic = new Traffic()
  const learn = (id: number): void => traffic.learn([{ id, proto: 'tcp', port: 7 }])
  learn(0)
  const tally = traffic.of(0)
  for (let id = 1; id <= 1000; id++) learn(id)
  assert.equal(traffic.of(0), tally, 'a flow that began long ago still counts')
  for (let id = 1001; id <= 100_000; id++) learn(id)
  assert.notEqual(traffic.of(0), tally)
  assert.equal(traffic.of(100_000), tally)
})
