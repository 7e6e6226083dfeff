import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMITS } from '../../../src/limits.js'
import { DelayController } from '../../../src/session/delay-controller.js'
import { Activity } from '../../../src/util/activity.js'
import { Random } from '../../sim/support/random.js'

/** A game that has just begun. */
function playing(now = 0): DelayController {
  const controller = new DelayController(LIMITS)
  for (let i = 0; i < LIMITS.gameDatagrams; i++) controller.onDatagram(now)
  return controller
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
    readonly controller: DelayController,
    /** Bytes per ms. */
    public rate: number,
    public base: number,
    readonly noise: () => number = () => 0
  ) {
    // Known from before.
    controller.onRtt(base, 0)
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
    const { controller, rate, base, now } = this
    controller.onDatagram(now)
    const pipe = rate * base
    controller.onLimited(now, controller.cwndCap <= 2 * pipe)
    controller.tick(now)
    // What is in flight already comes out at the link's rate.
    const wanted = Math.min(controller.capAt(now), 2 * pipe)
    this.#inFlight = Math.max(wanted, this.#inFlight - rate)
    const queue = Math.max(0, this.#inFlight - pipe) / rate
    this.queueSum += queue
    this.worst = Math.max(this.worst, queue)
    this.carried += Math.min(rate, this.#inFlight / base)
    if (now >= this.#pingAt) {
      this.#pingAt = now + LIMITS.delayPingMs
      const rtt = base + queue + this.noise()
      this.#pings.push({ at: now + rtt, rtt })
    }
    for (const { at, rtt } of this.#pings) if (at <= now) controller.onRtt(rtt, now)
    this.#pings = this.#pings.filter(({ at }) => at > now)
  }
}

test('without a game, or with a datagram now and then, nothing is bounded', () => {
  const controller = new DelayController(LIMITS)
  for (let now = 0; now < 20_000; now += 400) {
    controller.onDatagram(now)
    assert.equal(controller.onLimited(now, true), false)
  }
  assert.deepEqual([controller.cwndCap, controller.active], [Number.POSITIVE_INFINITY, false])
})

test('a game alone bounds nothing, and is over a while after its last datagram', () => {
  const controller = playing()
  assert.equal(controller.active, false)
  assert.equal(controller.onLimited(LIMITS.gameMs, true), false, 'too late')
  const other = playing()
  assert.equal(other.onLimited(1, true), true)
  assert.equal(other.cwndCap, LIMITS.delayStartBytes)
  assert.equal(other.onLimited(2, true), false, 'bounded already')
  for (let now = 0; now < LIMITS.gameMs; now += 100) {
    other.onLimited(now, true)
    other.tick(now)
    assert.equal(other.active, true)
  }
  other.onLimited(LIMITS.gameMs, true)
  other.tick(LIMITS.gameMs)
  assert.deepEqual([other.cwndCap, other.active], [Number.POSITIVE_INFINITY, false])
})

test('a transfer that is not held up any more is not bounded any more', () => {
  const controller = playing()
  controller.onLimited(10, true)
  controller.tick(10 + LIMITS.delayIdleMs - 1)
  assert.equal(controller.active, true)
  controller.tick(10 + LIMITS.delayIdleMs)
  assert.equal(controller.active, false)
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
      const least = Math.max(0, LIMITS.delayMinBytes / rate - base)
      assert.ok(line.queueSum <= 1.6 * LIMITS.delayTargetMs + least, figures)
      assert.ok(line.worst <= 3 * LIMITS.delayTargetMs + least, figures)
      assert.ok(line.carried >= 0.85, figures)
    })
  }
}

for (const [where, rate, base, noise] of [
  ['a busy radio', 2500, 20, 30],
  ['a busy computer', 25_000, 1, 20],
  ['a path that others fill', 1250, 30, 200]
] as const) {
  test(`delay that is not of our making does not hold a transfer at the least cap: ${where}`, t => {
    const random = new Random(base)
    const line = new Line(playing(), rate, base, () => noise * (0.2 + 0.8 * random.next()))
    line.pass(6000)
    line.pass(30_000)
    const figures = `mean queue ${line.queueSum.toFixed(1)} ms, ${(line.carried * 100).toFixed()} % of the link`
    t.diagnostic(figures)
    assert.ok(line.carried >= 0.7, figures)
    // What a transfer adds stays a part of what there is without it.
    assert.ok(line.queueSum <= LIMITS.delayTargetMs + noise / 4, figures)
  })
}

test('delay that has gone is not counted on: the queue is short again', () => {
  const random = new Random(7)
  let noise = 40
  const line = new Line(playing(), 2500, 20, () => noise * random.next())
  line.pass(20_000)
  noise = 1
  line.pass(5000)
  line.pass(10_000)
  const figures = `mean queue ${line.queueSum.toFixed(1)} ms, ${(line.carried * 100).toFixed()} % of the link`
  assert.ok(line.queueSum <= 1.6 * LIMITS.delayTargetMs, figures)
  assert.ok(line.carried >= 0.85, figures)
})

test('a path that has become slower, or longer, is found out within two spans', () => {
  const line = new Line(playing(), 2500, 40)
  line.pass(5000)
  line.rate = 625
  line.pass(3000)
  line.pass(3000)
  assert.ok(line.queueSum <= 2 * LIMITS.delayTargetMs, `${line.queueSum} ms`)
  line.base = 100
  line.pass(2 * LIMITS.delayBaseMs + 5000)
  line.pass(5000)
  assert.ok(line.carried >= 0.8, `${line.carried}`)
})

