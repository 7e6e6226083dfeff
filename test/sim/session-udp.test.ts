/** UDP payloads over a session's sealed datagrams, on a path that loses, doubles and reorders them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import fc from 'fast-check'
import { LIMITS } from '../../src/limits.js'
import { connected, type UdpPayload } from '../support/session-peers.js'

function payloadOf(n: number, size: number): Uint8Array {
  const payload = b4a.alloc(size)
  for (let i = 0; i < size; i++) payload[i] = (i * 31 + n * 7) & 255
  return payload
}

const key = ({ flow, payload }: Pick<UdpPayload, 'flow' | 'payload'>): string =>
  `${flow} ${b4a.toString(payload, 'base64')}`

test('payloads of 0 to 65,507 bytes, in both directions', () => {
  const { world, server, client } = connected(1, { delay: 5, jitter: 20 })
  const sizes = [0, 1, 1000, 1150, 1151, 1176, 1177, 1200, 2400, 9000, 65_507]
  for (const [n, size] of sizes.entries()) {
    assert.equal(client.session!.sendUdp(2, n, payloadOf(n, size)), true)
    assert.equal(server.session.sendUdp(2, n, payloadOf(n + 1, size)), true)
  }
  assert.equal(client.session!.sendUdp(2, 1, b4a.alloc(65_508)), false)
  world.pass(500)
  assert.deepEqual(
    server.udp.map(key).sort(),
    sizes.map((size, n) => key({ flow: n, payload: payloadOf(n, size) })).sort()
  )
  assert.deepEqual(
    client.udp.map(key).sort(),
    sizes.map((size, n) => key({ flow: n, payload: payloadOf(n + 1, size) })).sort()
  )
})

test('nothing comes twice, nothing comes changed, whatever the path does', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.record({
        delay: fc.nat(50),
        loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
        duplicate: fc.double({ min: 0, max: 0.5, noNaN: true }),
        jitter: fc.nat(100)
      }),
      fc.array(fc.integer({ min: 8, max: 6000 }), { minLength: 1, maxLength: 30 }),
      (seed, path, sizes) => {
        const { world, server, client } = connected(seed, path)
        const sent = new Map<string, number>()
        for (const [n, size] of sizes.entries()) {
          const payload = payloadOf(n, size)
          // Each is one of a kind.
          payload[0] = n
          sent.set(key({ flow: n % 3, payload }), 1)
          client.session!.sendUdp(2, n % 3, payload)
          world.pass(world.random.int(0, 10))
        }
        world.pass(3000)
        for (const got of server.udp) {
          assert.equal(sent.get(key(got)), 1, 'changed, or twice')
          sent.set(key(got), 0)
        }
        if (path.loss === 0) assert.equal(server.udp.length, sizes.length)
        assert.deepEqual([client.told, server.told], [['up'], ['up']])
      }
    ),
    { numRuns: 150, includeErrorInReport: true }
  )
})

test('small payloads of one turn share a datagram', () => {
  const { world, client } = connected(1, { delay: 5 })
  world.pass(50)
  const { client: link } = client.connection!
  link.record = true
  for (let i = 0; i < 20; i++) client.session!.sendUdp(2, i, payloadOf(i, 50))
  world.pass(1)
  // The first goes at once, the others at the end of the turn.
  assert.ok(link.sent.length <= 2)
})

test('no payload is seen in what is sent, and a copy of a datagram is dropped', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const { client: link, server: there } = client.connection!
  link.record = true
  const secret = b4a.from('a very plain text that nobody else may read')
  client.session!.sendUdp(2, 1, secret)
  world.pass(100)
  assert.equal(server.udp.length, 1)
  const packet = link.sent[0]!
  assert.equal(b4a.toString(packet, 'latin1').includes('plain text'), false)
  there.events.datagram(new Uint8Array(packet))
  assert.equal(server.udp.length, 1)
  assert.equal(server.session.datagramCounts!.dropped.replayed, 1)
  for (const [name, bytes] of [
    ['forged', world.bytes(100)],
    ['short', world.bytes(23)]
  ] as const) {
    there.events.datagram(bytes)
    assert.equal(server.session.datagramCounts!.dropped[name], 1)
  }
  assert.deepEqual(server.told, ['up'])
})

/** Sends `count` payloads, one every 10 ms, over a path that loses this share; gives how many came, and the link's counts. */
function lossy(loss: number, twice: boolean, size = 100, count = 4000) {
  const { world, server, client } = connected(7, { delay: 20, jitter: 5, loss, duplicate: 0.05 })
  const seen = new Set<number>()
  for (let n = 0; n < count; n++) {
    const payload = payloadOf(n, size)
    new DataView(payload.buffer, payload.byteOffset).setUint32(0, n)
    client.session!.sendUdp(2, 1, payload, twice)
    world.pass(10)
  }
  world.pass(200)
  for (const { payload } of server.udp) {
    const n = new DataView(payload.buffer, payload.byteOffset).getUint32(0)
    assert.equal(seen.has(n), false, `payload ${n} came twice`)
    seen.add(n)
  }
  return { lost: 1 - seen.size / count, counts: client.session!.datagramCounts! }
}

