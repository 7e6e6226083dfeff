/** Sessions between this version and an older or a newer one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { Sealer } from '../../src/datagrams/seal.js'
import { proofOf } from '../../src/session/handshake.js'
import { FEATURE, FEATURES, FRAME, VERSIONS } from '../../src/wire/constants.js'
import { helloFrame, openFrame, resetFrame, rosterFrame } from '../../src/wire/frames.js'
import { MemoryConnection } from '../support/memory-link.js'
import { say } from '../support/say.js'
import { connected, MAPS, World } from '../support/session-peers.js'

/** A datagram of the client's, with a counter far ahead of those in use. */
function sealed(key: Uint8Array, records: string): Uint8Array {
  const sealer = new Sealer(key)
  for (let i = 0; i < 1000; i++) sealer.seal(b4a.alloc(0))
  return sealer.seal(b4a.from(records, 'hex'))
}

test('a feature is used when both sides have it, and not without a connection', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  assert.equal(server.session.has(FEATURE.MAPS), true)
  assert.equal(client.session!.has(FEATURE.MAPS), true)
  assert.equal(client.session!.has(2 ** 20), false)
  client.connection!.die()
  world.pass(100)
  assert.equal(client.session!.has(FEATURE.MAPS), false)
})

test('an older client without the feature is never sent MAPS', () => {
  const world = new World(1, { delay: 5 })
  const server = world.server()
  const handshakeHash = world.bytes(64)
  const keys = { client: world.bytes(32), server: world.bytes(32), handshakeHash }
  const { client, server: link } = new MemoryConnection(world.clock, {}, world.random.next, keys)
  client.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
  link.record = true
  server.onLink(link)
  const proof = proofOf(server.sharedKey, handshakeHash)
  say(
    client,
    helloFrame({ versions: VERSIONS, features: 0, proof, datagramKey: world.bytes(32), resume: null })
  )
  assert.ok(world.pass(1000, () => server.sessions.size === 1))
  assert.equal(server.session.sendMaps(MAPS), false)
  world.pass(100)
  assert.equal(server.session.state, 'up')
  assert.deepEqual(
    link.written.map(message => message[1]),
    [FRAME.WELCOME]
  )
})

test('an older server without features is worked with', () => {
  const world = new World(1, { delay: 5 })
  const server = world.server()
  server.features = 0
  const client = world.client(server)
  client.dial()
  assert.ok(world.pass(1000, () => client.session?.state === 'up'))
  assert.equal(client.session!.has(FEATURE.MAPS), false)
  assert.deepEqual(client.errors, [])
})

test('addresses reach a peer that knows them, and are not sent to another', () => {
  const told: unknown[] = []
  const addresses = [{ host: '2a00::1', port: 7000 }]
  for (const features of [FEATURES, FEATURES & ~FEATURE.IPV6]) {
    const world = new World(1, { delay: 5 })
    const server = world.server()
    server.features = features
    const client = world.client(server)
    client.more = { addresses: list => told.push(list) }
    client.dial()
    assert.ok(world.pass(1000, () => client.session?.state === 'up'))
    const { server: link } = client.connection!
    link.record = true
    server.session.sendAddresses(addresses)
    world.pass(100)
    // This server says that it does not know them.
    client.connection!.client.record = true
    client.session!.sendAddresses(addresses)
    world.pass(100)
    const asked = (features & FEATURE.IPV6) !== 0
    assert.equal(client.connection!.client.written.length, asked ? 1 : 0)
    assert.deepEqual(client.errors, [])
    if (asked) assert.deepEqual(told, [addresses])
    else
      assert.ok(client.told.includes('ended PROTOCOL_ERROR'), 'addresses that nobody agreed on are refused')
  }
})

test('a client learns who else is there; a server takes no such list', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const guests = [{ name: 'Anna', rtt: 12 }]
  server.session.sendRoster(guests)
  world.pass(100)
  assert.deepEqual(client.session!.roster, guests)
  server.session.sendRoster([])
  world.pass(100)
  assert.deepEqual(client.session!.roster, [])
  const { client: link } = client.connection!
  say(link, rosterFrame(guests))
  world.pass(100)
  assert.equal(server.session.state, 'up')
})

test('frames and records that a newer peer adds in the optional range do not end a session', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const { client: link, server: other } = client.connection!
  other.record = true
  // The client itself has opened no flow.
  link.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
  say(link, b4a.from('03f0abcd', 'hex'), openFrame(1, 99, 0), b4a.from('0181', 'hex'))
  link.sendDatagram(sealed(client.sendKey!, 'f002ffff'))
  world.pass(100)
  assert.equal(server.session.state, 'up')
  assert.equal(server.session.datagramCounts.dropped.forged, 0)
  assert.ok(
    other.written.some(message => b4a.equals(message, resetFrame(1, 'MAP_NOT_SHARED'))),
    'the frame between them was not answered'
  )
})

test('unknown frames and records of the mandatory range end a session with PROTOCOL_ERROR', () => {
  for (const kind of ['frame', 'record']) {
    const { world, server, client } = connected(1, { delay: 5 })
    const { client: link } = client.connection!
    if (kind === 'frame') say(link, b4a.from('017f', 'hex'))
    else link.sendDatagram(sealed(client.sendKey!, '7f'))
    world.pass(100)
    assert.ok(server.told.includes('ended PROTOCOL_ERROR'), kind)
    assert.ok(client.told.includes('ended PROTOCOL_ERROR'), kind)
  }
})
