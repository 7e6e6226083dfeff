import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LIMITS } from '../../../../src/limits.js'
import { type Log, silentLog } from '../../../../src/log/log.js'
import { Fallback } from '../../../../src/network/tcp-relay/fallback.js'
import { RelayedUdx } from '../../../../src/network/tcp-relay/relayed-udx.js'
import { systemClock } from '../../../../src/util/clock.js'
import { until } from '../../../support/deadline.js'
import { address, LOOPBACK, relay } from '../../../support/tcp-relay.js'

const TIMES = { ...LIMITS, udpSilentMs: 200, udpBlockedMs: 50, udpRetryMs: 300 }

/** A fallback for which UDP works or not, as the test says. */
function scene(
  t: TestContext,
  relays: readonly string[],
  times: Partial<typeof TIMES> = {},
  log: Log = silentLog
) {
  const changes: string[] = []
  const world = { udp: false, probes: 0, ended: 0, pauses: [] as number[] }
  const udx = new RelayedUdx()
  const fallback = new Fallback({
    udx,
    relays,
    nodes: () => [],
    clock: systemClock,
    limits: { ...TIMES, ...times },
    log,
    onchange: change => changes.push(change),
    probe: async () => {
      if (world.probes++ > 0) world.pauses.push(performance.now() - world.ended)
      await new Promise(resolve => setImmediate(resolve))
      world.ended = performance.now()
      return world.udp
    }
  })
  t.after(() => fallback.close())
  return { fallback, udx, world, changes }
}

test('where UDP works no relay is connected to', async t => {
  const endpoint = await relay(t)
  const { fallback, world, changes } = scene(t, [address(endpoint)])
  world.udp = true
  fallback.start()
  await until(5000, 'it knows', () => fallback.state === 'udp')
  assert.deepEqual([endpoint.clients, changes, fallback.relay], [0, [], null])
})

test('without the address of a relay nothing is probed', async t => {
  const { fallback, world } = scene(t, [])
  fallback.start()
  fallback.check()
  assert.equal(world.probes, 0)
})

test('where UDP is silent a relay is used, and left when UDP works again', async t => {
  const endpoint = await relay(t)
  const { fallback, world, changes } = scene(t, [address(endpoint)])
  fallback.start()
  await until(5000, 'it uses the relay', () => fallback.state === 'tcp')
  assert.equal(fallback.relay?.address.text, address(endpoint))
  const { probes } = world
  await until(5000, 'it tries UDP again', () => world.probes > probes)
  assert.equal(fallback.state, 'tcp')
  world.udp = true
  await until(5000, 'it uses UDP', () => fallback.state === 'udp')
  assert.deepEqual(changes, ['tcp', 'udp'])
  await until(5000, 'the relay is left', () => endpoint.clients === 0)
})

test('the preferred relay that is up is used, and another one when it dies', async t => {
  const [one, two] = [await relay(t), await relay(t)]
  const { fallback, changes } = scene(t, ['ws://127.0.0.1:9', address(one), address(two)])
  fallback.start()
  await until(5000, 'one is used', () => fallback.relay !== null)
  await until(5000, 'both are connected to', () => one.clients === 1 && two.clients === 1)
  const used = fallback.relay?.address.text === address(one) ? one : two
  const other = used === one ? two : one
  await used.close()
  await until(5000, 'the other is used', () => fallback.relay?.address.text === address(other))
  // What came from the one's ports is dead.
  assert.deepEqual(changes, ['tcp', 'ports'])
})

test('a relay that is named several times is connected to once', async t => {
  const endpoint = await relay(t)
  const { port } = endpoint
  const names = [
    address(endpoint),
    address(endpoint),
    `ws://${LOOPBACK}:${port}/`,
    `WS://${LOOPBACK}:${port}`
  ]
  const { fallback } = scene(t, [...names, `${names[0]}/#token`])
  fallback.start()
  await until(
    5000,
    'all are up',
    () => fallback.relays.length > 0 && fallback.relays.every(({ isUp }) => isUp)
  )
  assert.deepEqual(
    fallback.relays.map(({ address }) => address.text),
    [names[0], `${names[0]}/#token`]
  )
  assert.equal(endpoint.clients, 2)
})

test('a server that is its own relay is no way to the network, but to itself', async t => {
  const to = { server: () => ({ host: LOOPBACK, port: 1 }) }
  const endpoint = await relay(t, { uplink: { bindHost: LOOPBACK, to } })
  const { fallback, changes, world } = scene(t, [address(endpoint)])
  fallback.start()
  await until(5000, 'it is connected to', () => fallback.servers.length === 1)
  assert.deepEqual([fallback.relay, changes], [null, ['server']])
  world.udp = true
  await until(5000, 'UDP works', () => fallback.state === 'udp')
  assert.deepEqual(fallback.servers, [])
})

test('while no relay is reached UDP is tried again and again, with a pause', async t => {
  const { fallback, world, changes } = scene(t, ['ws://127.0.0.1:9'], { udpSilentMs: 1, udpBlockedMs: 100 })
  fallback.start()
  await until(5000, 'it has been tried', () => world.pauses.length >= 3)
  for (const pause of world.pauses) assert.ok(pause > 95, `${pause} ms`)
  assert.equal(fallback.state, 'blocked')
  world.udp = true
  await until(5000, 'it works', () => fallback.state === 'udp')
  assert.deepEqual(changes, [])
})

test('relays are tried again when the network changes', async t => {
  let failures = 0
  const log = Object.assign(Object.create(silentLog), { debug: () => failures++ })
  const { fallback } = scene(t, ['ws://127.0.0.1:9'], { tcpAttemptMs: 60_000 }, log)
  fallback.start()
  await until(5000, 'it is gone', () => failures === 1)
  fallback.restart()
  await until(5000, 'another attempt', () => failures === 2)
})

test('UDP that was blocked is tried at once when the network changes', async t => {
  const { fallback, world, changes } = scene(t, ['ws://127.0.0.1:9'], { udpBlockedMs: 60_000 })
  fallback.start()
  await until(5000, 'it is blocked', () => fallback.state === 'blocked')
  world.udp = true
  fallback.restart()
  await until(5000, 'UDP works', () => fallback.state === 'udp')
  assert.deepEqual([world.probes, changes], [2, []])
})

test('a relay that wants another token is left alone, whatever trouble there is', async t => {
  let greeted = 0
  const log = Object.assign(Object.create(silentLog), { debug: () => greeted++ })
  const endpoint = await relay(t, { tokens: ['s3cret'] })
  const { fallback, world } = scene(t, [`${address(endpoint)}/#another`], { tcpAttemptMs: 20 }, log)
  fallback.start()
  await until(5000, 'it is refused', () => fallback.relays[0]?.refusal === 'token')
  const before = greeted
  const { probes } = world
  await until(5000, 'time passes', () => {
    fallback.check()
    return world.probes > probes + 5
  })
  assert.equal(greeted, before)
})
