import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HandshakeLimiter } from '../../../src/access/handshakes.js'

const LIMITS = {
  handshakeBurst: 20,
  handshakesPerMinute: 60,
  addressHandshakesPerMinute: 6,
  handshakeSources: 100
}

/** How many of `count` handshakes are answered that come every `everyMs`. */
function answered(
  handshakes: HandshakeLimiter,
  source: (i: number) => Parameters<HandshakeLimiter['admits']>[0],
  count: number,
  everyMs: number,
  from = 0
): number {
  let sum = 0
  for (let i = 0; i < count; i++) if (handshakes.admits(source(i), from + i * everyMs)) sum++
  return sum
}

test('a flood from one address is held to its rate, and others do not notice', () => {
  const handshakes = new HandshakeLimiter(LIMITS)
  assert.equal(
    answered(handshakes, () => ({ address: '192.0.2.1' }), 1000, 0),
    6
  )
  assert.ok(handshakes.admits({ address: '192.0.2.2' }, 0))
  // A minute of it: 6 that were saved are gone, 6 that come.
  assert.equal(
    answered(handshakes, () => ({ address: '192.0.2.1' }), 6000, 10, 10),
    6
  )
})

test('a flood from many addresses is held to the rate of all strangers', () => {
  const handshakes = new HandshakeLimiter(LIMITS)
  const everybody = (i: number) => ({ address: `192.0.2.${i}` })
  assert.equal(answered(handshakes, everybody, 1000, 0), 20, 'as many as there may be at once')
  assert.equal(answered(handshakes, everybody, 1001, 30, 1), 30, 'then one a second')
})

test('a guest whom the server knows is admitted during any flood of strangers, at a rate of its own', () => {
  const handshakes = new HandshakeLimiter(LIMITS)
  answered(handshakes, i => ({ address: `192.0.2.${i}` }), 1000, 0)
  assert.equal(handshakes.admits({ address: '198.51.100.1' }, 0), false)
  assert.equal(
    answered(handshakes, () => ({ key: 'aa' }), 100, 0),
    6
  )
  assert.equal(
    answered(handshakes, () => ({ key: 'bb' }), 100, 0),
    6
  )
  // A replayed handshake of somebody known uses up what this one may, not what others may.
  assert.equal(handshakes.admits({ key: 'aa' }, 0), false)
  assert.equal(handshakes.admits({ key: 'aa' }, 10_000), true)
})

test('no more sources are remembered than there may be', () => {
  const handshakes = new HandshakeLimiter({
    ...LIMITS,
    handshakesPerMinute: 1e9,
    handshakeBurst: 1e9,
    handshakeSources: 2
  })
  for (let i = 0; i < 6; i++) handshakes.admits({ address: 'a' }, 0)
  assert.equal(handshakes.admits({ address: 'a' }, 0), false)
  handshakes.admits({ address: 'b' }, 0)
  assert.equal(handshakes.admits({ address: 'a' }, 0), false, 'still known')
  handshakes.admits({ address: 'b' }, 0)
  handshakes.admits({ address: 'c' }, 0)
  assert.equal(handshakes.admits({ address: 'a' }, 0), true, 'the one that came longest ago was forgotten')
})
