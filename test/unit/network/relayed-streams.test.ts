import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import type HyperDHT from 'hyperdht'
import { type RelayedStream, RelayedStreams } from '../../../src/network/relayed-streams.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const LIMITS = {
  sessionBits: 8_000_000,
  totalBits: 80_000_000,
  burstMs: 100,
  queueMs: 100,
  queuedBytes: 1_000_000,
  lingerMs: 1000
}

class TestSocket extends EventEmitter implements HyperDHT.Socket {
  readonly closing = false
  readonly sent: { id: number; flags: number; port: number; size: number }[] = []

  trySend(packet: Buffer, port: number): void {
    this.sent.push({ id: packet.readUInt32LE(4), flags: packet[2]!, port, size: packet.byteLength })
  }

  /** A packet comes from `port`. */
  get(id: number, port: number, { flags = 1, size = 100 } = {}): void {
    const packet = Buffer.alloc(size)
    packet.set([0xff, 1, flags])
    packet.writeUInt32LE(id, 4)
    this.emit('message', packet, { host: '203.0.113.1', port })
  }
}

const [PORT_A, PORT_B] = [1001, 1002]
/** What the two ends call their streams. */
const [THEIRS_A, THEIRS_B] = [501, 502]

function setup() {
  const clock = new VirtualClock()
  const go = (ms: number): void => {
    clock.at(clock.now() + ms, () => {})
    clock.run(clock.now() + ms)
  }
  let ids = 10
  const streams = new RelayedStreams(clock, LIMITS, () => ids++)
  const socket = new TestSocket()
  streams.listen(socket)
  streams.listen(socket)
  const make = (theirs: number): RelayedStream => {
    const stream = streams.create({
      firewall: (from, port, host) => {
        // As blind-relay, which then has no stream any more.
        assert.ok(!stream.destroyed)
        stream.connect(from as HyperDHT.Socket, theirs, port, host)
        return false
      }
    })
    return stream
  }
  const a = make(THEIRS_A)
  const b = make(THEIRS_B)
  a.relayTo(b)
  b.relayTo(a)
  a.expect(socket, THEIRS_A, PORT_A, '203.0.113.1')
  b.expect(socket, THEIRS_B, PORT_B, '203.0.113.1')
  return { go, streams, socket, a, b }
}

test('packets go on under the number of the other end', () => {
  const { socket, a, b } = setup()
  socket.get(a.id, PORT_A)
  socket.get(b.id, PORT_B, { size: 200 })
  socket.get(a.id, PORT_A, { size: 300 })
  assert.deepEqual(socket.sent, [
    { id: THEIRS_B, flags: 1, port: PORT_B, size: 100 },
    { id: THEIRS_A, flags: 1, port: PORT_A, size: 200 },
    { id: THEIRS_B, flags: 1, port: PORT_B, size: 300 }
  ])
  assert.deepEqual([a.bytes, b.bytes], [400, 200])
})

test('a client that gives its stream a number of more than 32 bits gets its packets under what is left of it', () => {
  const { socket, a, b } = setup()
  b.expect(socket, 2 ** 40 + 7, PORT_B, '203.0.113.1')
  socket.get(a.id, PORT_A)
  assert.deepEqual(
    socket.sent.map(({ id }) => id),
    [7]
  )
})

test('the first packet says where its sender is, not its connection', () => {
  const { socket, a, b } = setup()
  socket.get(b.id, PORT_B)
  socket.get(a.id, 1003)
  socket.get(b.id, PORT_B)
  assert.deepEqual(
    socket.sent.map(({ port }) => port),
    [PORT_A, PORT_B, 1003]
  )
})

test('a packet from a new place goes on, the answers go to the old one', () => {
  const { socket, a, b } = setup()
  socket.get(a.id, PORT_A)
  socket.get(b.id, PORT_B)
  socket.get(a.id, 1003)
  socket.get(b.id, PORT_B)
  assert.deepEqual(
    socket.sent.map(({ port }) => port),
    [PORT_B, PORT_A, PORT_B, PORT_A]
  )
})

test('what is no packet of ours is passed over', () => {
  const { socket, a } = setup()
  socket.get(99, PORT_A)
  socket.emit('message', Buffer.alloc(0), { host: '203.0.113.1', port: PORT_A })
  socket.emit('message', Buffer.from([0xff, 1, 1, 0, a.id, 0, 0]), { host: '203.0.113.1', port: PORT_A })
  assert.equal(a.bytes, 0)
  assert.deepEqual(socket.sent, [])
})

test('a session is held to its rate', () => {
  const { go, socket, a, b } = setup()
  socket.get(a.id, PORT_A)
  socket.get(b.id, PORT_B)
  for (let i = 0; i < 10_000; i++) {
    socket.get(i % 2 ? a.id : b.id, i % 2 ? PORT_A : PORT_B, { size: 1000 })
    go(0.1)
  }
  const bytes = a.bytes + b.bytes
  assert.ok(bytes > 1_000_000 && bytes < 1_110_000, `${bytes} bytes in 1 s at 8 Mbit/s`)
})

test('a refused session gets the reason with its first packet', () => {
  const { socket, streams, a, b } = setup()
  a.refuse()
  b.refuse()
  assert.deepEqual(socket.sent, [])
  socket.get(a.id, PORT_A)
  assert.deepEqual(socket.sent, [{ id: THEIRS_A, flags: 0b010000, port: PORT_A, size: 20 }])
  assert.equal(streams.size, 1)
})

test('an end that has closed early still gets what is on its way', () => {
  const { socket, a, b } = setup()
  a.destroy()
  socket.get(b.id, PORT_B)
  socket.get(a.id, PORT_A)
  assert.deepEqual(
    socket.sent.map(({ port }) => port),
    [PORT_A, PORT_B]
  )
})

test('packets under way still pass when the session is over', async () => {
  const { go, streams, socket, a, b } = setup()
  socket.get(a.id, PORT_A)
  socket.get(b.id, PORT_B)
  let closed = 0
  a.on('close', () => closed++)
  a.destroy()
  a.destroy()
  await Promise.resolve()
  assert.equal(closed, 1)
  socket.get(a.id, PORT_A)
  assert.equal(socket.sent.length, 3)
  b.destroy()
  go(LIMITS.lingerMs)
  assert.equal(streams.size, 0)
})
