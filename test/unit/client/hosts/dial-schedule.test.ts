import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DialSchedule, type ScheduledHost } from '../../../../src/client/hosts/dial-schedule.js'
import { LIMITS } from '../../../../src/limits.js'
import { VirtualClock } from '../../../sim/support/virtual-clock.js'

type TestHost = {
  -readonly [K in 'session' | 'answers' | 'proven' | 'seenAt' | 'dialAt']: ScheduledHost[K]
}

/** A schedule with hosts that never answer a dial. */
class Bench {
  readonly clock = new VirtualClock()
  readonly hosts: (TestHost & ScheduledHost)[] = []
  readonly dialled: number[] = []
  held = false
  full = false
  readonly schedule = new DialSchedule<ScheduledHost>({
    clock: this.clock,
    limits: LIMITS,
    hosts: () => this.hosts,
    held: () => this.held,
    full: () => this.full,
    forget: host => this.hosts.splice(this.hosts.indexOf(host as TestHost & ScheduledHost), 1)
  })

  add(proven: boolean): TestHost & ScheduledHost {
    const n = this.hosts.length
    const dialler = {
      busy: false,
      dial: () => {
        this.dialled.push(n)
        dialler.busy = true
      }
    }
    const host = { session: null, answers: false, proven, seenAt: 0, dialAt: 0, dialler }
    this.hosts.push(host as unknown as TestHost & ScheduledHost)
    return this.hosts.at(-1)!
  }
}

test('hosts that have not proved to be hosts are dialled a few at a time, proven ones all', () => {
  const bench = new Bench()
  for (let i = 0; i < 2 * LIMITS.hostDials; i++) bench.add(false)
  for (let i = 0; i < 5; i++) bench.add(true)
  bench.schedule.run()
  assert.equal(bench.dialled.length, LIMITS.hostDials + 5)
})

test('while the shared key is dialled only hosts with a session are', () => {
  const bench = new Bench()
  bench.held = true
  bench.add(true)
  const known = bench.add(true)
  known.session = {} as NonNullable<ScheduledHost['session']>
  bench.schedule.run()
  assert.deepEqual(bench.dialled, [1])
  bench.held = false
  bench.clock.run(LIMITS.redialMs + 1)
  assert.deepEqual(bench.dialled, [1, 0])
})

test('a host is dialled when it is due, and one that is away for too long is forgotten', () => {
  const bench = new Bench()
  bench.full = true
  const host = bench.add(true)
  bench.schedule.later(host, 500)
  bench.clock.run(499)
  bench.full = false
  assert.deepEqual(bench.dialled, [])
  bench.clock.run(501)
  assert.deepEqual(bench.dialled, [0])
  const late = bench.add(true)
  late.dialAt = Number.POSITIVE_INFINITY
  bench.clock.after(LIMITS.hostForgetMs, () => {})
  bench.clock.run(LIMITS.hostForgetMs)
  bench.schedule.run()
  assert.ok(!bench.hosts.includes(late))
})
