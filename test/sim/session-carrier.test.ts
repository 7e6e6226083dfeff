/** What carries the flows of `tcp` maps: the ordered stream where no queue forms, the ARQ everywhere else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TcpFlow } from '../../src/flows/tcp.js'
import { FlowEnd } from '../support/flow-end.js'
import type { MemoryLinkOptions } from '../support/memory-link.js'
import { connected, MAPS, World } from '../support/session-peers.js'

const isStream = (flow: unknown): boolean => flow instanceof TcpFlow

for (const [where, path, stream] of [
  ['on one machine', { reach: 'machine', delay: 5 }, true],
  ['in a private network with a short round trip', { reach: 'private', delay: 0.2 }, true],
  ['in a private network with a longer one, as over a VPN', { reach: 'private', delay: 10 }, false],
  ['over the internet', { reach: 'public', delay: 0.2 }, false]
] satisfies [string, MemoryLinkOptions, boolean][]) {
  test(`${where} a tcp map uses the ${stream ? 'ordered stream' : 'ARQ'}`, () => {
    const { world, server, client } = connected(1, path)
    world.pass(100)
    for (const { session } of [client, server]) session!.traffic.learn(MAPS)
    const ends: FlowEnd[] = []
    const options = { total: 300_000, fin: true, chunk: () => 10_000 }
    server.open = flow => {
      ends.push(new FlowEnd(flow, 2, 1, world.clock, options))
      world.clock.after(0, () => ends[1]!.go())
      return null
    }
    const flow = client.session!.connect(1, 'tcp')
    assert.equal(isStream(flow), stream)
    ends.push(new FlowEnd(flow, 1, 2, world.clock, options))
    ends[0]!.go()
    assert.ok(world.pass(10_000, () => ends.every(end => end.closed)))
    assert.deepEqual(
      ends.map(({ read }) => read),
      [300_000, 300_000]
    )
    for (const { session } of [client, server]) {
      const tally = session!.flows
        .totals()
        .list()
        .find(({ proto }) => proto === 'tcp')
      assert.deepEqual([tally?.opened, tally?.bytesIn, tally?.bytesOut], [1, 300_000, 300_000])
    }
  })
}

test('a tcpudp map uses the ARQ everywhere', () => {
  const { client } = connected(1, { reach: 'machine' })
  assert.equal(isStream(client.session!.connect(1, 'tcpudp')), false)
})

test('a server that does not take the ARQ for tcp maps is never asked to', () => {
  const world = new World(1, { reach: 'public' })
  const server = world.server()
  server.features = 1
  const client = world.client(server)
  client.dial()
  assert.ok(world.pass(1000, () => client.session?.state === 'up'))
  assert.equal(isStream(client.session!.connect(1, 'tcp')), true)
})

test('a flow that is opened without a connection uses the ARQ, and goes on with the next one', () => {
  const { world, server, client } = connected(1, { reach: 'public' })
  const ends: FlowEnd[] = []
  const options = { total: 100_000, fin: true, chunk: () => 10_000 }
  server.open = flow => {
    ends.push(new FlowEnd(flow, 2, 1, world.clock, options))
    world.clock.after(0, () => ends[1]!.go())
    return null
  }
  client.connection!.die()
  world.pass(100)
  const flow = client.session!.connect(1, 'tcp')
  assert.equal(isStream(flow), false)
  ends.push(new FlowEnd(flow, 1, 2, world.clock, options))
  ends[0]!.go()
  client.dial()
  assert.ok(world.pass(10_000, () => ends.length === 2 && ends.every(end => end.closed)))
})
