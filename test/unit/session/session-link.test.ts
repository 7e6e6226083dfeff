// A link while it carries a session, after another one has taken over, and at its end.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { type DatagramEvents, noDatagrams } from '../../../src/datagrams/datagrams.js'
import { RateLimiter } from '../../../src/flows/rate-limiter.js'
import { LIMITS } from '../../../src/limits.js'
import { refuseHandshake } from '../../../src/session/handshake.js'
import { SessionLink } from '../../../src/session/session-link.js'
import { type FrameSink, windowFrame } from '../../../src/wire/frames.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'
import { MemoryConnection } from '../../support/memory-link.js'

const DELAY_MS = 40
const KEYS = [b4a.alloc(32, 1), b4a.alloc(32, 2)] as const

/** Both ends of a link. `events` holds what the server's end has reported. */
function setUp(rateLimiter?: RateLimiter, clock = new VirtualClock()) {
  const events: string[] = []
  const counts = noDatagrams()
  const key = b4a.alloc(32)
  const connection = new MemoryConnection(clock, { delay: DELAY_MS }, () => 0.5, {
    client: key,
    server: key,
    handshakeHash: key
  })
  const end = (side: 'client' | 'server', told: string[]): SessionLink => {
    const [sendKey, receiveKey] = side === 'client' ? KEYS : [KEYS[1], KEYS[0]]
    const records = {
      udp: (_map: number, _flow: number, payload: Uint8Array) => told.push(`udp ${payload[0]}`),
      mtuConfirmed() {},
      turn() {}
    } as unknown as DatagramEvents
    return new SessionLink(
      { link: connection[side], sendKey, receiveKey },
      {
        clock,
        limits: LIMITS,
        defer: fn => void clock.after(0, fn),
        counts,
        guard: read => read(),
        ...(side === 'server' && rateLimiter && { rateLimiter })
      },
      {
        frames: { ...refuseHandshake, window: () => told.push('frame') } as unknown as FrameSink,
        records,
        received: () => told.push('received'),
        drain: () => told.push('drain'),
        path: () => told.push('path'),
        close: code => told.push(`close ${code}`)
      }
    )
  }
  const client = end('client', [])
  const server = end('server', events)
  const send = {
    datagram: (byte: number) => client.datagrams.sendUdp(1, 1, b4a.from([byte]), false),
    message: () => {
      const frame = windowFrame(1, 0, 0)
      const message = connection.client.alloc(frame.byteLength)
      message.set(frame)
      connection.client.write(message)
    }
  }
  const pass = (ms: number): void => void clock.run(clock.now() + ms)
  return { clock, counts, connection, client, server, events, send, pass }
}

test('an attached link reports what is authentic', () => {
  const { connection, counts, events, send, pass } = setUp()
  send.datagram(7)
  send.message()
  connection.client.sendDatagram(b4a.alloc(60, 9))
  pass(DELAY_MS)
  assert.deepEqual(events.toSorted(), ['frame', 'received', 'received', 'udp 7'])
  assert.equal(counts.dropped.forged, 1)
})

test('a retired link delivers the datagrams that were on their way, and closes a second later', () => {
  const { connection, server, events, send, pass } = setUp()
  send.datagram(7)
  send.message()
  let closed = 0
  server.retire(() => closed++)
  pass(LIMITS.oldLinkMs - 1)
  assert.deepEqual(events, ['udp 7'], 'nothing but the payload: the path is that of another link')
  assert.deepEqual([connection.server.gone, closed], [false, 0])
  send.datagram(8)
  pass(1)
  assert.deepEqual([connection.server.gone, closed], [true, 1])
  pass(DELAY_MS)
  assert.deepEqual(events, ['udp 7'])
})

test('a retired link closes with its connection, once', () => {
  const { clock, connection, server, events, pass } = setUp()
  let closed = 0
  server.retire(() => closed++)
  connection.die()
  pass(0)
  assert.equal(closed, 1)
  assert.equal(clock.pending, 0)
  pass(2 * LIMITS.oldLinkMs)
  assert.equal(closed, 1)
  assert.deepEqual(events, [])
})

test('a closed link reports nothing, and leaves no timer', () => {
  for (const retired of [false, true]) {
    const { clock, client, server, events, send, pass } = setUp()
    send.datagram(7)
    send.message()
    let closed = 0
    if (retired) server.retire(() => closed++)
    server.close()
    client.close()
    pass(2 * LIMITS.oldLinkMs)
    assert.deepEqual([events, closed, clock.pending], [[], 0, 0])
  }
})

test('datagrams beyond the rate are dropped on either kind of link', () => {
  for (const retired of [false, true]) {
    const clock = new VirtualClock()
    const limits = { ...LIMITS, datagramsPerSecond: 10, rateBurstMs: 1000 }
    const { counts, server, events, send, pass } = setUp(new RateLimiter(clock, limits, () => {}), clock)
    if (retired) server.retire(() => {})
    for (let i = 0; i < 50; i++) {
      send.datagram(i)
      pass(1)
    }
    pass(DELAY_MS)
    const passed = events.filter(event => event.startsWith('udp')).length
    assert.ok(passed > 0 && passed < 50, `${passed}`)
    assert.equal(counts.dropped.limited, 50 - passed)
  }
})
