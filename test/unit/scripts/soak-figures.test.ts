import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantile, type Sample, sample, slope } from '../../../scripts/soak/figures.js'

const minute = 60_000

function samples(...memory: number[]): Sample[] {
  return memory.map((value, i) => ({ at: i * minute, memory: value, descriptors: 0 }))
}

test('memory that grows is told from memory that goes up and down', () => {
  assert.equal(slope(samples(100, 101, 102, 103)), 60)
  assert.equal(slope(samples(100, 110, 110, 100)), 0)
  assert.ok(slope(samples(110, 105, 101, 100)) < 0)
  assert.equal(slope(samples(100)), 0)
  assert.equal(slope([]), 0)
})

test('a quantile is a value that was measured', () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2)
  assert.equal(quantile([3, 1, 2], 0.99), 3)
  assert.equal(quantile([], 0.5), 0)
})

test('a process that is gone has no sample', { skip: process.platform !== 'linux' && 'reads /proc' }, () => {
  const own = sample(process.pid, 7)!
  assert.equal(own.at, 7)
  assert.ok(own.memory > 10 && own.descriptors > 0)
  assert.equal(sample(2 ** 22 + 1, 0), null)
})
