import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RelayChoice } from '../../../src/network/relay-choice.js'

const [A, B] = [Uint8Array.of(1), Uint8Array.of(2)]
const REST_MS = 1000

test('none of none', () => {
  assert.equal(new RelayChoice([], REST_MS).pick(0), null)
})

test('the first one, unless it failed of late', () => {
  const choice = new RelayChoice([A, B], REST_MS)
  assert.equal(choice.pick(0), A)
  choice.failed(A, 0)
  assert.equal(choice.pick(1), B)
  assert.equal(choice.pick(REST_MS), A)
  choice.failed(A, REST_MS)
  choice.worked(A)
  assert.equal(choice.pick(REST_MS), A)
})

test('of several that failed the one that has rested longest', () => {
  const choice = new RelayChoice([A, B], REST_MS)
  choice.failed(A, 0)
  choice.failed(B, 100)
  assert.equal(choice.pick(200), A)
  choice.failed(A, 200)
  assert.equal(choice.pick(300), B)
})

test('the only one is tried again at once', () => {
  const choice = new RelayChoice([A], REST_MS)
  choice.failed(A, 0)
  assert.equal(choice.pick(1), A)
})