test('sent twice, of a share p of losses about p squared is left, and nothing comes twice', () => {
  for (const p of [0.05, 0.1, 0.2]) {
    const once = lossy(p, false)
    const twice = lossy(p, true)
    assert.ok(Math.abs(once.lost - p) < 0.3 * p, `${once.lost} instead of ${p}`)
    assert.ok(twice.lost < 2 * p * p, `${twice.lost} instead of ${p * p}`)
    assert.equal(once.counts.copies, 0)
    assert.ok(twice.counts.copies >= 3990, `${twice.counts.copies} copies`)
  }
})

test('large payloads are sent once, asked or not', () => {
  const { lost, counts } = lossy(0.1, true, LIMITS.duplicateBytes + 1, 500)
  assert.equal(counts.copies, 0)
  assert.ok(lost > 0.05)
})

test('of a connection that is gone, or a burst beyond the bound, no copy is sent', () => {
  const { world, client } = connected(1, { delay: 5 })
  const { client: link } = client.connection!
  for (let n = 0; n < 2 * LIMITS.duplicates; n++) client.session!.sendUdp(2, n, payloadOf(n, 1000), true)
  const counts = client.session!.datagramCounts!
  world.pass(LIMITS.duplicateMs + 1)
  assert.equal(counts.copies, LIMITS.duplicates)
  client.session!.sendUdp(2, 1, payloadOf(1, 10), true)
  link.record = true
  client.session!.close('GOODBYE')
  world.pass(100)
  assert.equal(counts.copies, LIMITS.duplicates)
  assert.deepEqual(link.sent, [])
})

test('a datagram of an older connection does not open on a newer one', () => {
  const { world, server, client } = connected(1, { delay: 5 })
  const old = client.connection!.client
  old.record = true
  client.session!.sendUdp(2, 1, payloadOf(1, 100))
  world.pass(50)
  client.dial()
  world.pass(100)
  assert.deepEqual(client.told, ['up', 'resumed'])
  client.connection!.server.events.datagram(new Uint8Array(old.sent[0]!))
  assert.equal(server.udp.length, 1)
  assert.equal(server.session.datagramCounts!.dropped.forged, 1)
})

test('without a connection a payload is refused', () => {
  const { world, client } = connected(1, { delay: 5 })
  client.connection!.die()
  world.pass(10)
  assert.equal(client.session!.sendUdp(2, 1, payloadOf(1, 10)), false)
  client.session!.close('GOODBYE')
  assert.equal(client.session!.sendUdp(2, 1, payloadOf(1, 10)), false)
})

test('a closed session takes no payload', () => {
  const { client } = connected(1, { delay: 5 })
  client.session!.close('GOODBYE')
  assert.equal(client.session!.sendUdp(2, 1, payloadOf(1, 10)), false)
})
