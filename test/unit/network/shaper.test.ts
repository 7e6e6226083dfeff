import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Direction, type ShapedSession, Shaper } from '../../../src/network/shaper.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

/** 1 and 4 MB/s: a packet of 1000 bytes each 1 ms, and each 0.25 ms. */
const LIMITS = {
  sessionBits: 8_000_000,
  totalBits: 32_000_000,
  burstMs: 20,
  queueMs: 50,
  queuedBytes: 1_000_000
}
const PACKET = 1000
const BURST = 20
const QUEUE = 50

interface Passed {
  readonly name: string
  readonly number: number
  readonly at: number
}

function setup(limits = LIMITS) {
  const clock = new VirtualClock()
  const shaper = new Shaper(clock, limits)
  const passed: Passed[] = []
  /** Packets of a direction carry numbers. */
  const direction = (session: ShapedSession, name: string) => {
    let number = 0
    const one = new Direction(session, packet =>
      passed.push({ name, number: packet.readUInt32LE(), at: clock.now() })
    )
    return {
      one,
      offer(count: number, size = PACKET): void {
        for (let i = 0; i < count; i++) {
          const packet = Buffer.alloc(size)
          packet.writeUInt32LE(number++)
          one.offer(packet.byteLength, () => packet)
        }
      }
    }
  }
  const of = (name: string) => passed.filter(one => one.name === name)
  return { clock, shaper, passed, direction, of }
}

test('what is saved goes at once, what comes too fast waits in its order, what finds the queue full is dropped', () => {
  const { clock, shaper, passed, direction } = setup()
  const a = direction(shaper.session(), 'a')
  a.offer(200)
  assert.equal(passed.length, BURST)
  assert.equal(shaper.queued.used, QUEUE * PACKET)
  clock.run(Number.POSITIVE_INFINITY)
  assert.deepEqual(
    passed.map(({ number }) => number),
    Array.from({ length: BURST + QUEUE }, (_, i) => i)
  )
  assert.equal(shaper.queued.used, 0)
  // One each millisecond.
  for (const [i, { at }] of passed.slice(BURST).entries())
    assert.ok(Math.abs(at - (i + 1)) <= 1, `${i}: ${at}`)
})

test('a packet is kept as it came, though its buffer is used again', () => {
  const { clock, shaper, passed, direction } = setup()
  const a = direction(shaper.session(), 'a')
  a.offer(BURST)
  const packet = Buffer.alloc(PACKET)
  packet.writeUInt32LE(77)
  a.one.offer(PACKET, () => Buffer.from(packet))
  packet.fill(0xff)
  clock.run(Number.POSITIVE_INFINITY)
  assert.equal(passed.at(-1)?.number, 77)
})

test('the directions of a session take turns', () => {
  const { clock, shaper, direction, of } = setup()
  const session = shaper.session()
  const bulk = direction(session, 'bulk')
  const thin = direction(session, 'thin')
  bulk.offer(BURST + QUEUE)
  thin.offer(1, 100)
  clock.run(Number.POSITIVE_INFINITY)
  assert.ok(of('thin')[0]!.at <= 2, `${of('thin')[0]!.at} ms`)
})

test('the sessions take turns when the rate of all is used up, whatever each asks for', () => {
  const { clock, shaper, direction, of } = setup({ ...LIMITS, totalBits: LIMITS.sessionBits })
  const greedy = direction(shaper.session(), 'greedy')
  const modest = direction(shaper.session(), 'modest')
  greedy.offer(BURST + QUEUE)
  modest.offer(10)
  clock.run(Number.POSITIVE_INFINITY)
  assert.equal(of('modest').length, 10)
  assert.ok(of('modest').at(-1)!.at <= 22, `${of('modest').at(-1)!.at} ms`)
  assert.equal(of('greedy').length, BURST + QUEUE)
})

test('one session has no more than its rate while others use none', () => {
  const { clock, shaper, direction, of } = setup()
  const one = direction(shaper.session(), 'one')
  for (let ms = 0; ms < 1000; ms++) {
    one.offer(3)
    clock.at(ms + 1, () => {})
    clock.run(ms + 1)
  }
  const bytes = of('one').length * PACKET
  assert.ok(bytes > 990_000 && bytes <= 1_021_000, `${bytes} bytes in 1 s`)
})

test('what waits in all is bounded, and keeps nobody from what may go at once', () => {
  const { clock, shaper, direction, of } = setup({ ...LIMITS, queuedBytes: 60_000 })
  for (const name of ['a', 'b', 'c']) direction(shaper.session(), name).offer(100)
  // All of a's queue, a part of b's, and the one packet for which there is always room.
  assert.equal(shaper.queued.used, 60_000 + PACKET)
  clock.run(Number.POSITIVE_INFINITY)
  assert.deepEqual(
    ['a', 'b', 'c'].map(name => of(name).length),
    [BURST + QUEUE, BURST + 10, BURST + 1]
  )
  assert.equal(shaper.queued.used, 0)
})

test('what is larger than any packet is dropped, and nothing waits behind it', () => {
  const { clock, shaper, direction, passed } = setup({ ...LIMITS, sessionBits: 100_000 })
  const a = direction(shaper.session(), 'a')
  a.offer(1, 60_000)
  a.offer(1)
  clock.run(Number.POSITIVE_INFINITY)
  assert.deepEqual(
    passed.map(({ number }) => number),
    [1]
  )
})

test('packets keep their order, what waits stays bounded and all of it goes on in the end, whatever comes when', () => {
  const step = fc.record({
    who: fc.integer({ min: 0, max: 5 }),
    count: fc.integer({ min: 0, max: 40 }),
    size: fc.integer({ min: 20, max: 1500 }),
    ms: fc.integer({ min: 0, max: 30 }),
    clear: fc.boolean()
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const { clock, shaper, direction, of } = setup({
        ...LIMITS,
        totalBits: 12_000_000,
        queuedBytes: 100_000
      })
      const sessions = [shaper.session(), shaper.session(), shaper.session()]
      const directions = sessions.flatMap((session, i) => [
        direction(session, `${i}a`),
        direction(session, `${i}b`)
      ])
      for (const { who, count, size, ms, clear } of steps) {
        const chosen = directions[who]!
        if (clear) chosen.one.clear()
        chosen.offer(count, size)
        assert.ok(shaper.queued.used >= 0 && shaper.queued.used <= 100_000 + 6 * 1500)
        clock.run(clock.now() + ms)
      }
      clock.run(Number.POSITIVE_INFINITY)
      assert.equal(shaper.queued.used, 0)
      for (const name of ['0a', '0b', '1a', '1b', '2a', '2b']) {
        const numbers = of(name).map(({ number }) => number)
        assert.deepEqual(
          numbers,
          [...new Set(numbers)].sort((a, b) => a - b)
        )
      }
      // And it goes on.
      for (const { one, offer } of directions) {
        assert.equal(one.next, 0)
        offer(1)
      }
      clock.run(Number.POSITIVE_INFINITY)
      for (const { one } of directions) assert.equal(one.next, 0)
    })
  )
})
