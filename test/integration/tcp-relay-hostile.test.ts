/** Relays by TCP and their clients in the hands of the other side: nothing ends that should not, and nothing grows. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import { type WebSocket, WebSocketServer } from 'ws'
import { LIMITS, TCP_RELAY_LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { RelayConnection } from '../../src/network/tcp-relay/connection.js'
import * as frames from '../../src/network/tcp-relay/frames.js'
import { ipv4Number } from '../../src/network/tcp-relay/ipv4.js'
import { relayAddress } from '../../src/network/tcp-relay/relay-address.js'
import { RelayedUdx } from '../../src/network/tcp-relay/relayed-udx.js'
import { systemClock } from '../../src/util/clock.js'
import * as deadline from '../support/deadline.js'
import { isLinux } from '../support/machine.js'
import { Random } from '../support/random.js'
import { frameHead, frameOf, OPCODE, RawWebSocket } from '../support/raw-websocket.js'
import { Hand, udxPacket } from '../support/relay-hand.js'
import { LOOPBACK, relay } from '../support/tcp-relay.js'

const until = (holds: () => boolean, what: string) => deadline.until(10_000, what, holds)

/** Lets everything that is under way on loopback arrive. */
async function turn(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve))
}

// --- a hostile client ---

test('what is no WebSocket ends, and others are served meanwhile', async t => {
  const endpoint = await relay(t, { limits: { helloMs: 500 } })
  const random = new Random()
  const upgrade = 'GET / HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
  for (const [name, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['noise', random.bytes(5000)],
    ['TLS', Buffer.concat([Buffer.of(0x16, 0x03, 0x01, 0x02, 0x00), random.bytes(512)])],
    ['half a request', Buffer.from('GET / HT')],
    [
      'a body without end',
      Buffer.from('POST / HTTP/1.1\r\nHost: relay\r\nContent-Length: 1000000000000\r\n\r\n')
    ],
    [
      'chunks',
      Buffer.from('POST / HTTP/1.1\r\nHost: relay\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n')
    ],
    ['large headers', Buffer.from(`GET / HTTP/1.1\r\n${`X: ${'x'.repeat(1000)}\r\n`.repeat(100)}`)],
    ['no key', Buffer.from(`${upgrade}\r\n`)],
    ['a bad key', Buffer.from(`${upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n`)],
    ['another version', Buffer.from(`${upgrade}Sec-WebSocket-Version: 99\r\n\r\n`)],
    ['two lengths', Buffer.from('GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n')],
    ['CONNECT', Buffer.from('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n')]
  ] as const) {
    const socket = net.connect(endpoint.port, LOOPBACK)
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    let closed = false
    socket.on('close', () => {
      closed = true
    })
    socket.resume()
    socket.write(bytes)
    await until(() => closed, name)
  }
  assert.deepEqual((await Hand.open(t, endpoint)).heard, ['welcome network'])
  assert.equal(endpoint.clients, 1)
})

test('a message that is too large, or comes in too many pieces, ends the connection before it is kept', async t => {
  const endpoint = await relay(t)
  const large = await RawWebSocket.open(t, endpoint.port)
  large.send(frameHead(OPCODE.binary, 2 ** 40))
  await until(() => large.code === 1009, 'a frame of a terabyte')
  const much = await RawWebSocket.open(t, endpoint.port)
  much.send(frameOf(OPCODE.binary, Buffer.alloc(40_000), 0), frameHead(OPCODE.more, 40_000))
  await until(() => much.code === 1009, 'frames that are too much together')

  const frayed = await RawWebSocket.open(t, endpoint.port)
  frayed.send(frameOf(OPCODE.binary, Buffer.of(0x80), 0))
  let sent = 0
  while (frayed.code === null && sent < 5000) {
    frayed.send(...Array.from({ length: 50 }, () => frameOf(OPCODE.more, Buffer.of(0), 0)))
    sent += 50
    await turn()
  }
  assert.equal(frayed.code, 1008, `${sent} frames of one message`)

  const slow = await RawWebSocket.open(t, endpoint.port)
  slow.send(frameHead(OPCODE.binary, 60_000))
  let segments = 0
  for (; slow.code === null && segments < 5000; segments++) {
    slow.send(Buffer.of(0))
    await turn()
  }
  assert.equal(slow.code, 1008, `${segments} segments of one frame`)
})

