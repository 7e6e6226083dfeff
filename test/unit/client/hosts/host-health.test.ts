import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answers, type HostHealth, HostSelector, replaced } from '../../../../src/client/hosts/host-health.js'
import { LIMITS } from '../../../../src/limits.js'

interface TestHost extends HostHealth {
  name: string
  rtt: number | null
  connected: boolean
  lastReceived: number
}

function host(name: string, rtt: number | null, lastReceived = 0): TestHost {
  return { name, rtt, connected: true, lastReceived, receivedAt: lastReceived, startedAt: 0 }
}

// --- the choice ---

test('new flows go to the host with the shortest round trip', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const hosts = [host('a', 80), host('b', 20), host('c', 50)]
  assert.equal(choice.pick(hosts, 0)?.name, 'b')
  assert.equal(choice.pick([], 0), null)
})

test('the first host gives way at once to a better one, which then stays for a while', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const [a, b] = [host('a', 80), host('b', 20)]
  const at = (now: number) => {
    for (const one of [a, b]) one.lastReceived = now
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
  b.lastReceived = LIMITS.unsteadyMs
  assert.equal(choice.pick([a, b], LIMITS.unsteadyMs - 1)?.name, 'a')
  assert.equal(choice.pick([a, b], LIMITS.unsteadyMs)?.name, 'b')
  a.lastReceived = LIMITS.unsteadyMs
  assert.equal(choice.pick([a, b], LIMITS.unsteadyMs + 1)?.name, 'b')
})

test('of hosts that are all silent, one with a connection is preferred', () => {
  const choice = new HostSelector<TestHost>(LIMITS)
  const [a, b] = [host('a', 10), host('b', 90)]
  a.connected = false
  assert.equal(choice.pick([a, b], 60_000)?.name, 'b')
})

// --- who was started again ---

/** The names of those that were, at 60 s; something was last received from each host at a time, and it was started at one. */
function replacedAt60(
  hosts: Readonly<Record<string, { lastReceived: number; receivedAt?: number; startedAt: number }>>
): string[] {
  const all = Object.entries(hosts).map(([name, times]) => ({
    ...host(name, 10, times.lastReceived),
    ...times
  }))
  return replaced(all, 60_000, LIMITS).map(({ name }) => name)
}

const NOW = 60_000

test('a host that is silent waits, however long, whether others answer or not', () => {
  const old = { lastReceived: NOW, startedAt: 0 }
  for (const lastReceived of [NOW - LIMITS.silentMs, 10_000, 0]) {
    assert.deepEqual(replacedAt60({ a: { lastReceived, startedAt: 0 } }), [])
    assert.deepEqual(replacedAt60({ a: { lastReceived, startedAt: 0 }, b: old, c: old }), [])
    assert.deepEqual(
      replacedAt60({ a: { lastReceived, startedAt: 0 }, b: { lastReceived, startedAt: 0 } }),
      []
    )
  }
})

test('a host that was started since one fell silent has taken its place', () => {
  const fresh = { lastReceived: NOW, startedAt: NOW - 1000 }
  const silent = { lastReceived: NOW - LIMITS.silentMs, startedAt: 0 }
  assert.deepEqual(replacedAt60({ a: silent, b: fresh }), ['a'])
  assert.deepEqual(replacedAt60({ a: silent, b: fresh, c: { lastReceived: NOW, startedAt: 0 } }), ['a'])
  assert.deepEqual(
    replacedAt60({ a: { ...silent, lastReceived: silent.lastReceived + 1 }, b: fresh }),
    [],
    'a little later'
  )
  assert.deepEqual(replacedAt60({ a: silent, b: { ...fresh, startedAt: silent.lastReceived } }), [], 'before')
  assert.deepEqual(
    replacedAt60({ a: { ...silent, receivedAt: fresh.startedAt }, b: fresh }),
    [],
    'a ping went unanswered before it fell silent'
  )
})

test('of two silent hosts with one new one nobody is given up: either may come back', () => {
  const fresh = { lastReceived: NOW, startedAt: NOW - 1000 }
  const silent = { lastReceived: NOW - 5000, startedAt: 0 }
  assert.deepEqual(replacedAt60({ a: silent, b: silent, c: fresh }), [])
  assert.deepEqual(
    replacedAt60({ a: silent, b: { ...silent, lastReceived: NOW - LIMITS.unsteadyMs }, c: fresh }),
    []
  )
  assert.deepEqual(replacedAt60({ a: silent, b: silent, c: fresh, d: fresh }), ['a', 'b'])
})

test('only a host with a connection answers', () => {
  assert.equal(answers(host('a', 1), 10, LIMITS), true)
  assert.equal(answers({ ...host('a', 1), connected: false }, 10, LIMITS), false)
})
