/** A server that shares other port maps while sessions are up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import type { ByteFlow } from '../../src/flows/byte-flow.js'
import { mapsFrame, rosterFrame } from '../../src/wire/frames.js'
import type { WireMap } from '../../src/wire/handshake.js'
import { FlowEnd } from '../support/flow-end.js'
import { say } from '../support/say.js'
import { connected, MAPS } from '../support/session-peers.js'

const MORE: readonly WireMap[] = [...MAPS, { id: 3, proto: 'tcpudp', port: 90 }]

test('a client is sent the maps', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const sent: (readonly WireMap[])[] = []
  client.session!.events.maps = maps => sent.push(maps)
  assert.equal(server.session.sendMaps(MORE), true)
  world.pass(100)
  assert.deepEqual(sent, [MORE])
  assert.equal(client.session!.state, 'up')
})

test('a server that floods its client with lists of maps: the client takes over the last one, and few before it', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const taken: (readonly WireMap[])[] = []
  client.session!.events.maps = maps => taken.push(maps)
  for (let i = 0; i < 500; i++) {
    server.session.sendMaps([{ id: i, proto: 'tcp', port: 1000 + i }])
    world.pass(1)
  }
  world.pass(1000)
  assert.ok(taken.length <= 7, `${taken.length} of 500`)
  assert.deepEqual(taken.at(-1), [{ id: 499, proto: 'tcp', port: 1499 }])
})

test('of a flood of lists few are decoded, and the last one is read though it is at fault', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const roster = (name: string) => rosterFrame(Array.from({ length: 64 }, () => ({ name, rtt: 1 })))
  const link = server.session.link!
  for (let i = 0; i < 500; i++) {
    say(link, mapsFrame([{ id: i, proto: 'tcp', port: 80 }]), roster(`guest ${i}`))
    world.pass(1)
  }
  world.pass(200)
  assert.equal(client.session!.roster[63]?.name, 'guest 499')
  // Both would end the session, if they were decoded.
  const fault = b4a.from('0601010100', 'hex')
  const framed = b4a.concat([b4a.from([fault.byteLength]), fault])
  say(link, mapsFrame(MAPS), framed, mapsFrame(MORE))
  world.pass(1000)
  assert.equal(client.session!.state, 'up')
  say(link, mapsFrame(MAPS), framed)
  world.pass(1000)
  assert.ok(client.told.includes('ended PROTOCOL_ERROR'), client.told.join())
})

test('a list of maps that waits is dropped when a new connection names them', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const taken: (readonly WireMap[])[] = []
  client.session!.events.maps = maps => taken.push(maps)
  server.session.sendMaps(MORE)
  server.session.sendMaps(MAPS)
  world.pass(10)
  assert.deepEqual(taken, [MORE])
  client.connection!.die()
  world.pass(10)
  client.dial()
  assert.ok(world.pass(1000, () => client.session?.state === 'up'))
  world.pass(1000)
  assert.deepEqual(taken, [MORE])
})

test('while there is no connection, the next handshake names them', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  client.connection!.die()
  world.pass(100)
  assert.equal(server.session.state, 'lost')
  assert.equal(server.session.sendMaps(MORE), true)
})

test('a client that sends maps is at fault', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  say(client.session!.link!, mapsFrame(MORE))
  world.pass(100)
  assert.ok(server.told.includes('ended PROTOCOL_ERROR'), server.told.join())
})

for (const proto of ['tcp', 'tcpudp'] as const) {
  test(`${proto} flows of a map that is gone are reset on both sides, the others lose no byte`, () => {
    const { world, server, client } = connected(2, { delay: 10, room: 32_000, bytesPerMs: 500 })
    const there = new Map<ByteFlow, FlowEnd>()
    const end = (flow: ByteFlow, out: number, expected: number): FlowEnd => {
      const options = { total: 400_000, fin: true, chunk: () => world.random.int(1, 20_000) }
      return new FlowEnd(flow, out, expected, world.clock, options)
    }
    server.session.events.open = flow => {
      const peer = end(flow, 1, 0)
      there.set(flow, peer)
      world.clock.after(0, () => peer.go())
      return null
    }
    const session = client.session!
    const here = [1, 7].map(map => {
      const flow = proto === 'tcp' ? session.openFlow(map) : session.flows.tcpudp.open(map)
      const peer = end(flow, 0, 1)
      peer.go()
      return peer
    })
    assert.ok(world.pass(5000, () => here.every(peer => peer.read > 50_000)))
    server.session.resetMap(7, 'MAP_NOT_SHARED')
    const [kept, gone] = here
    world.pass(60_000, () => kept!.closed && gone!.resetBy !== null)
    assert.equal(gone!.resetBy, 'MAP_NOT_SHARED')
    assert.ok(gone!.read < 400_000)
    assert.equal(kept!.read, 400_000)
    for (const [flow, peer] of there) {
      assert.equal(peer.resetBy, flow.map === 7 ? 'MAP_NOT_SHARED' : null)
      if (flow.map === 1) assert.equal(peer.read, 400_000)
    }
  })
}
