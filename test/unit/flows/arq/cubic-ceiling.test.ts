import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CubicCeiling } from '../../../../src/flows/arq/cubic-ceiling.js'

const MTU = 1000

test('without an overflow there is no ceiling', () => {
  const ceiling = new CubicCeiling()
  ceiling.raise(MTU, 40, 1000)
  ceiling.probe(10_000, MTU)
  assert.equal(ceiling.bytes, Number.POSITIVE_INFINITY)
})

test("a cut leaves 0.7, and CUBIC's curve leads back to where the queue was full, not beyond", () => {
  const ceiling = new CubicCeiling()
  ceiling.cut(1000 * MTU, MTU, 200, 0)
  assert.equal(ceiling.bytes, 700 * MTU)
  // K = cbrt(1000 * 0.3 / 0.4) = 9.086 s; half-way the curve is 0.4 * 4.543 ^ 3 = 37.5 packets short.
  ceiling.raise(MTU, 200, 4543)
  assert.ok(Math.abs(ceiling.bytes / MTU - 962.5) < 0.1, `${ceiling.bytes / MTU}`)
  assert.equal(ceiling.hasPassed(1, 9000), false)
  assert.equal(ceiling.hasPassed(1, 9100), true)
  for (const now of [9100, 20_000]) {
    ceiling.raise(MTU, 200, now)
    assert.equal(ceiling.bytes, 1000 * MTU)
  }
})

test("a small window grows like Reno's: 0.53 packets a round", () => {
  const ceiling = new CubicCeiling()
  ceiling.cut(20 * MTU, MTU, 10, 0)
  ceiling.raise(MTU, 10, 50)
  assert.ok(Math.abs(ceiling.bytes / MTU - (14 + (5 * 0.9) / 1.7)) < 0.01, `${ceiling.bytes / MTU}`)
})

test('probing raises it by one packet in the first round, then by 2 and 4', () => {
  const ceiling = new CubicCeiling()
  ceiling.cut(100 * MTU, MTU, 40, 0)
  const grown: number[] = []
  for (let i = 0; i < 3; i++) {
    const before = ceiling.bytes
    ceiling.probe(before, MTU)
    ceiling.endProbeRound()
    grown.push((ceiling.bytes - before) / MTU)
  }
  assert.deepEqual(
    grown.map(packets => Math.round(packets)),
    [1, 2, 4]
  )
})

test('a cut that was a mistake is undone', () => {
  const ceiling = new CubicCeiling()
  ceiling.cut(100 * MTU, MTU, 40, 0)
  ceiling.undo()
  assert.equal(ceiling.bytes, Number.POSITIVE_INFINITY)
})
