// How the ordered stream is read when a guest is held to a rate.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { RateLimiter } from '../../../src/flows/rate-limiter.js'
import { LIMITS } from '../../../src/limits.js'
import { FrameReader } from '../../../src/session/frame-reader.js'
import { refuseHandshake } from '../../../src/session/handshake.js'
import { Budget } from '../../../src/util/budget.js'
import type { Clock } from '../../../src/util/clock.js'
import { closeFrame, type FrameSink, windowFrame } from '../../../src/wire/frames.js'

/** A reader at 100 frames per 100 ms, under a clock that tests move; `read` counts the frames. */
function setUp(unreadBytes = LIMITS.unreadBytes) {
  const place = { now: 0, read: 0, timers: [] as (() => void)[], frameMs: 0, paused: false, ignored: false }
  const clock: Clock = {
    now: () => place.now,
    after: (_ms, run) => {
      place.timers.push(run)
      return { cancel: () => (place.timers = place.timers.filter(other => other !== run)) }
    }
  }
  const limits = { ...LIMITS, framesPerSecond: 1000, rateBurstMs: 100, unreadBytes }
  const window = (): void => {
    place.read++
    place.now += place.frameMs
  }
  const rateLimiter = new RateLimiter(clock, limits, () => {})
  const link = {
    pause: () => void (place.paused = true),
    resume: () => void (place.paused = false),
    ignore: () => Object.assign(place, { paused: false, ignored: true })
  }
  const reader = () =>
    new FrameReader(
      link,
      { ...refuseHandshake, window } as unknown as FrameSink,
      { clock, rateLimiter },
      run => run()
    )
  return { place, clock, limits, rateLimiter, link, reader }
}

const frames = (count: number): Uint8Array =>
  b4a.concat(Array.from({ length: count }, () => windowFrame(1, 0, 0)))

test('however long a frame takes, one run reads no more than was saved when it began', () => {
  const { place, reader } = setUp()
  // Five times as long as the rate allows.
  place.frameMs = 5
  reader().add(frames(250))
  assert.deepEqual([place.read, place.timers.length], [100, 1])
  place.timers.shift()!()
  assert.deepEqual([place.read, place.timers.length], [200, 1])
  place.timers.shift()!()
  assert.deepEqual([place.read, place.timers.length], [250, 0])
})

test('the link is paused while a frame waits, and until the last of them is read', () => {
  const { place, reader } = setUp()
  const one = reader()
  one.add(frames(100))
  assert.equal(place.paused, false)
  one.add(frames(150))
  assert.deepEqual([place.read, place.paused], [100, true])
  place.now += 100
  place.timers.shift()!()
  assert.deepEqual([place.read, place.paused], [200, true])
  place.now += 100
  place.timers.shift()!()
  assert.deepEqual([place.read, place.paused], [250, false])
  one.add(frames(100))
  assert.equal(place.paused, true)
  assert.equal(place.ignored, false)
  one.close()
  assert.deepEqual([place.paused, place.ignored], [false, true])
})

test('messages without a frame come at the rate of frames', () => {
  const { place, reader } = setUp()
  const one = reader()
  for (let i = 0; i < 100; i++) one.add(new Uint8Array(0))
  assert.equal(place.paused, false)
  one.add(new Uint8Array(0))
  assert.equal(place.paused, true)
  one.add(frames(1))
  assert.equal(place.read, 0)
  place.now += 100
  place.timers.shift()!()
  assert.deepEqual([place.read, place.paused], [1, false])
})

test('what waits is bounded over all connections of a guest, and released as it is read', () => {
  const { place, rateLimiter, reader } = setUp(2000)
  const [first, second] = [reader(), reader()]
  assert.equal(first.add(frames(150)), true)
  // Each takes its 5 bytes and what its objects take.
  for (let i = 0; i < 4; i++) assert.equal(first.add(windowFrame(1, 0, 0)), true)
  assert.equal(second.add(frames(1)), true)
  for (let i = 0; i < 3; i++) assert.equal(second.add(windowFrame(1, 0, 0)), true)
  assert.equal(second.add(windowFrame(1, 0, 0)), false)
  assert.ok(rateLimiter.unread.used <= 2000)
  place.now += 1000
  for (const timer of place.timers.splice(0)) timer()
  place.now += 1000
  for (const timer of place.timers.splice(0)) timer()
  assert.equal(place.read, 150 + 4 + 1 + 3)
  assert.equal(rateLimiter.unread.used, 0)
})

test('what waits counts among all that the guest keeps', () => {
  const { place, clock, limits, link } = setUp()
  const memory = new Budget(1000)
  const rateLimiter = new RateLimiter(
    clock,
    limits,
    () => {},
    () => false,
    memory
  )
  const sink = { ...refuseHandshake, window: () => place.read++ } as unknown as FrameSink
  const reader = new FrameReader(link, sink, { clock, rateLimiter }, run => run())
  reader.add(frames(150))
  assert.equal(reader.add(frames(10)), true)
  assert.ok(memory.used > 256)
  memory.charge(700)
  assert.equal(reader.add(frames(10)), false)
  reader.close()
  assert.equal(memory.used, 700)
})

test('a reader that is closed releases what waits, and reads no more', () => {
  const { place, rateLimiter, reader } = setUp()
  const one = reader()
  one.add(frames(150))
  one.add(frames(50))
  assert.ok(rateLimiter.unread.used > 0)
  one.close()
  assert.deepEqual([rateLimiter.unread.used, place.timers.length, place.read], [0, 0, 100])
})

test('a frame that closes the reader: nothing is released twice', () => {
  const { place, clock, rateLimiter, link } = setUp()
  const sink = { ...refuseHandshake, window: () => place.read++, close: () => reader.close() }
  const reader = new FrameReader(link, sink as unknown as FrameSink, { clock, rateLimiter }, run => run())
  reader.add(frames(150))
  reader.add(frames(10))
  reader.add(closeFrame('GOODBYE', ''))
  reader.add(frames(10))
  place.now += 1000
  for (const timer of place.timers.splice(0)) timer()
  assert.equal(place.read, 100 + 50 + 10)
  assert.equal(rateLimiter.unread.used, 0)
})

test('a CLOSE that waits is found when its connection is over', () => {
  const close = closeFrame('GOODBYE', 'bye')
  const waiting = setUp().reader()
  waiting.add(frames(150))
  assert.equal(waiting.takeClose(), null)
  waiting.add(frames(1))
  waiting.add(close)
  assert.deepEqual(waiting.takeClose(), { code: 'GOODBYE', reason: 'bye' })

  // Nor is one lost for which there is no room.
  const full = setUp(300).reader()
  full.add(frames(150))
  assert.equal(full.add(frames(5)), true)
  assert.equal(full.add(close), false)
  assert.deepEqual(full.takeClose(), { code: 'GOODBYE', reason: 'bye' })

  // One that is malformed is none.
  const odd = setUp().reader()
  odd.add(frames(150))
  odd.add(close.subarray(0, close.length - 1))
  assert.equal(odd.takeClose(), null)
})