test('compression is not spoken, so that nothing grows when it is unpacked', async t => {
  const endpoint = await relay(t)
  const bomb = deflateRawSync(Buffer.alloc(50_000_000))
  const raw = await RawWebSocket.open(t, endpoint.port, [
    'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'
  ])
  assert.doesNotMatch(raw.head, /extensions/i)
  raw.send(frameOf(OPCODE.binary, bomb, 0x80 | 0x40))
  await until(() => raw.code === 1002, 'it is cut off')
})

test('a client that pings and reads nothing is cut off', async t => {
  const endpoint = await relay(t)
  const hand = await Hand.open(t, endpoint)
  hand.ws.pause()
  const load = Buffer.alloc(125)
  await until(() => {
    if (endpoint.clients === 0) return true
    for (let i = 0; i < 1000 && hand.ws.bufferedAmount < 1e6; i++) hand.ws.ping(load)
    return false
  }, 'the relay gives it up')
})

test('ports that are opened and closed in turn come at a rate', async t => {
  const endpoint = await relay(t)
  const hand = await Hand.open(t, endpoint)
  const turns = 5000
  for (let i = 0; i < turns; i += 500) {
    hand.say(...Array.from({ length: 500 }, () => [frames.open(1), frames.close(1)]).flat())
  }
  await until(() => hand.heard.length > turns, 'each is answered')
  const opened = hand.heard.filter(line => line === 'bound 1 yes').length
  assert.ok(opened >= 64 && opened < 200, `${opened} ports of ${turns}`)
})

test('small packets that one address sends without end come at a rate', async t => {
  const endpoint = await relay(t, { limits: { framesPerSecond: 1000, frameBurst: 100 } })
  const hands = [await Hand.open(t, endpoint), await Hand.open(t, endpoint)]
  const many = Array<Buffer>(5000).fill(frames.packet(1, ipv4Number(LOOPBACK), 9, Buffer.of(0)))
  const from = performance.now()
  for (const hand of hands) {
    hand.say(frames.open(1))
    for (let i = 0; i < 4; i++) hand.say(...many)
    hand.say(frames.open(2))
  }
  await until(() => hands.every(hand => hand.ports.has(2)), 'the last frame is read')
  const most = 200 + (performance.now() - from)
  const passed = [...endpoint.sessions].reduce((sum, { bytes }) => sum + bytes, 0)
  assert.ok(passed > 10 && passed < most, `${passed} packets of ${hands.length * 20_000} in ${most} ms`)
})

test('clients behind a proxy that writes IPv4 as IPv6 are told apart', async t => {
  const endpoint = await relay(t, { limits: { addressConnections: 1 } })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  assert.deepEqual((await Hand.open(t, endpoint, from('::ffff:203.0.113.7'))).heard, ['welcome network'])
  assert.deepEqual((await Hand.open(t, endpoint, from('::FFFF:203.0.113.8'))).heard, ['welcome network'])
  assert.equal((await Hand.open(t, endpoint, from('203.0.113.8'))).closed, 429)
})

test('clients behind a proxy that writes their ports, too, are told apart', async t => {
  const endpoint = await relay(t, { limits: { addressConnections: 1 } })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  for (const address of ['203.0.113.7:4711', '203.0.113.8:4711', '[2001:db8::1]:4711', '[2001:db8:1::1]']) {
    assert.deepEqual((await Hand.open(t, endpoint, from(address))).heard, ['welcome network'])
  }
  assert.equal((await Hand.open(t, endpoint, from('203.0.113.8:4712'))).closed, 429)
  assert.equal((await Hand.open(t, endpoint, from('2001:db8::2'))).closed, 429)
})

test('a session that is resumed again and again is one session', async t => {
  const endpoint = await relay(t)
  let hand = await Hand.open(t, endpoint)
  hand.say(frames.open(1))
  await until(() => hand.ports.has(1), 'the port is known')
  const port = hand.ports.get(1)
  for (let i = 0; i < 100; i++) {
    const before = hand
    hand = await Hand.open(t, endpoint, { session: before.session })
    await until(() => before.closed !== null && hand.ports.has(1), 'it has moved')
    assert.equal(before.closed, 4409)
    assert.equal(hand.ports.get(1), port)
  }
  assert.equal([...endpoint.sessions].length, 1)
  assert.equal(endpoint.clients, 1)
})

