import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { OverSessions } from '../../../../src/client/hosts/over-sessions.js'
import { MAX_OVER } from '../../../../src/wire/constants.js'

const [A, B] = [b4a.alloc(32, 1), b4a.alloc(32, 2)]
const ids = Array.from({ length: MAX_OVER + 1 }, (_, i) => b4a.alloc(16, i))

test('a host is named its own sessions until it has answered', () => {
  const sessions = new OverSessions()
  sessions.add(A, ids[0]!)
  sessions.add(B, ids[1]!)
  assert.deepEqual(sessions.of(A), [ids[0]])
  assert.deepEqual(sessions.of(null), [ids[0], ids[1]])
  const named = sessions.of(null)
  // One that ends while the host answers is named the next time.
  sessions.add(A, ids[2]!)
  sessions.told(A, named)
  assert.deepEqual([sessions.of(A), sessions.of(B)], [[ids[2]], [ids[1]]])
  sessions.forget(B)
  assert.deepEqual(sessions.of(null), [ids[2]])
})

test('the oldest makes room', () => {
  const sessions = new OverSessions()
  for (const id of ids) sessions.add(A, id)
  assert.deepEqual(sessions.of(A), ids.slice(1))
})
