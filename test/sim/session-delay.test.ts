/** A session bounds its transfers while datagrams of a game pass beside them, and only then. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { ignoreEvents } from '../../src/flows/byte-flow.js'
import { FlowEnd } from '../support/flow-end.js'
import { connected } from '../support/session-peers.js'
import { Scene } from './support/scene.js'

const ENDLESS = { total: 200_000_000, fin: true, chunk: () => 50_000 }

for (const proto of ['tcp', 'tcpudp'] as const) {
  test(`${proto}: a transfer is bounded as long as there is a game, and the bound ends with either`, () => {
    const limits = { gameMs: 500, delayIdleMs: 500, resetMs: 500 }
    const { world, server, client } = connected(1, { delay: 20, bytesPerMs: 1000 }, limits)
    const { client: link } = client.connection!
    server.open = flow => {
      new FlowEnd(flow, 2, 1, world.clock, { total: 0, fin: true, chunk: () => 1 }).go()
      return null
    }
    const game = (ms: number): void => {
      for (let at = 0; at < ms; at += 20) {
        client.session!.sendUdp(2, 1, b4a.alloc(100))
        world.pass(20)
      }
    }
    game(1000)
    assert.equal(link.bound, Number.POSITIVE_INFINITY, 'a game alone')
    const session = client.session!
    const flow = proto === 'tcp' ? session.openFlow(1) : session.flows.tcpudp.open(1)
    const end = new FlowEnd(flow, 1, 2, world.clock, ENDLESS)
    end.go()
    game(1000)
    assert.ok(link.bound < Number.POSITIVE_INFINITY, 'a game and a transfer')
    world.pass(1000)
    assert.equal(link.bound, Number.POSITIVE_INFINITY, 'a transfer alone')
    game(1000)
    assert.ok(link.bound < Number.POSITIVE_INFINITY, 'a game again')
    flow.reset('FLOW_RESET')
    game(2000)
    assert.equal(link.bound, Number.POSITIVE_INFINITY, 'the transfer is over')
    assert.deepEqual([client.told, server.told], [['up'], ['up']])
  })
}

for (const carrier of ['stream', 'arq'] as const) {
  test(`a thin TCP flow over the ${carrier} is a game, too: transfers of other sessions are bounded`, () => {
    const path = { delay: 20, bytesPerMs: 1000 }
    const { world, server, client } = connected(1, path, { resetMs: 500 })
    const other = world.client(server)
    other.dial()
    assert.ok(world.pass(1000, () => other.session?.state === 'up'))
    server.open = (flow, session) => {
      if (session === server.sessionOf(other)) new FlowEnd(flow, 2, 1, world.clock, ENDLESS).go()
      else flow.events = { ...ignoreEvents, data: bytes => flow.consumed(bytes.byteLength) }
      return null
    }
    // A guest that only downloads.
    new FlowEnd(other.session!.openFlow(1), 1, 2, world.clock, { ...ENDLESS, total: 0 }).go()
    world.pass(1000)
    const { server: towards, client: from } = other.connection!
    assert.equal(towards.bound, Number.POSITIVE_INFINITY, 'nobody plays')
    const session = client.session!
    const flow = carrier === 'stream' ? session.openFlow(1) : session.flows.tcpudp.open(1)
    for (let at = 0; at < 4000; at += 50) {
      flow.write(new Uint8Array(40))
      world.pass(50)
    }
    assert.ok(towards.bound < Number.POSITIVE_INFINITY, 'a game in another session')
    assert.equal(from.bound, Number.POSITIVE_INFINITY, 'that side sends nothing')
    world.pass(10_000)
    assert.equal(towards.bound, Number.POSITIVE_INFINITY, 'the game is over')
  })
}

test('a node on which a game is played signals it to its peers, whose transfers to it are bounded', () => {
  const { world, server, client } = connected(1, { delay: 20, bytesPerMs: 1000 })
  server.open = flow => {
    new FlowEnd(flow, 2, 1, world.clock, ENDLESS).go()
    return null
  }
  new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, { ...ENDLESS, total: 0 }).go()
  world.pass(1000)
  const { server: link } = client.connection!
  assert.equal(link.bound, Number.POSITIVE_INFINITY)
  // With another server, say.
  world.games.client.extend(world.clock.now() + 5000)
  world.pass(2500)
  assert.ok(link.bound < Number.POSITIVE_INFINITY)
  world.pass(8000)
  assert.equal(link.bound, Number.POSITIVE_INFINITY)
})

test('a session that is over while it bounds a transfer leaves no timer', () => {
  const { world, server, client } = connected(1, { delay: 20, bytesPerMs: 1000 })
  server.open = flow => {
    new FlowEnd(flow, 2, 1, world.clock, { total: 0, fin: true, chunk: () => 1 }).go()
    return null
  }
  new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, ENDLESS).go()
  for (let i = 0; i < 20; i++) {
    client.session!.sendUdp(2, 1, b4a.alloc(100))
    world.pass(20)
  }
  const { client: link } = client.connection!
  assert.ok(link.bound < Number.POSITIVE_INFINITY)
  client.session!.close('GOODBYE')
  // What was on its way arrives.
  world.pass(1000)
  assert.equal(server.told.at(-1), 'ended GOODBYE')
  assert.equal(world.clock.pending, 0)
})

test('a tcpudp flow has no more in flight than its bound, and goes on when that goes', () => {
  const scene = new Scene(1)
  const bulk = scene.bulk()
  scene.run(3000)
  const arq = bulk.sender.arq!
  const bound = 50_000
  arq.capWindow(bound)
  scene.run(1000)
  bulk.mark()
  for (let i = 0; i < 100; i++) {
    scene.run(20)
    assert.ok(arq.stats.inFlight <= bound + 1500, `${arq.stats.inFlight}`)
  }
  assert.equal(arq.limitedByCap, true)
  // 50 kB in 40 ms are 10 Mbit/s.
  assert.ok(bulk.rate > 8 && bulk.rate < 10.5, `${bulk.rate} Mbit/s`)
  arq.capWindow(Number.POSITIVE_INFINITY)
  scene.run(5000)
  bulk.mark()
  scene.run(3000)
  assert.ok(bulk.rate > 70, `${bulk.rate} Mbit/s`)
})
