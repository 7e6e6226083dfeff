import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Destinations } from '../../../../src/network/tcp-relay/destinations.js'

const LIMITS = { destinationsPerSecond: 10, destinationBurst: 5, destinations: 20, destinationMs: 60_000 }

test('new destinations come at a rate, known ones at any', () => {
  const destinations = new Destinations(LIMITS)
  for (let port = 1; port <= 5; port++) assert.ok(destinations.admit(1, port, 0))
  assert.ok(!destinations.admit(1, 6, 0), 'beyond the burst')
  for (let i = 0; i < 100; i++) assert.ok(destinations.admit(1, 3, i / 10))
  assert.ok(destinations.admit(1, 6, 100), 'a tenth of a second later')
  assert.ok(!destinations.admit(1, 7, 100))
})

test('the table is bounded: the one that was used longest ago makes room', () => {
  const destinations = new Destinations({ ...LIMITS, destinationBurst: 100 })
  for (let port = 1; port <= 20; port++) destinations.admit(1, port, 0)
  destinations.admit(1, 1, 2000)
  for (let port = 21; port <= 30; port++) destinations.admit(1, port, 2000)
  assert.equal(destinations.size, 20)
  // With nothing saved, only what is known passes.
  const full = new Destinations({ ...LIMITS, destinationBurst: 21, destinationsPerSecond: 0 })
  for (let port = 1; port <= 20; port++) full.admit(1, port, 0)
  full.admit(1, 1, 2000)
  full.admit(1, 21, 2000)
  assert.ok(full.admit(1, 1, 2001))
  assert.ok(!full.admit(1, 2, 2001), 'forgotten')
})

test('destinations that are not used are forgotten', () => {
  const destinations = new Destinations(LIMITS)
  destinations.admit(1, 1, 0)
  destinations.admit(1, 2, 30_000)
  destinations.sweep(60_000)
  assert.equal(destinations.size, 1)
  destinations.sweep(90_000)
  assert.equal(destinations.size, 0)
})
