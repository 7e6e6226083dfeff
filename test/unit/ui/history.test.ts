import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History } from '../../../src/ui/page/history.js'
import type { SessionView, View } from '../../../src/ui/wire.js'

function view(at: number, sessions: readonly Partial<SessionView>[]): View {
  const base = {
    id: 'a',
    state: 'up',
    path: 'lan',
    since: 0,
    rtt: 5,
    jitter: 0,
    loss: 0.5,
    bytesIn: 0,
    bytesOut: 0
  } as const
  const client = {
    publicKey: 'k',
    addresses: [],
    games: [],
    warnings: [],
    roster: [],
    sessions: sessions.map(one => ({ ...base, ...one }))
  }
  return {
    at,
    version: '',
    file: '',
    online: true,
    restart: [],
    warnings: [],
    servers: [],
    clients: [client]
  }
}

test('rates are what came between two views', () => {
  const history = new History()
  history.note(view(1000, [{ bytesIn: 500 }]))
  assert.deepEqual(history.of('a'), [])
  history.note(view(3000, [{ bytesIn: 2500, bytesOut: 100 }]))
  // Too soon after the last one to tell a rate.
  history.note(view(3100, [{ bytesIn: 2600, bytesOut: 100 }]))
  history.note(view(4000, [{ bytesIn: 2600, bytesOut: 100, state: 'lost' }]))
  assert.deepEqual(history.of('a'), [
    { at: 3000, rtt: 5, loss: 50, inRate: 1000, outRate: 50 },
    { at: 4000, rtt: null, loss: null, inRate: 100, outRate: 0 }
  ])
})

test('a clock that is set back begins the samples again, a late answer does not', () => {
  const history = new History()
  for (const second of [3600, 3601, 3602]) history.note(view(second * 1000, [{}]))
  history.note(view(3_600_500, [{ bytesIn: 1 }]))
  assert.deepEqual(
    history.of('a').map(({ at }) => at),
    [3_601_000, 3_602_000]
  )
  history.note(view(1000, [{ bytesIn: 500 }]))
  history.note(view(2000, [{ bytesIn: 1500 }]))
  assert.deepEqual(history.of('a'), [{ at: 2000, rtt: 5, loss: 50, inRate: 1000, outRate: 0 }])
})

test('ten minutes are kept, and nothing of sessions that are over', () => {
  const history = new History()
  for (let second = 0; second <= 2000; second++) history.note(view(second * 1000, [{}]))
  assert.equal(history.of('a').length, 600)
  assert.equal(history.of('a').at(-1)?.at, 2_000_000)
  history.note(view(2_001_000, [{ id: 'b' }]))
  assert.deepEqual(history.of('a'), [])
})
