import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LIMITS, RELAY_LIMITS, TCP_RELAY_LIMITS } from '../../../../src/limits.js'
import { silentLog } from '../../../../src/log/log.js'
import { Shaper } from '../../../../src/network/shaper.js'
import { Endpoint } from '../../../../src/network/tcp-relay/endpoint.js'
import { Fallback } from '../../../../src/network/tcp-relay/fallback.js'
import type { Uplink } from '../../../../src/network/tcp-relay/relay-session.js'
import { RelayedUdx } from '../../../../src/network/tcp-relay/relayed-udx.js'
import { systemClock } from '../../../../src/util/clock.js'
import { until } from '../../../support/deadline.js'

const LOOPBACK = '127.0.0.1'
const TIMES = { ...LIMITS, udpSilentMs: 200, udpRetryMs: 300 }

async function relay(t: TestContext, to: Uplink['to'] = { admits: () => true }, port = 0): Promise<Endpoint> {
  const endpoint = new Endpoint({
    port,
    host: LOOPBACK,
    tokens: [],
    uplink: { bindHost: LOOPBACK, to },
    shaper: new Shaper(systemClock, RELAY_LIMITS),
    clock: systemClock,
    limits: TCP_RELAY_LIMITS,
    log: silentLog
  })
  await endpoint.start()
  t.after(() => endpoint.close())
  return endpoint
}

/** A fallback for which UDP works or not, as the test says. */
function scene(t: TestContext, relays: readonly string[]) {
  const changes: string[] = []
  const world = { udp: false, probes: 0 }
  const udx = new RelayedUdx()
  const fallback = new Fallback({
    udx,
    relays,
    nodes: () => [],
    clock: systemClock,
    limits: TIMES,
    log: silentLog,
    onchange: change => changes.push(change),
    probe: async () => {
      world.probes++
      await new Promise(resolve => setImmediate(resolve))
      return world.udp
    }
  })
  t.after(() => fallback.close())
  return { fallback, udx, world, changes }
}

const address = ({ port }: Endpoint): string => `ws://${LOOPBACK}:${port}`

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
  const { fallback } = scene(t, ['ws://127.0.0.1:9', address(one), address(two)])
  fallback.start()
  await until(5000, 'one is used', () => fallback.relay !== null)
  await until(5000, 'both are connected to', () => one.clients === 1 && two.clients === 1)
  const used = fallback.relay?.address.text === address(one) ? one : two
  const other = used === one ? two : one
  await used.close()
  await until(5000, 'the other is used', () => fallback.relay?.address.text === address(other))
})

test('a server that is its own relay is no way to the network, but to itself', async t => {
  const endpoint = await relay(t, { server: () => ({ host: LOOPBACK, port: 1 }) })
  const { fallback, changes, world } = scene(t, [address(endpoint)])
  fallback.start()
  await until(5000, 'it is connected to', () => fallback.servers.length === 1)
  assert.deepEqual([fallback.relay, changes], [null, ['server']])
  world.udp = true
  await until(5000, 'UDP works', () => fallback.state === 'udp')
  assert.deepEqual(fallback.servers, [])
})
