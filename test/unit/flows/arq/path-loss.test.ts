import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PathLoss } from '../../../../src/flows/arq/path-loss.js'

test("what is lost of slow packets is the path's own loss, and so no congestion", () => {
  const loss = new PathLoss()
  for (let i = 0; i < 10; i++) loss.note(100, 5, 400)
  assert.equal(loss.rate, 0.05)
  assert.equal(loss.isCongestion(20, 400), false)
  assert.equal(loss.isExcess(0.05, 400), false)
  assert.equal(loss.isCongestion(120, 400), true)
  assert.equal(loss.isExcess(0.25, 400), true)
})

test('another flow that overflows the queue during some batches does not pass for loss of the path', () => {
  const loss = new PathLoss()
  loss.note(150, 0, 400)
  loss.note(150, 30, 400)
  assert.equal(loss.rate, 0)
  assert.equal(loss.isCongestion(10, 400), true)
})

test('loss that begins is learnt once every batch shows it, and loss that ends at once', () => {
  const loss = new PathLoss()
  loss.note(150, 0, 400)
  for (let i = 0; i < 4; i++) loss.note(150, 15, 400)
  assert.equal(loss.rate, 0.1)
  loss.note(150, 0, 400)
  assert.equal(loss.rate, 0)
})