// --- a hostile relay ---

/** A relay in the hands of a test, and a client of it. */
async function hostile(
  t: TestContext,
  greet: (ws: WebSocket) => void,
  limits: Partial<typeof LIMITS> = {}
): Promise<{ connection: RelayConnection; welcomed: number[]; events: string[]; wss: WebSocketServer }> {
  const wss = new WebSocketServer({ port: 0, host: LOOPBACK })
  await once(wss, 'listening')
  const welcomed: number[] = []
  wss.on('connection', ws => {
    welcomed.push(performance.now())
    ws.on('error', () => {})
    ws.once('message', () => {
      ws.send(frames.welcome({ version: 1, kind: 'network', session: Buffer.alloc(16, 1), resumed: false }))
      greet(ws)
    })
  })
  const { port } = wss.address() as net.AddressInfo
  const connection = connectionTo(t, port, limits)
  t.after(() => {
    for (const ws of wss.clients) ws.terminate()
    wss.close()
  })
  const events: string[] = []
  connection.events = { ...connection.events, up: () => events.push('up'), down: () => events.push('down') }
  connection.start()
  return { connection, welcomed, events, wss }
}

function connectionTo(t: TestContext, port: number, limits: Partial<typeof LIMITS> = {}): RelayConnection {
  const connection = new RelayConnection(
    relayAddress(`ws://${LOOPBACK}:${port}/hn`),
    systemClock,
    { ...LIMITS, ...limits },
    silentLog
  )
  t.after(() => connection.close())
  return connection
}

test('a relay that welcomes and hangs up is called again at a rate', async t => {
  const { welcomed } = await hostile(t, ws => ws.close(), { tcpAttemptMs: 100 })
  await until(() => welcomed.length > 6, 'some connections')
  const ms = welcomed[6]! - welcomed[0]!
  assert.ok(ms > 500, `six more after ${ms.toFixed()} ms`)
})

test('a relay that redirects is not followed', async t => {
  let followed = 0
  const elsewhere = http.createServer((_, response) => {
    followed++
    response.end()
  })
  elsewhere.on('upgrade', (_, socket) => {
    followed++
    socket.destroy()
  })
  let asked = 0
  const redirect = (_: http.IncomingMessage, socket: Duplex): void => {
    asked++
    const { port } = elsewhere.address() as net.AddressInfo
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ws://${LOOPBACK}:${port}/\r\nContent-Length: 0\r\n\r\n`)
  }
  const relay = http.createServer().on('upgrade', redirect)
  for (const server of [elsewhere, relay]) {
    server.listen(0, LOOPBACK)
    await once(server, 'listening')
    t.after(() => server.close())
  }
  const connection = connectionTo(t, (relay.address() as net.AddressInfo).port, { tcpAttemptMs: 50 })
  connection.start()
  await until(() => asked > 3 && connection.refusal !== null, 'some attempts')
  assert.deepEqual([followed, connection.refusal, connection.isUp], [0, 'unreachable', false])
})

