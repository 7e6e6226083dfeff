// How the ordered stream is read where a guest is held to a rate.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { RateLimiter } from '../../../src/flows/rate-limiter.js'
import { LIMITS } from '../../../src/limits.js'
import { FrameReader } from '../../../src/session/frame-reader.js'
import { refuseHandshake } from '../../../src/session/handshake.js'
import type { Clock } from '../../../src/util/clock.js'
import { pingFrame } from '../../../src/wire/frames.js'
import type { Link } from '../../../src/wire/link.js'

test('however long a frame takes, one go reads no more than was saved when it began', () => {
  let now = 0
  const goes: (() => void)[] = []
  const clock: Clock = {
    now: () => now,
    after: (_ms, run) => {
      goes.push(run)
      return { cancel() {} }
    }
  }
  const limits = { ...LIMITS, framesPerSecond: 1000, rateBurstMs: 100 }
  let read = 0
  let paused = false
  const link = { pause: () => (paused = true), resume: () => (paused = false) } as unknown as Link
  const sink = {
    ...refuseHandshake,
    ping: () => {
      read++
      // Five times as long as the rate allows.
      now += 5
    }
  }
  const outside = { clock, rateLimiter: new RateLimiter(clock, limits, () => {}) }
  const intake = new FrameReader(
    link,
    sink as typeof sink & ConstructorParameters<typeof FrameReader>[1],
    outside,
    run => run(),
    () => true
  )
  intake.add(b4a.concat(Array.from({ length: 250 }, () => pingFrame(1))))
  assert.deepEqual([read, paused, goes.length], [100, true, 1])
  goes.shift()!()
  assert.deepEqual([read, paused, goes.length], [200, true, 1])
  goes.shift()!()
  assert.deepEqual([read, paused, goes.length], [250, false, 0])
})
