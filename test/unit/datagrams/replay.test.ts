import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ReplayWindow } from '../../../src/datagrams/replay.js'

/** What the window should say, slowly: every counter is kept. */
class Oracle {
  readonly #seen = new Set<number>()
  #newest = -1

  constructor(readonly size: number) {}

  accept(counter: number): boolean {
    if (this.#seen.has(counter) || this.#newest - counter >= this.size) return false
    this.#seen.add(counter)
    this.#newest = Math.max(this.#newest, counter)
    return true
  }
}

/** Counters near the newest, jumps of all sizes, and now and then a very large one. */
const steps = (size: number) =>
  fc.array(
    fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: -8, max: 8 }) },
      { weight: 4, arbitrary: fc.integer({ min: -size - 40, max: size + 40 }) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(-size - 1, -size, -size + 1, size - 1, size, size + 1, 32, -32)
      },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 40 }) }
    ),
    { maxLength: 300 }
  )

for (const size of [32, 64, 256, 8192]) {
  test(`a window of ${size} agrees with one that keeps everything`, () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), steps(size), (start, moves) => {
        const window = new ReplayWindow(size)
        const oracle = new Oracle(size)
        let at = start
        let newest = -1
        for (const move of moves) {
          at = Math.max(0, (move < 0 ? newest : at) + move)
          assert.equal(window.accept(at), oracle.accept(at), `counter ${at}, newest ${newest}`)
          newest = Math.max(newest, at)
        }
      }),
      { numRuns: 500 }
    )
  })
}

test('the last counters that there are', () => {
  const window = new ReplayWindow(8192)
  const last = Number.MAX_SAFE_INTEGER
  assert.ok(window.accept(0))
  assert.ok(window.accept(last))
  assert.ok(!window.accept(last))
  assert.ok(window.accept(last - 8191))
  assert.ok(!window.accept(last - 8192))
  assert.ok(!window.accept(0))
})
