import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BASE_MTU, PathMtu } from '../../../src/datagrams/path-mtu.js'
import { LIMITS } from '../../../src/limits.js'
import { Random } from '../../sim/support/random.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

/** A path that answers pings in packets up to its MTU. */
class Path {
  readonly clock = new VirtualClock()
  readonly changes: number[] = []
  readonly confirmed: boolean[] = []
  probes = 0
  loss = 0
  dead = false
  readonly mtu: PathMtu
  readonly #random = new Random(1)

  constructor(
    public carries: number,
    readonly rtt = 40
  ) {
    const answer = (id: number, size: number): void => {
      if (this.dead || size > this.carries || this.#random.next() < this.loss) return
      this.clock.after(this.rtt, () => this.mtu.onPong(id))
    }
    this.mtu = new PathMtu(this.clock, LIMITS, {
      probe: (id, size) => {
        this.probes++
        answer(id, size)
      },
      ping: id => answer(id, 100),
      changed: () => this.changes.push(this.mtu.size),
      confirmed: passed => this.confirmed.push(passed)
    })
    this.mtu.start()
  }

  pass(ms: number): void {
    this.clock.run(this.clock.now() + ms)
  }

  /** Large datagrams are sent, one every 10 ms. */
  send(ms: number): void {
    for (let at = 0; at < ms; at += 10) {
      this.mtu.onLargeSent()
      this.pass(10)
    }
  }
}

for (const [carries, found] of [
  [1200, 1200],
  [1279, 1200],
  [1280, 1280],
  [1420, 1420],
  [1491, 1480],
  [1492, 1492],
  [1500, 1500],
  [9000, 2076]
] as const) {
  test(`a path that carries ${carries} bytes is used up to ${found}`, () => {
    const path = new Path(carries)
    path.pass(5000)
    assert.equal(path.mtu.size, found)
    for (const size of path.changes) assert.ok(size <= carries, `${size}`)
  })
}

test("Ethernet's size is found in one round trip", () => {
  const path = new Path(1500)
  path.pass(path.rtt)
  assert.equal(path.mtu.size, 1500)
})

for (const rtt of [1, 40, 150]) {
  const bound = 5 * rtt + 400
  test(`a path of ${rtt} ms that shrinks while large datagrams are sent is noticed within ${bound} ms`, () => {
    const path = new Path(1500, rtt)
    path.pass(5000)
    path.carries = 1280
    path.send(bound + 20)
    assert.ok(path.changes.includes(BASE_MTU), `${path.changes}`)
    assert.ok(path.mtu.size <= 1280)
    assert.ok(path.confirmed.filter(passed => !passed).length >= 5)
    path.send(5000)
    assert.equal(path.mtu.size, 1280)
  })
}

test('a path that widens again is used again after a while', () => {
  const path = new Path(1500)
  path.pass(5000)
  path.carries = 1280
  path.send(3000)
  path.carries = 1500
  path.pass(LIMITS.mtuRaiseMs + 1000)
  assert.equal(path.mtu.size, 1500)
})

test('a path that is dead for a while is not taken for a smaller one', () => {
  const path = new Path(1500)
  path.pass(5000)
  path.dead = true
  path.send(10_000)
  path.dead = false
  path.send(1000)
  assert.deepEqual([path.mtu.size, path.changes.includes(BASE_MTU)], [1500, false])
})

test('a lossy path is hardly ever taken for a smaller one', () => {
  const path = new Path(1500)
  path.pass(5000)
  path.loss = 0.05
  path.send(60 * 60_000)
  assert.deepEqual([path.mtu.size, path.changes.includes(BASE_MTU)], [1500, false])
})

test('a path that loses a fifth of all packets may be taken for a smaller one, and recovers', () => {
  const path = new Path(1500)
  path.pass(5000)
  path.loss = 0.2
  path.send(10 * 60_000)
  const shrunk = path.changes.filter(size => size === BASE_MTU).length
  assert.ok(shrunk <= 4, `${shrunk} times`)
  path.loss = 0
  path.send(LIMITS.mtuRaiseMs + 10_000)
  assert.equal(path.mtu.size, 1500)
})

test('an idle path is left alone but for a rare search upwards', () => {
  const path = new Path(1500)
  path.pass(5000)
  const before = path.probes
  path.pass(LIMITS.mtuRaiseMs * 10)
  assert.ok(path.probes - before <= 40, `${path.probes - before} probes`)
})

test('a new path is searched from the base, and an answer of the old one tells nothing', () => {
  const path = new Path(1500)
  path.pass(5000)
  path.carries = 1200
  path.mtu.start()
  assert.equal(path.mtu.size, BASE_MTU)
  path.pass(5000)
  assert.equal(path.mtu.size, BASE_MTU)
  path.mtu.stop()
  const { probes } = path
  path.pass(100_000)
  assert.equal(path.probes, probes)
})
