import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../../src/util/turns.js'

/** Adds each of these, `a/b 1` on the path a, b. */
function turnsOf(...items: string[]): Turns<string> {
  const turns = new Turns<string>()
  for (const item of items) turns.add(item.split(' ')[0]!.split('/'), item)
  return turns
}

/** What is left, in the order in which it is taken. */
function taken(turns: Turns<string>): string[] {
  const all: string[] = []
  for (;;) {
    const { size } = turns
    const item = turns.take()
    if (item === undefined) return all
    assert.equal(turns.size, size - 1)
    all.push(item)
  }
}

test('paths take turns, and so do those that go on from one', () => {
  const turns = turnsOf('a 1', 'a 2', 'a 3', 'b/x 1', 'b/x 2', 'b/y 1', 'c 1')
  assert.equal(turns.size, 7)
  assert.deepEqual(taken(turns), ['a 1', 'b/x 1', 'c 1', 'a 2', 'b/y 1', 'a 3', 'b/x 2'])
  assert.equal(turns.size, 0)
})

test('a path that comes again has its turn after those that wait', () => {
  const turns = turnsOf('a 1', 'b 1', 'c 1')
  assert.equal(turns.take(), 'a 1')
  turns.add(['a'], 'a 2')
  assert.deepEqual(taken(turns), ['b 1', 'c 1', 'a 2'])
})

test('the latest of the longest path is dropped', () => {
  const turns = turnsOf('a 1', 'b/x 1', 'b/y 1', 'b/y 2', 'a 2')
  assert.equal(turns.dropFromLongest(), 'b/y 2')
  // Of those that are as long, the one whose turn is last.
  assert.equal(turns.dropFromLongest(), 'b/y 1')
  assert.equal(turns.dropFromLongest(), 'a 2')
  assert.equal(turns.size, 2)
  assert.deepEqual(taken(turns), ['a 1', 'b/x 1'])
  assert.equal(turns.dropFromLongest(), undefined)
  assert.equal(turns.size, 0)
})
