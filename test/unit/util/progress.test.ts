import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withProgress } from '../../../src/util/progress.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

function jobs(count: number) {
  const ends: { done: () => void; fail: (err: Error) => void }[] = []
  const all = Array.from(
    { length: count },
    () => new Promise<void>((done, fail) => ends.push({ done, fail }))
  )
  const clock = new VirtualClock()
  const told: number[] = []
  return { clock, ends, told, over: withProgress(all, clock, 100, done => told.push(done)) }
}

test('it is told how many are done, until all are', async () => {
  const { clock, ends, told, over } = jobs(2)
  clock.run(150)
  ends[0]!.done()
  await Promise.resolve()
  clock.run(250)
  ends[1]!.done()
  await over
  clock.run(1000)
  assert.deepEqual(told, [0, 1])
})

test('it fails with the first that does, and tells no more', async () => {
  const { clock, ends, told, over } = jobs(2)
  ends[0]!.fail(new Error('in vain'))
  await assert.rejects(over, { message: 'in vain' })
  clock.run(1000)
  assert.deepEqual(told, [])
})
