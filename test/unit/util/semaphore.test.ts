import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Semaphore } from '../../../src/util/semaphore.js'

test('so many are in at a time, and the others come in their order', async () => {
  const semaphore = new Semaphore(2)
  const places = new Map<string, () => void>()
  const enter = (name: string) => void semaphore.enter().then(leave => places.set(name, leave))
  for (const name of ['a', 'b', 'c', 'd']) enter(name)
  await turn()
  assert.deepEqual([...places.keys()], ['a', 'b'])
  // The place of one that leaves is not free for one that comes at that moment.
  places.get('b')!()
  enter('e')
  await turn()
  assert.deepEqual([...places.keys()], ['a', 'b', 'c'])
  for (const name of ['a', 'c']) places.get(name)!()
  await turn()
  assert.deepEqual([...places.keys()], ['a', 'b', 'c', 'd', 'e'])
  for (const name of ['d', 'e']) places.get(name)!()
  for (const name of ['f', 'g', 'h']) enter(name)
  await turn()
  assert.deepEqual([...places.keys()].slice(5), ['f', 'g'])
})
