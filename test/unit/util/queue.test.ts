import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Queue, QueueNode } from '../../../src/util/queue.js'

test('it is a set in the order of arrival, whatever is done to it', () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'delete', 'take', 'clear', 'move'),
    who: fc.integer({ min: 0, max: 5 })
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const places = Array.from({ length: 6 }, (_, i) => new QueueNode(i))
      const queue = new Queue<number>()
      const other = new Queue<number>()
      const naive = new Set<number>()
      const naiveOther = new Set<number>()
      for (const { what, who } of steps) {
        const place = places[who]!
        if (what === 'add') {
          queue.add(place)
          naive.add(who)
          naiveOther.delete(who)
        } else if (what === 'delete') {
          queue.delete(place)
          naive.delete(who)
        } else if (what === 'take') {
          const first = [...naive][0] ?? null
          assert.equal(queue.take(), first)
          naive.delete(first!)
        } else if (what === 'move') {
          other.add(place)
          naiveOther.add(who)
          naive.delete(who)
        } else {
          queue.clear()
          naive.clear()
        }
        assert.equal(queue.size, naive.size)
        assert.equal(other.size, naiveOther.size)
        for (const [i, each] of places.entries()) assert.equal(queue.has(each), naive.has(i))
      }
      const rest: number[] = []
      for (let item = queue.take(); item !== null; item = queue.take()) rest.push(item)
      assert.deepEqual(rest, [...naive])
    })
  )
})
