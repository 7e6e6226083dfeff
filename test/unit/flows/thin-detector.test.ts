import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ThinDetector } from '../../../src/flows/thin-detector.js'
import { LIMITS } from '../../../src/limits.js'

/** How often a flow counts as thin that adds bytes at these times, ms. */
function thin(times: Iterable<number>, size: (at: number) => number): number {
  let count = 0
  const detector = new ThinDetector(LIMITS, () => count++)
  for (const at of times) detector.add(size(at), at)
  return count
}

function* every(ms: number, until: number): Generator<number> {
  for (let at = 0; at < until; at += ms) yield at
}

test('a game that sends small messages is thin', () => {
  const count = thin(every(50, 10_000), () => 60)
  assert.ok(count >= 8, `${count} times in 10 s`)
})

test('a game that gets a little more in between is thin', () => {
  const count = thin(every(50, 10_000), at => (at % 500 === 0 ? 8000 : 60))
  assert.ok(count >= 8, `${count} times in 10 s`)
})

test('a flow of typing is thin', () => {
  const count = thin(every(150, 10_000), () => 1)
  assert.ok(count >= 8, `${count} times in 10 s`)
})

test('a transfer is not thin, though its receiver answers with small messages', () => {
  assert.equal(
    thin(every(5, 10_000), at => (at % 20 === 0 ? 13 : 1400)),
    0
  )
})

test('a heartbeat and a burst of small writes are not thin', () => {
  assert.equal(
    thin(every(1000, 30_000), () => 2),
    0
  )
  assert.equal(
    thin(
      [...every(1000, 30_000)].flatMap(at => Array.from({ length: 50 }, (_, i) => at + i / 10)),
      () => 2
    ),
    0
  )
})