test('messages of a relay that are too large, in too many pieces or compressed end the connection', async t => {
  const welcome = frames.welcome({
    version: 1,
    kind: 'network',
    session: Buffer.alloc(16, 1),
    resumed: false
  })
  const frame = (opcode: number, payload: Uint8Array, first: number): Buffer =>
    Buffer.concat([Buffer.of(first | opcode, payload.byteLength), payload])
  const endless = function* (): Generator<Buffer> {
    yield frame(OPCODE.binary, Buffer.of(0x80), 0)
    for (let i = 0; i < 100; i++) yield Buffer.concat(Array(50).fill(frame(OPCODE.more, Buffer.of(0), 0)))
  }
  const huge = Buffer.alloc(10)
  huge.set([0x80 | OPCODE.binary, 127])
  huge.writeBigUInt64BE(2n ** 40n, 2)
  for (const [name, parts, extension] of [
    ['a frame of a terabyte', [huge], ''],
    ['a message in 5000 frames', endless(), ''],
    ['an extension nobody asked for', [], 'Sec-WebSocket-Extensions: permessage-deflate\r\n'],
    ['a compressed message', [frame(OPCODE.binary, Buffer.alloc(100), 0x80 | 0x40)], '']
  ] as const) {
    let closed = false
    const server = net.createServer(socket => {
      socket.on('error', () => {})
      socket.on('close', () => {
        closed = true
      })
      socket.once('data', async (request: Buffer) => {
        const [, key] = /sec-websocket-key: (\S+)/i.exec(request.toString())!
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64')
        socket.write(
          `HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${extension}\r\n`
        )
        socket.write(frame(OPCODE.binary, welcome, 0x80))
        socket.resume()
        for (const part of parts) {
          if (closed) return
          socket.write(part)
          await turn()
        }
      })
    })
    server.listen(0, LOOPBACK)
    await once(server, 'listening')
    t.after(() => server.close())
    const connection = connectionTo(t, (server.address() as net.AddressInfo).port)
    const from = performance.now()
    connection.start()
    await until(() => closed, name)
    // It is not its silence that ends it.
    const ms = performance.now() - from
    assert.ok(ms < LIMITS.tcpSilentMs - 500, `${name}: after ${ms} ms`)
    connection.close()
  }
})

test('packets that a relay invents from thousands of addresses cost a bounded number of sockets', {
  skip: !isLinux && 'descriptors are counted in /proc'
}, async t => {
  const SOURCES = 5000
  const { connection, wss } = await hostile(t, () => {})
  const udx = new RelayedUdx()
  t.after(() => udx.drop(connection))
  let up = false
  udx.use(connection, what => {
    if (what === 'up') up = true
  })
  await until(() => up || connection.isUp, 'the relay welcomes us')
  udx.route = connection
  const socket = udx.createSocket()
  t.after(() => socket.close())
  socket.bind(0, LOOPBACK)
  const [ws] = wss.clients
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const before = descriptors()
  let most = 0
  const packet = udxPacket()
  for (let i = 0; i < SOURCES; i += 100) {
    const many = Array.from({ length: 100 }, (_, j) =>
      frames.packet(socket.id, 0x01000000 + i + j, 1000, packet)
    )
    ws!.send(Buffer.concat(many))
    await turn()
    most = Math.max(most, descriptors())
  }
  ws!.send(frames.bound(socket.id, 4242))
  await until(() => socket.address()?.port === 4242, 'all have arrived')
  most = Math.max(most, descriptors())
  assert.ok(most - before < 100, `${most - before} descriptors more`)
  assert.ok(connection.isUp)
})

test('small packets that a relay sends without end come at a rate', async t => {
  const { connection, wss } = await hostile(t, () => {})
  await until(() => connection.isUp, 'the relay welcomes us')
  let packets = 0
  let isLast = false
  connection.events = {
    ...connection.events,
    packet: () => packets++,
    bound: () => {
      isLast = true
    }
  }
  const [ws] = wss.clients
  const many = Buffer.concat(Array(5000).fill(frames.packet(1, ipv4Number(LOOPBACK), 9, Buffer.of(0))))
  const from = performance.now()
  for (let i = 0; i < 20; i++) ws!.send(many)
  ws!.send(frames.bound(1, 4242))
  await until(() => isLast, 'the last frame is read')
  const { framesPerSecond, frameBurst } = TCP_RELAY_LIMITS
  const most = 2 * frameBurst + (framesPerSecond / 1000) * (performance.now() - from)
  assert.ok(packets > 500 && packets < most, `${packets} packets of 100,000, at most ${most}`)
})

test('a relay that pings without reading has no hold of its client', async t => {
  const { connection, wss, events } = await hostile(t, ws => ws.pause())
  await until(() => connection.isUp, 'the relay welcomes us')
  const [ws] = wss.clients
  const load = Buffer.alloc(125)
  await until(() => {
    if (events.includes('down')) return true
    for (let i = 0; i < 1000 && ws!.bufferedAmount < 1e6; i++) ws!.ping(load)
    return false
  }, 'the client gives it up')
})