test('the next transfer begins with what was good for the last one, for a while', () => {
  const line = new Line(playing(), 2500, 40)
  const { controller } = line
  line.pass(5000)
  const { cwndCap } = controller
  let now = line.now + LIMITS.delayIdleMs
  const again = (later: number): number => {
    now += later
    controller.tick(now)
    assert.equal(controller.cwndCap, Number.POSITIVE_INFINITY)
    for (let i = 0; i < LIMITS.gameDatagrams; i++) controller.onDatagram(now)
    controller.onLimited(now, true)
    return controller.cwndCap
  }
  assert.equal(again(0), cwndCap)
  assert.equal(again(LIMITS.delayBaseMs), LIMITS.delayStartBytes)
})

test('a busy process delays one answer, and nothing is made of it', () => {
  const controller = playing()
  controller.onLimited(0, true)
  controller.onRtt(40, 50)
  controller.onRtt(40, 75)
  const before = controller.cwndCap
  assert.equal(before, 2 * LIMITS.delayStartBytes)
  controller.onLimited(100, true)
  controller.onRtt(40, 125)
  controller.onRtt(90, 175)
  assert.equal(controller.cwndCap, 2 * before)
})

test('a bound that is not reached does not grow', () => {
  const controller = playing()
  controller.onLimited(0, true)
  for (let now = 50; now < 900; now += 25) {
    controller.onLimited(now, false)
    controller.onRtt(40, now)
  }
  assert.equal(controller.cwndCap, 2 * LIMITS.delayStartBytes)
})

test('answers to what was asked before the bound changed do not count', () => {
  const controller = playing()
  controller.onLimited(100, true)
  for (let i = 0; i < 10; i++) controller.onRtt(40, 120)
  assert.equal(controller.cwndCap, LIMITS.delayStartBytes)
})

test('a game in any session of the node caps the transfers of all, and so does one that the peer tells of', () => {
  const games = new Activity()
  const [playing, bulk, other] = [1, 2, 3].map(() => new DelayController(LIMITS, games))
  assert.equal(bulk!.onLimited(0, true), false)
  for (let i = 0; i < LIMITS.gameDatagrams; i++) playing!.onDatagram(10)
  assert.equal(bulk!.onLimited(20, true), true)
  assert.equal(other!.onLimited(10 + LIMITS.gameMs, true), false, 'the game is over')
  other!.onPeerGame(5000)
  assert.equal(other!.onLimited(5010, true), true)
  other!.tick(5000 + LIMITS.gameMs)
  assert.equal(other!.active, false)
})

/** Transfers of several sessions through one link with one queue; each keeps as much in flight as it may. */
class Shared {
  now = 0
  queue = 0
  readonly carried: number[]
  worst = 0
  readonly #games = new Activity()
  readonly #sessions: { controller: DelayController; since: number; inFlight: number }[]
  #pings: { at: number; rtt: number; controller: DelayController }[] = []

  constructor(
    readonly rate: number,
    readonly base: number,
    /** When each transfer begins, ms. */
    starts: readonly number[],
    readonly noise: () => number
  ) {
    this.#sessions = starts.map(since => ({
      controller: new DelayController(LIMITS, this.#games),
      since,
      inFlight: 0
    }))
    this.carried = starts.map(() => 0)
  }

  pass(ms: number): void {
    const { rate, base } = this
    this.carried.fill(0)
    this.worst = 0
    for (const end = this.now + ms; this.now < end; this.now++) {
      const { now } = this
      this.#games.extend(now + 1000)
      const pipe = rate * base
      let inFlight = 0
      for (const session of this.#sessions) {
        const { controller, since } = session
        if (now % LIMITS.pingMs === 0 || (controller.active && now % LIMITS.delayPingMs === 0)) {
          const rtt = base + this.queue + this.noise()
          this.#pings.push({ at: now + rtt, rtt, controller })
        }
        if (now < since) continue
        controller.onLimited(now, true)
        controller.tick(now)
        const wanted = Math.min(controller.capAt(now), 2 * pipe)
        session.inFlight = Math.max(wanted, session.inFlight - rate / this.#sessions.length)
        inFlight += session.inFlight
      }
      this.queue = Math.max(0, inFlight - pipe) / rate
      this.worst = Math.max(this.worst, this.queue)
      const sent = Math.min(rate, inFlight / base)
      for (const [i, session] of this.#sessions.entries()) {
        if (inFlight > 0) this.carried[i]! += (sent * session.inFlight) / inFlight / (ms * rate)
      }
      for (const { at, rtt, controller } of this.#pings) if (at <= now) controller.onRtt(rtt, now)
      this.#pings = this.#pings.filter(({ at }) => at > now)
    }
  }
}

for (const base of [20, 40, 100]) {
  test(`three sessions that share a queue at ${base} ms keep it short for minutes, and use the line`, () => {
    const random = new Random(base)
    const line = new Shared(2500, base, [1000, 20_000, 50_000], () => random.next() * 2)
    line.pass(60_000)
    for (let minute = 0; minute < 5; minute++) {
      line.pass(60_000)
      const sum = line.carried.reduce((a, b) => a + b)
      const figures = `minute ${minute}: worst ${line.worst.toFixed(1)} ms, shares ${line.carried.map(share => share.toFixed(2))}`
      assert.ok(line.worst <= 4 * LIMITS.delayTargetMs, figures)
      assert.ok(sum >= 0.85, figures)
    }
  })
}
