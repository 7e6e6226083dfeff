import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answers, type HostHealth, HostSelector, isDead } from '../../../../src/client/hosts/host-health.js'
import { LIMITS } from '../../../../src/limits.js'
import { PathMonitor } from '../../../../src/session/path-monitor.js'
import { World } from '../../../support/session-peers.js'

interface TestHost extends HostHealth {
  name: string
  rtt: number | null
  connected: boolean
}

function host(name: string, rtt: number | null, at = 0, steadySince = 0): TestHost {
  return { name, rtt, connected: true, heard: { at, steadySince }, firstWelcomeAt: 0 }
}

// --- the choice ---

test('new flows go to the host with the shortest round trip', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const hosts = [host('a', 80), host('b', 20), host('c', 50)]
  assert.equal(choice.pick(hosts, 0)?.name, 'b')
  assert.equal(choice.pick([], 0), null)
})

test('who answered first gives way at once to a better one, which then stays for a while', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const [a, b] = [host('a', 80), host('b', 20)]
  const at = (now: number) => {
    for (const one of [a, b]) Object.assign(one.heard, { at: now })
    return choice.pick([a, b], now)?.name
  }
  assert.equal(choice.pick([a], 0)?.name, 'a')
  assert.equal(at(100), 'b')
  a.rtt = 5
  assert.equal(at(200), 'b', 'not another one every moment')
  assert.equal(at(100 + LIMITS.hostDwellMs - 1), 'b')
  assert.equal(at(100 + LIMITS.hostDwellMs), 'a')
})

test('a little better is not better', () => {
  for (const [chosen, other, expected] of [
    [20, 16, 'a'], // not by so many milliseconds
    [20, 14, 'b'],
    [200, 170, 'a'], // not by such a share
    [200, 150, 'b'],
    [20, null, 'a'] // nothing is known yet
  ] as const) {
    const choice = new HostSelector<TestHost>(LIMITS)
    const [a, b] = [host('a', chosen), host('b', other)]
    choice.pick([a], 0)
    assert.equal(choice.pick([a, b], 0)?.name, expected, `${chosen} ms, ${other} ms`)
  }
})

test('a host that does not answer gives way whatever its round trip, and gets back only after a while', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const [a, b] = [host('a', 10), host('b', 90)]
  assert.equal(choice.pick([a, b], 0)?.name, 'a')
  Object.assign(b.heard, { at: LIMITS.unsteadyMs })
  assert.equal(choice.pick([a, b], LIMITS.unsteadyMs - 1)?.name, 'a')
  assert.equal(choice.pick([a, b], LIMITS.unsteadyMs)?.name, 'b')
  Object.assign(a.heard, { at: LIMITS.unsteadyMs })
  assert.equal(choice.pick([a, b], LIMITS.unsteadyMs + 1)?.name, 'b')
})

test('of hosts that are all silent, one with a connection is preferred', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const [a, b] = [host('a', 10), host('b', 90)]
  a.connected = false
  assert.equal(choice.pick([a, b], 60_000)?.name, 'b')
})

// --- who is dead, by pulses on a virtual clock ---

/** Hosts whose pings are answered, as long as neither the host nor our own path is cut. */
class Scene {
  readonly world = new World(1)
  readonly cut = new Set<string>()
  readonly #hosts = new Map<string, { monitor: PathMonitor; connected: boolean; firstWelcomeAt: number }>()
  away = false

  /** @param phase when its pings begin, ms: pulses of several sessions do not beat together */
  add(name: string, phase = 0): void {
    this.world.pass(phase)
    const { clock } = this.world
    const monitor: PathMonitor = new PathMonitor(clock, LIMITS, {
      answered: () => {},
      ping: id => {
        const answered = (): void => {
          if (this.away || this.cut.has(name)) return
          monitor.received()
          monitor.pong(id)
        }
        if (!this.away && !this.cut.has(name)) clock.after(40, answered)
      },
      silent: () => {}
    })
    this.#hosts.set(name, { monitor, connected: true, firstWelcomeAt: clock.now() })
    monitor.start()
  }

  standing(name: string): HostHealth {
    const { monitor, connected, firstWelcomeAt } = this.#hosts.get(name)!
    return { connected, heard: monitor.lastReceived, rtt: 40, firstWelcomeAt }
  }

  /** Those that are dead now. */
  dead(): string[] {
    const names = [...this.#hosts.keys()]
    return names.filter(name =>
      isDead(
        this.standing(name),
        names.filter(other => other !== name).map(other => this.standing(other)),
        this.world.clock.now(),
        LIMITS
      )
    )
  }

  /** Lets time pass until somebody is dead, looking every 50 ms. @returns how long it took, ms */
  untilDead(max: number): number | null {
    for (let ms = 0; ms <= max; ms += 50) {
      if (this.dead().length > 0) return ms
      this.world.pass(50)
    }
    return null
  }
}

test('a host that is silent while another answers is dead within 4 s', () => {
  const scene = new Scene()
  scene.add('a')
  scene.add('b', 300)
  scene.world.pass(20_000)
  assert.deepEqual(scene.dead(), [])
  scene.cut.add('a')
  const ms = scene.untilDead(60_000)
  assert.deepEqual(scene.dead(), ['a'])
  assert.ok(ms !== null && ms >= 2000 && ms <= 4000, `${ms} ms`)
})

test('a lone host is never dead, however long it is silent', () => {
  const scene = new Scene()
  scene.add('a')
  scene.cut.add('a')
  assert.equal(scene.untilDead(120_000), null)
})

for (const awayMs of [1000, 2000, 2500, 3000, 3500, 4500, 10_000, 60_000]) {
  test(`when our own path is away for ${awayMs} ms, nobody is dead`, () => {
    for (let phase = 0; phase < 1000; phase += 90) {
      const scene = new Scene()
      scene.add('a')
      scene.add('b', phase)
      scene.add('c', 450)
      scene.world.pass(10_000 + phase / 2)
      scene.away = true
      assert.equal(scene.untilDead(awayMs), null, `phase ${phase}`)
      scene.away = false
      assert.equal(scene.untilDead(30_000), null, `phase ${phase}, afterwards`)
    }
  })
}

test('a host that does not come back with the others gets time to find a new path, and is dead then', () => {
  const scene = new Scene()
  scene.add('a')
  scene.add('b', 300)
  scene.world.pass(10_000)
  scene.away = true
  scene.world.pass(10_000)
  scene.away = false
  scene.cut.add('a')
  const ms = scene.untilDead(60_000)
  assert.ok(ms !== null && ms >= LIMITS.deadMs && ms <= LIMITS.deadMs + 1000, `${ms} ms`)
})

test('a host that is met while the only other one is silent has taken its place', () => {
  const scene = new Scene()
  scene.add('a')
  scene.world.pass(10_000)
  scene.cut.add('a')
  scene.world.pass(1000)
  scene.add('a, started again')
  assert.deepEqual(scene.dead(), [])
  const ms = scene.untilDead(10_000)
  assert.ok(ms !== null && ms <= 3000, `${ms} ms`)
  assert.deepEqual(scene.dead(), ['a'])
})

test('only a host with a connection answers', () => {
  assert.equal(answers(host('a', 1), 10, LIMITS), true)
  assert.equal(answers({ ...host('a', 1), connected: false }, 10, LIMITS), false)
})
