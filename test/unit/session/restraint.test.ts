import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { Restraint } from '../../../src/session/restraint.js'
import { Random } from '../../sim/support/random.js'

/** A game that has just begun. */
function playing(now = 0): Restraint {
  const restraint = new Restraint(LIMITS)
  for (let i = 0; i < LIMITS.gameDatagrams; i++) restraint.datagram(now)
  return restraint
}

/**
 * A link with a queue, and a transfer that keeps as much in flight as it may: at most twice what the link holds without a queue,
 * as UDX does. Pings take what the link's round trip is when they leave, and up to `noise` ms more.
 */
class Line {
  now = 0
  queueSum = 0
  carried = 0
  worst = 0
  #inFlight = 0
  #pings: { at: number; rtt: number }[] = []
  #pingAt = 0

  constructor(
    readonly restraint: Restraint,
    /** Bytes per ms. */
    public rate: number,
    public base: number,
    readonly noise: () => number = () => 0
  ) {
    // Known from before.
    restraint.sample(base, 0)
  }

  pass(ms: number): void {
    const end = this.now + ms
    this.queueSum = 0
    this.carried = 0
    this.worst = 0
    for (; this.now < end; this.now++) this.#step()
    this.queueSum /= ms
    this.carried /= ms * this.rate
  }

  #step(): void {
    const { restraint, rate, base, now } = this
    restraint.datagram(now)
    const pipe = rate * base
    restraint.held(now, restraint.bytes <= 2 * pipe)
    restraint.tick(now)
    // What is in flight already comes out at the link's rate.
    const wanted = Math.min(restraint.bytes, 2 * pipe)
    this.#inFlight = Math.max(wanted, this.#inFlight - rate)
    const queue = Math.max(0, this.#inFlight - pipe) / rate
    this.queueSum += queue
    this.worst = Math.max(this.worst, queue)
    this.carried += Math.min(rate, this.#inFlight / base)
    if (now >= this.#pingAt) {
      this.#pingAt = now + LIMITS.restraintPingMs
      const rtt = base + queue + this.noise()
      this.#pings.push({ at: now + rtt, rtt })
    }
    for (const { at, rtt } of this.#pings) if (at <= now) restraint.sample(rtt, now)
    this.#pings = this.#pings.filter(({ at }) => at > now)
  }
}

test('without a game, or with a datagram now and then, nothing is bounded', () => {
  const restraint = new Restraint(LIMITS)
  for (let now = 0; now < 20_000; now += 400) {
    restraint.datagram(now)
    assert.equal(restraint.held(now, true), false)
  }
  assert.deepEqual([restraint.bytes, restraint.active], [Number.POSITIVE_INFINITY, false])
})

test('a game alone bounds nothing, and is over a while after its last datagram', () => {
  const restraint = playing()
  assert.equal(restraint.active, false)
  assert.equal(restraint.held(LIMITS.gameMs, true), false, 'too late')
  const other = playing()
  assert.equal(other.held(1, true), true)
  assert.equal(other.bytes, LIMITS.restraintStartBytes)
  assert.equal(other.held(2, true), false, 'bounded already')
  for (let now = 0; now < LIMITS.gameMs; now += 100) {
    other.held(now, true)
    other.tick(now)
    assert.equal(other.active, true)
  }
  other.held(LIMITS.gameMs, true)
  other.tick(LIMITS.gameMs)
  assert.deepEqual([other.bytes, other.active], [Number.POSITIVE_INFINITY, false])
})

test('a transfer that is not held up any more is not bounded any more', () => {
  const restraint = playing()
  restraint.held(10, true)
  restraint.tick(10 + LIMITS.restraintIdleMs - 1)
  assert.equal(restraint.active, true)
  restraint.tick(10 + LIMITS.restraintIdleMs)
  assert.equal(restraint.active, false)
})

const RATES = { '1 Mbit/s': 125, '20 Mbit/s': 2500, '200 Mbit/s': 25_000 }

for (const [name, rate] of Object.entries(RATES)) {
  for (const base of [10, 40, 150]) {
    test(`${name}, ${base} ms: a short queue, and most of the link in use`, () => {
      const random = new Random(base)
      const line = new Line(playing(), rate, base, () => random.next() * 2)
      line.pass(6000)
      line.pass(20_000)
      const figures = `mean queue ${line.queueSum.toFixed(1)} ms, worst ${line.worst.toFixed(1)} ms, ${(line.carried * 100).toFixed()} % of the link`
      // What the least bound holds cannot be made shorter.
      const least = Math.max(0, LIMITS.restraintMinBytes / rate - base)
      assert.ok(line.queueSum <= 1.6 * LIMITS.restraintQueueMs + least, figures)
      assert.ok(line.worst <= 3 * LIMITS.restraintQueueMs + least, figures)
      assert.ok(line.carried >= 0.85, figures)
    })
  }
}

test('a path that has become slower, or longer, is found out within two spans', () => {
  const line = new Line(playing(), 2500, 40)
  line.pass(5000)
  line.rate = 625
  line.pass(3000)
  line.pass(3000)
  assert.ok(line.queueSum <= 2 * LIMITS.restraintQueueMs, `${line.queueSum} ms`)
  line.base = 100
  line.pass(2 * LIMITS.restraintBaseMs + 5000)
  line.pass(5000)
  assert.ok(line.carried >= 0.8, `${line.carried}`)
})

test('the next transfer begins with what was good for the last one, for a while', () => {
  const line = new Line(playing(), 2500, 40)
  const { restraint } = line
  line.pass(5000)
  const { bytes } = restraint
  let now = line.now + LIMITS.restraintIdleMs
  const again = (later: number): number => {
    now += later
    restraint.tick(now)
    assert.equal(restraint.bytes, Number.POSITIVE_INFINITY)
    for (let i = 0; i < LIMITS.gameDatagrams; i++) restraint.datagram(now)
    restraint.held(now, true)
    return restraint.bytes
  }
  assert.equal(again(0), bytes)
  assert.equal(again(LIMITS.restraintBaseMs), LIMITS.restraintStartBytes)
})

test('a busy process delays one answer, and nothing is made of it', () => {
  const restraint = playing()
  restraint.held(0, true)
  restraint.sample(40, 50)
  restraint.sample(40, 75)
  const before = restraint.bytes
  assert.equal(before, 2 * LIMITS.restraintStartBytes)
  restraint.held(100, true)
  restraint.sample(40, 125)
  restraint.sample(90, 175)
  assert.equal(restraint.bytes, 2 * before)
})

test('a bound that is not reached does not grow', () => {
  const restraint = playing()
  restraint.held(0, true)
  for (let now = 50; now < 900; now += 25) {
    restraint.held(now, false)
    restraint.sample(40, now)
  }
  assert.equal(restraint.bytes, 2 * LIMITS.restraintStartBytes)
})

test('answers to what was asked before the bound changed do not count', () => {
  const restraint = playing()
  restraint.held(100, true)
  for (let i = 0; i < 10; i++) restraint.sample(40, 120)
  assert.equal(restraint.bytes, LIMITS.restraintStartBytes)
})
