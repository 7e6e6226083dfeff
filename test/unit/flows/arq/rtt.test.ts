import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Rtt } from '../../../../src/flows/arq/rtt.js'

test('the first sample is taken as it is, whatever delay the peer reports (RFC 9002 5.3)', () => {
  const rtt = new Rtt()
  rtt.sample(40, 6)
  assert.equal(rtt.latest, 40)
  assert.equal(rtt.smoothed, 40)
  assert.equal(rtt.least, 40)
})

test('a reported ack delay does not lower the least round trip (RFC 9002 5.2)', () => {
  const rtt = new Rtt()
  rtt.sample(40, 0)
  for (const elapsed of [45, 46, 44]) rtt.sample(elapsed, 6)
  assert.equal(rtt.least, 40)
  assert.equal(rtt.latest, 44, '44 - 6 is below the least, so the delay is not taken off')
})

test('an ack delay is taken off later samples, up to what the peer may wait', () => {
  const rtt = new Rtt()
  rtt.sample(40, 0)
  rtt.sample(60, 4)
  assert.equal(rtt.latest, 56)
  rtt.sample(100, 1000)
  assert.equal(rtt.latest, 94)
})
