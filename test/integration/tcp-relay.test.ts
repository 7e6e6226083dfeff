/** Packets through a relay by TCP, over loopback: hyperdht on top, real sockets below. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import UDX from 'udx-native'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { ownAddresses } from '../../src/network/addresses.js'
import type { NetworkChange } from '../../src/network/network-watch.js'
import { Node } from '../../src/network/node.js'
import { RelayConnection } from '../../src/network/tcp-relay/connection.js'
import * as frames from '../../src/network/tcp-relay/frames.js'
import { ipv4Number, ipv4Text } from '../../src/network/tcp-relay/ipv4.js'
import { relayAddress } from '../../src/network/tcp-relay/relay-address.js'
import { RelayedUdx } from '../../src/network/tcp-relay/relayed-udx.js'
import { systemClock } from '../../src/util/clock.js'
import * as deadline from '../support/deadline.js'
import { missing, programPath } from '../support/programs.js'
import { Random } from '../support/random.js'
import { dhtPacket, Hand, receiver, udxPacket } from '../support/relay-hand.js'
import { freePort } from '../support/servers.js'
import { LOOPBACK, newRelay, relay } from '../support/tcp-relay.js'
import { startTestnet } from '../support/testnet.js'

const until = (holds: () => boolean, what: string) => deadline.until(10_000, what, holds)

/** Passes TCP on, so that it can be cut, stopped and looked at. */
class Wire {
  readonly #server = net.createServer(socket => this.#onConnection(socket))
  readonly #pairs = new Set<[net.Socket, net.Socket]>()
  readonly seen: Buffer[] = []
  /** Accepts no connection. */
  refuse = false
  /** Swallows what comes, both ways, as when a cable is out. */
  hold = false
  /** Cuts the connection after so many bytes to the client. */
  cutAfter = Number.POSITIVE_INFINITY
  cuts = 0
  to = 0

  static async open(t: TestContext, to: number): Promise<Wire> {
    const wire = new Wire()
    wire.to = to
    wire.#server.listen(0, LOOPBACK)
    await once(wire.#server, 'listening')
    t.after(() => wire.close())
    return wire
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  #onConnection(client: net.Socket): void {
    client.on('error', () => {})
    if (this.refuse) return void client.destroy()
    const server = net.connect(this.to, LOOPBACK)
    server.on('error', () => client.destroy())
    const pair: [net.Socket, net.Socket] = [client, server]
    this.#pairs.add(pair)
    client.on('data', data => {
      this.seen.push(data)
      if (!this.hold) server.write(data)
    })
    server.on('data', data => {
      this.seen.push(data)
      if (this.hold) return
      this.cutAfter -= data.byteLength
      if (this.cutAfter > 0) return void client.write(data)
      this.cutAfter = Number.POSITIVE_INFINITY
      this.cuts++
      // Half of what there is, and so in the middle of a frame.
      client.write(data.subarray(0, data.byteLength >> 1), () => this.cut())
    })
    const end = (): void => {
      this.#pairs.delete(pair)
      // Of a connection that is held, nobody hears.
      if (!this.hold) for (const socket of pair) socket.destroy()
    }
    client.on('close', end)
    server.on('close', end)
  }

  cut(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
    this.#pairs.clear()
  }

  close(): void {
    this.hold = false
    this.cut()
    this.#server.close()
  }
}

interface RelayedNode {
  readonly dht: HyperDHT
  readonly udx: RelayedUdx
  readonly connection: RelayConnection
  /** What has become of the connection, and when. */
  readonly told: string[]
  readonly at: number[]
}

/** A connection is open again within this time, ms. */
const AGAIN_WITHIN_MS = 2000

/** A DHT node all of whose packets go through a relay. */
async function relayed(t: TestContext, address: string, bootstrap: readonly string[]): Promise<RelayedNode> {
  const udx = new RelayedUdx()
  const connection = new RelayConnection(relayAddress(address), systemClock, LIMITS, silentLog)
  const told: string[] = []
  const at: number[] = []
  udx.use(connection, what => {
    told.push(what)
    at.push(performance.now())
  })
  connection.start()
  await until(() => connection.isUp, 'the relay welcomes us')
  udx.route = connection
  const dht = new HyperDHT({ bootstrap, udx, connectionKeepAlive: false })
  t.after(async () => {
    await dht.destroy({ force: true })
    udx.drop(connection)
    connection.close()
  })
  await dht.fullyBootstrapped()
  // hyperdht does this by itself, but later.
  await (dht as unknown as { _updateNetworkState(only: boolean): Promise<boolean> })._updateNetworkState(true)
  return { dht, udx, connection, told, at }
}

/** A server that sends back what it gets. */
async function echo(dht: HyperDHT): Promise<Uint8Array> {
  const keyPair = HyperDHT.keyPair()
  const server = dht.createServer({}, stream => {
    stream.on('error', () => {})
    stream.on('data', (data: Buffer) => stream.write(data))
    stream.on('end', () => stream.end())
    stream.rawStream.on('message', (message: Buffer) => stream.rawStream.trySend(message))
  })
  await server.listen(keyPair)
  return keyPair.publicKey
}

async function dial(t: TestContext, dht: HyperDHT, key: Uint8Array): Promise<SecretStream> {
  const stream = dht.connect(key, {})
  stream.on('error', () => {})
  t.after(() => stream.destroy())
  await once(stream, 'open')
  return stream
}

/** Sends bytes and expects the same back. */
async function exchange(stream: SecretStream, bytes: Buffer): Promise<void> {
  const parts: Buffer[] = []
  let size = 0
  const all = new Promise<void>((resolve, reject) => {
    const ondata = (data: Buffer): void => {
      parts.push(Buffer.from(data))
      size += data.byteLength
      if (size < bytes.byteLength) return
      stream.off('data', ondata)
      resolve()
    }
    stream.on('data', ondata)
    stream.once('close', () => reject(new Error('the stream is closed')))
  })
  for (let at = 0; at < bytes.byteLength; at += 16_384) stream.write(bytes.subarray(at, at + 16_384))
  await all
  assert.ok(Buffer.concat(parts).equals(bytes), 'the same bytes')
}

async function plain(t: TestContext, bootstrap: readonly string[]): Promise<HyperDHT> {
  const dht = new HyperDHT({ bootstrap, connectionKeepAlive: false })
  t.after(() => dht.destroy({ force: true }))
  await dht.fullyBootstrapped()
  return dht
}

for (const [name, clientBlocked, serverBlocked] of [
  ['the client', true, false],
  ['the server', false, true],
  ['both', true, true]
] as const) {
  test(`streams and datagrams go through the relay where ${name} has no UDP`, async t => {
    const testnet = await startTestnet()
    t.after(() => testnet.close())
    const endpoint = await relay(t)
    const address = `ws://${LOOPBACK}:${endpoint.port}/hn`
    const serverDht = serverBlocked
      ? (await relayed(t, address, testnet.bootstrap)).dht
      : await plain(t, testnet.bootstrap)
    const clientDht = clientBlocked
      ? (await relayed(t, address, testnet.bootstrap)).dht
      : await plain(t, testnet.bootstrap)
    // The relay's port is open to all, and so the one whose it is.
    if (clientBlocked) assert.ok(!clientDht.firewalled)
    const stream = await dial(t, clientDht, await echo(serverDht))
    assert.equal(Boolean(stream.rawStream.relay), clientBlocked)
    await exchange(stream, new Random().bytes(300_000))
    const datagram = new Random().bytes(900)
    const back = once(stream.rawStream, 'message')
    stream.rawStream.trySend(datagram)
    assert.deepEqual((await back)[0], datagram)
  })
}

test('what a relay has in its hands: addresses, sizes, times, looked-up keys, and no byte of what is sent', async t => {
  const testnet = await startTestnet()
  t.after(() => testnet.close())
  const endpoint = await relay(t)
  const wire = await Wire.open(t, endpoint.port)
  const { dht } = await relayed(t, `ws://${LOOPBACK}:${wire.port}/hn`, testnet.bootstrap)
  const key = await echo(await plain(t, testnet.bootstrap))
  const stream = await dial(t, dht, key)
  const secret = new Random().bytes(64 * 1024)
  await exchange(stream, secret)
  const messages = unmask(Buffer.concat(wire.seen))
  const target = (HyperDHT as unknown as { hash(data: Uint8Array): Buffer }).hash(key)
  assert.ok(messages.includes(target), 'the hash of the key that was looked up is there: the capture works')
  for (let at = 0; at < secret.byteLength; at += 1024) {
    assert.ok(!messages.includes(secret.subarray(at, at + 16)), `not what was sent, at ${at}`)
  }
})

/** Takes the masks off a capture of WebSocket frames in either direction, as far as frames begin where one can be seen. */
function unmask(capture: Buffer): Buffer {
  const plain: Buffer[] = [capture]
  for (let at = 0; at + 8 < capture.byteLength; at++) {
    // A final binary frame with a mask.
    if (capture[at] !== 0x82 || (capture[at + 1]! & 0x80) === 0) continue
    const short = capture[at + 1]! & 0x7f
    const head = short === 126 ? 4 : 2
    const size = short === 126 ? capture.readUInt16BE(at + 2) : short
    const body = at + head + 4
    if (short === 127 || body + size > capture.byteLength) continue
    const out = Buffer.from(capture.subarray(body, body + size))
    for (let i = 0; i < size; i++) out[i]! ^= capture[at + head + (i & 3)]!
    plain.push(out)
  }
  return Buffer.concat(plain)
}

/** A stream through a relay whose TCP connection can be cut and held. */
async function throughWire(t: TestContext) {
  const testnet = await startTestnet()
  t.after(() => testnet.close())
  const endpoint = await relay(t)
  const wire = await Wire.open(t, endpoint.port)
  const { dht, told, at } = await relayed(t, `ws://${LOOPBACK}:${wire.port}/hn`, testnet.bootstrap)
  const stream = await dial(t, dht, await echo(await plain(t, testnet.bootstrap)))
  await exchange(stream, new Random().bytes(20_000))
  told.length = at.length = 0
  return { endpoint, wire, told, at, stream }
}

test('a stream outlives a connection that is cut in the middle of a frame', async t => {
  const { endpoint, wire, told, at, stream } = await throughWire(t)
  wire.cutAfter = 100_000
  await exchange(stream, new Random().bytes(500_000))
  assert.equal(wire.cuts, 1)
  assert.deepEqual(told, ['down', 'up'], 'resumed, with its ports')
  const ms = at[1]! - at[0]!
  t.diagnostic(`open again after ${ms.toFixed()} ms`)
  assert.ok(ms < AGAIN_WITHIN_MS, `${ms} ms`)
  assert.equal([...endpoint.sessions].length, 1)
})

test('a half-open connection is given up, and the session goes on over a new one', async t => {
  const { endpoint, wire, told, at, stream } = await throughWire(t)
  wire.hold = true
  await until(() => told.includes('down'), 'silence is noticed')
  wire.hold = false
  const back = performance.now()
  await until(() => told.includes('up'), 'it is up again')
  const ms = at.at(-1)! - back
  t.diagnostic(`open again after ${ms.toFixed()} ms`)
  assert.ok(ms < AGAIN_WITHIN_MS, `${ms} ms`)
  await exchange(stream, new Random().bytes(20_000))
  assert.equal([...endpoint.sessions].length, 1, 'the relay has ended the half-open one')
})

test('after a restart of the relay its client has new ports, and dials again through them', async t => {
  const testnet = await startTestnet()
  t.after(() => testnet.close())
  const first = await relay(t)
  const wire = await Wire.open(t, first.port)
  const { dht, told, at } = await relayed(t, `ws://${LOOPBACK}:${wire.port}/hn`, testnet.bootstrap)
  const key = await echo(await plain(t, testnet.bootstrap))
  await exchange(await dial(t, dht, key), new Random().bytes(20_000))
  told.length = at.length = 0
  await first.close()
  wire.to = (await relay(t)).port
  const back = performance.now()
  await until(() => told.includes('ports'), 'it has other ports')
  assert.deepEqual(told, ['down', 'up', 'ports'])
  const ms = at[2]! - back
  t.diagnostic(`open again after ${ms.toFixed()} ms`)
  assert.ok(ms < AGAIN_WITHIN_MS, `${ms} ms`)
  await exchange(await dial(t, dht, key), new Random().bytes(20_000))
})

// --- what a relay refuses ---

test('only packets of UDX and dht-rpc leave the relay, and only to addresses that it admits', async t => {
  const admitted: string[] = []
  const endpoint = await relay(t, {
    uplink: {
      bindHost: LOOPBACK,
      to: {
        admits: host => {
          admitted.push(ipv4Text(host))
          return ipv4Text(host) === LOOPBACK
        }
      }
    }
  })
  const { port, packets } = await receiver(t)
  const hand = await Hand.open(t, endpoint)
  const to = (host: string, packet: Buffer, at = port) => frames.packet(1, ipv4Number(host), at, packet)
  const good = [udxPacket(), dhtPacket(port), Buffer.of(0)]
  hand.say(
    frames.open(1),
    to(LOOPBACK, Buffer.from('GET / HTTP/1.1\r\n\r\n')),
    to(LOOPBACK, Buffer.alloc(48, 0x1b)),
    to(LOOPBACK, dhtPacket(port + 1)),
    to('10.0.0.1', udxPacket()),
    to('169.254.169.254', udxPacket()),
    to(LOOPBACK, udxPacket(), 0),
    frames.packet(2, ipv4Number(LOOPBACK), port, udxPacket()),
    ...good.map(packet => to(LOOPBACK, packet))
  )
  await until(() => packets.length >= good.length, 'the good ones arrive')
  assert.deepEqual(packets, good)
  const asked = admitted.length
  hand.say(to(LOOPBACK, udxPacket()))
  await until(() => packets.length > good.length, 'one more arrives')
  assert.equal(admitted.length, asked, 'a destination that is in use is not looked up again')
  const [session] = endpoint.sessions
  assert.equal(session!.refused, 7)
  assert.ok(admitted.includes('169.254.169.254'))
})

test('what comes to a port of the relay is passed on only if it is UDX or dht-rpc', async t => {
  const endpoint = await relay(t)
  const hand = await Hand.open(t, endpoint)
  hand.say(frames.open(1))
  await until(() => hand.ports.has(1), 'the port is known')
  const socket = new UDX().createSocket()
  t.after(() => socket.close())
  const good = udxPacket()
  for (const packet of [Buffer.from('hello'), Buffer.alloc(0), good]) {
    if (packet.byteLength > 0) socket.trySend(packet, hand.ports.get(1)!, LOOPBACK)
  }
  await until(() => hand.packets.length > 0, 'the good one arrives')
  assert.deepEqual(hand.packets, [{ host: LOOPBACK, port: socket.address()!.port, packet: good }])
})

test('sockets, sessions, connections and new destinations are limited', async t => {
  const endpoint = await relay(t, {
    limits: {
      sessionSockets: 3,
      sockets: 4,
      addressConnections: 3,
      destinationBurst: 5,
      destinationsPerSecond: 0.001
    }
  })
  const [one, two, three] = [
    await Hand.open(t, endpoint),
    await Hand.open(t, endpoint),
    await Hand.open(t, endpoint)
  ]
  one.say(...[1, 2, 3, 4].map(frames.open))
  await until(() => one.heard.length === 5, 'four answers')
  assert.deepEqual(one.heard.slice(1), ['bound 1 yes', 'bound 2 yes', 'bound 3 yes', 'bound 4 no'])
  two.say(...[1, 2].map(frames.open))
  await until(() => two.heard.length === 3, 'two answers')
  assert.deepEqual(two.heard.slice(1), ['bound 1 yes', 'bound 2 no'], 'four sockets in all')
  const four = await Hand.open(t, endpoint)
  assert.equal(four.closed, 429, 'a fourth connection of one address')
  // Behind a reverse proxy each client has its own address.
  const proxied = await Hand.open(t, endpoint, { headers: { 'x-forwarded-for': '1.2.3.4, 203.0.113.7' } })
  assert.deepEqual(proxied.heard, ['welcome network'])
  one.say(frames.close(1))
  three.say(frames.open(1))
  const { port, packets } = await receiver(t)
  for (let i = 0; i < 8; i++) three.say(frames.packet(1, ipv4Number(LOOPBACK), port + i, udxPacket()))
  for (let i = 0; i < 3; i++) three.say(frames.packet(1, ipv4Number(LOOPBACK), port, udxPacket()))
  await until(() => packets.length === 4, 'what goes to a known destination arrives')
  const session = [...endpoint.sessions].find(({ refused }) => refused > 0)
  assert.equal(session!.refused, 3, 'the sixth, seventh and eighth destination')
})

test('one address has its share of sessions and UDP ports', async t => {
  const endpoint = await relay(t, { limits: { addressSessions: 2, addressSockets: 3 } })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  const one = await Hand.open(t, endpoint, from('203.0.113.7'))
  one.say(...[1, 2].map(frames.open))
  const two = await Hand.open(t, endpoint, from('203.0.113.7'))
  await until(() => one.heard.length === 3, 'two answers')
  two.say(...[1, 2].map(frames.open))
  await until(() => two.heard.length === 3, 'two more')
  assert.deepEqual(two.heard.slice(1), ['bound 1 yes', 'bound 2 no'])
  // A session that waits for its client counts.
  two.ws.terminate()
  await until(() => endpoint.clients === 1, 'one is away')
  assert.equal((await Hand.open(t, endpoint, from('203.0.113.7'))).closed, 4429)
  const other = await Hand.open(t, endpoint, from('203.0.113.8'))
  assert.deepEqual(other.heard, ['welcome network'])
  // Who comes back from elsewhere counts there, with all ports.
  const back = await Hand.open(t, endpoint, { ...from('203.0.113.8'), session: two.session })
  await until(() => back.heard.length === 2, 'its port is told')
  assert.deepEqual(back.heard, ['welcome network resumed', 'bound 1 yes'])
  assert.equal(endpoint.clientOf(two.ports.get(1)!), '203.0.113.8')
  assert.equal(endpoint.clientOf(one.ports.get(1)!), '203.0.113.7')
  assert.deepEqual((await Hand.open(t, endpoint, from('203.0.113.7'))).heard, ['welcome network'])
  assert.equal((await Hand.open(t, endpoint, from('203.0.113.8'))).closed, 4429)
})

/** Self-signed certificates of these names. @returns the files for a name */
function certificates(t: TestContext, ...names: string[]): (name: string) => { cert: string; key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const files = (name: string) => ({ cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) })
  for (const name of names) {
    const { cert, key } = files(name)
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    const args = [
      'req',
      '-x509',
      ...curve,
      '-days',
      '1',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      key,
      '-out',
      cert
    ]
    execFileSync(programPath('openssl'), args, { stdio: 'ignore' })
  }
  return files
}

const outside = ownAddresses().find(address => !address.startsWith('127.'))

test('one address has its share of TCP connections that say nothing', {
  skip: !outside && 'there is no address but the loopback'
}, async t => {
  const endpoint = await relay(t, { host: '0.0.0.0', limits: { addressTcpConnections: 3, helloMs: 60_000 } })
  const host = outside!
  const open = async (): Promise<net.Socket> => {
    const socket = net.connect({ host, port: endpoint.port, localAddress: host })
    t.after(() => socket.destroy())
    socket.on('error', () => {}).resume()
    await once(socket, 'connect')
    return socket
  }
  const sockets = [await open(), await open(), await open()]
  await once(await open(), 'close')
  sockets[0]!.end()
  await once(sockets[0]!, 'close')
  const next = await open()
  next.write('GET / HTTP/1.1\r\nHost: relay\r\n\r\n')
  const [answer] = await once(next, 'data')
  assert.match(String(answer), /^HTTP\/1.1 426 /)
})

test('one address opens connections at a rate, and those beyond it are closed before TLS', {
  skip: (!outside && 'there is no address but the loopback') || missing('openssl')
}, async t => {
  const limits = { connectionBurst: 3, connectionsPerSecond: 0.001 }
  const endpoint = await relay(t, { host: '0.0.0.0', limits, tls: certificates(t, 'one')('one') })
  const open = async (host: string): Promise<boolean> => {
    const socket = tls.connect({
      socket: net.connect({ host, port: endpoint.port, localAddress: host }),
      rejectUnauthorized: false
    })
    t.after(() => socket.destroy())
    const isOpen = await new Promise<boolean>(resolve => {
      socket.once('secureConnect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    return isOpen
  }
  const opened = []
  for (let i = 0; i < 5; i++) opened.push(await open(outside!))
  assert.deepEqual(opened, [true, true, true, false, false])
  // A reverse proxy on this machine opens those of all its clients.
  for (let i = 0; i < 5; i++) assert.equal(await open(LOOPBACK), true)
})

test('each client behind a reverse proxy opens connections at a rate', async t => {
  const endpoint = await relay(t, { limits: { connectionBurst: 2, connectionsPerSecond: 0.001 } })
  const open = async (address: string): Promise<number | null> => {
    const { closed, ws } = await Hand.open(t, endpoint, { headers: { 'x-forwarded-for': address } })
    ws.terminate()
    return closed
  }
  const closed = []
  for (let i = 0; i < 3; i++) closed.push(await open('203.0.113.7'))
  assert.deepEqual(closed, [null, null, 429])
  assert.equal(await open('203.0.113.8'), null)
})

test('a connection that is refused is closed, and does not keep the relay from closing', async t => {
  const endpoint = await relay(t, { limits: { addressConnections: 0 } })
  const socket = net.connect({ host: LOOPBACK, port: endpoint.port, allowHalfOpen: true })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  const key = new Random().bytes(16).toString('base64')
  const upgrade = [
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${key}`
  ]
  socket.write(['GET / HTTP/1.1', 'Host: relay', ...upgrade, '', ''].join('\r\n'))
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1.1 429 /)
  await once(socket, 'end')
  // A kernel answers with a reset for a socket that is gone; the write after that fails.
  await until(() => {
    if (!socket.destroyed) socket.write('more')
    return socket.destroyed
  }, 'the relay drops the socket')
  await deadline.within(5000, endpoint.close(), () => 'it does not close')
})

test('a relay that is closed while it starts leaves no port open', async () => {
  const port = await freePort()
  const endpoint = newRelay({ port })
  const starting = endpoint.start()
  await endpoint.close()
  await starting
  const socket = net.connect(port, LOOPBACK)
  const [err] = await once(socket, 'error')
  assert.equal(err.code, 'ECONNREFUSED')
})

test('the number of clients is reported when one comes and when it goes', async t => {
  const told: number[] = []
  const endpoint = await relay(t, { onclients: clients => told.push(clients) })
  const hand = await Hand.open(t, endpoint)
  await until(() => told.length > 0, 'one is there')
  hand.ws.terminate()
  await until(() => told.length > 1, 'it is gone')
  assert.deepEqual(told, [1, 0])
})

test('a token is wanted where one is set, and HELLO in time', async t => {
  const endpoint = await relay(t, { tokens: ['s3cret'], limits: { helloMs: 300 } })
  for (const [token, outcome] of [
    ['', 4401],
    ['s3cres', 4401],
    ['s3cret ', 4401],
    ['s3cret', null]
  ] as const) {
    const hand = await Hand.open(t, endpoint, { token })
    assert.equal(hand.closed, outcome, JSON.stringify(token))
  }
  const silent = await Hand.open(t, endpoint, { greet: false })
  await until(() => silent.closed !== null, 'closed')
  assert.equal(silent.closed, 4408)
})

test('a certificate that has changed is used, and a broken one is not', {
  skip: missing('openssl')
}, async t => {
  const files = certificates(t, 'one', 'two')
  const used = files('used')
  const use = (name: string): void => {
    copyFileSync(files(name).cert, used.cert)
    copyFileSync(files(name).key, used.key)
  }
  use('one')
  let warnings = 0
  const log = Object.assign(Object.create(silentLog), { warn: () => warnings++ })
  let looks = 0
  const clock = {
    now: systemClock.now,
    after(ms: number, fn: () => void) {
      if (ms === 50) looks++
      return systemClock.after(ms, fn)
    }
  }
  const endpoint = await relay(t, { tls: used, limits: { certificateMs: 50 }, log, clock })
  const shown = async (): Promise<unknown> => {
    const socket = tls.connect({ host: LOOPBACK, port: endpoint.port, rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const { subject } = socket.getPeerCertificate()
    socket.destroy()
    return subject.CN
  }
  assert.equal(await shown(), 'one')
  use('two')
  await deadline.until(10_000, 'the new certificate is shown', async () => (await shown()) === 'two')
  writeFileSync(used.cert, 'no certificate')
  await until(() => warnings > 0, 'the broken one is reported')
  const seen = looks
  await until(() => looks > seen + 3, 'it is looked at again')
  assert.equal(warnings, 1, 'the same fault is reported once')
  assert.equal(await shown(), 'two', 'the last good one')
  use('one')
  await deadline.until(10_000, 'the first one is shown again', async () => (await shown()) === 'one')
})

test('what breaks the protocol ends the connection with 4400', async t => {
  const endpoint = await relay(t)
  const hello = frames.hello({ lowest: 1, highest: 1, session: null, token: '' })
  for (const [name, bad] of [
    ['an unknown frame', Buffer.of(0x42, 0, 0)],
    ['a second HELLO', hello],
    ['a frame of the relay', frames.bound(1, 1)],
    ['a cut frame', frames.open(1).subarray(0, 4)],
    ['more received than sent', frames.received(1)]
  ] as const) {
    const hand = await Hand.open(t, endpoint)
    hand.say(bad)
    await until(() => hand.closed !== null, name)
    assert.equal(hand.closed, 4400, name)
  }
  const early = await Hand.open(t, endpoint, { greet: false })
  early.say(frames.open(1))
  await until(() => early.closed !== null, 'OPEN before HELLO')
  assert.equal(early.closed, 4400)
  const future = await Hand.open(t, endpoint, { greet: false })
  future.say(frames.hello({ lowest: 2, highest: 9, session: null, token: '' }))
  await until(() => future.closed !== null, 'a version that is not known')
  assert.equal(future.closed, 4406)
})

test('a session that nobody resumes ends with its ports', async t => {
  const endpoint = await relay(t, { limits: { resumeMs: 100 } })
  const hand = await Hand.open(t, endpoint)
  hand.say(frames.open(1))
  await until(() => hand.ports.has(1), 'the port is known')
  hand.ws.terminate()
  await until(() => [...endpoint.sessions].length === 0, 'it ends')
  assert.equal(endpoint.clientOf(hand.ports.get(1)!), null)
})

test('a client that stops reading costs the relay little, and its packets are dropped, not kept', async t => {
  const endpoint = await relay(t)
  const hand = await Hand.open(t, endpoint)
  hand.say(frames.open(1))
  await until(() => hand.ports.has(1), 'the port is known')
  hand.ws.pause()
  const socket = new UDX().createSocket()
  t.after(() => socket.close())
  // Garbage of this and earlier tests is not what the relay keeps.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  // Of buffers and what else is outside the heap.
  const before = process.memoryUsage().external
  const packet = udxPacket(1400)
  for (let i = 0; i < 20_000; i++) {
    socket.trySend(packet, hand.ports.get(1)!, LOOPBACK)
    if (i % 50 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  collect()
  const grown = process.memoryUsage().external - before
  assert.ok(grown < 16e6, `${Math.round(grown / 1e6)} MB of 28`)
})

test('the memory for all clients is bounded, each has a little of it, and it is released', async t => {
  const endpoint = await relay(t, { limits: { heldBytes: 100_000 } })
  const hands = [await Hand.open(t, endpoint), await Hand.open(t, endpoint), await Hand.open(t, endpoint)]
  const socket = new UDX().createSocket()
  t.after(() => socket.close())
  const packet = udxPacket(1400)
  let most = 0
  for (const hand of hands) {
    hand.say(frames.open(1))
    await until(() => hand.ports.has(1), 'the port is known')
    const before = endpoint.held
    // None says that anything has arrived.
    for (let i = 0; i < 400; i++) {
      socket.trySend(packet, hand.ports.get(1)!, LOOPBACK)
      if (i % 20 === 0) await new Promise(resolve => setImmediate(resolve))
      most = Math.max(most, endpoint.held)
    }
    assert.ok(endpoint.held > before, 'this one has its part')
  }
  assert.ok(most > 100_000 && most < 100_000 + 3 * 70_000, `${most} bytes`)
  for (const { ws } of hands) ws.terminate()
  await until(() => endpoint.clients === 0, 'all are gone')
  assert.equal(endpoint.held, 0)
})

test('a client that makes the relay answer and reads nothing is cut off', async t => {
  const endpoint = await relay(t)
  const hand = await Hand.open(t, endpoint)
  hand.say(frames.open(1))
  await until(() => hand.ports.has(1), 'the port is known')
  hand.ws.pause()
  const questions = Buffer.concat(Array.from({ length: 13_000 }, () => frames.open(1)))
  await until(() => {
    if (endpoint.clients === 0) return true
    if (hand.ws.bufferedAmount < 1e6) hand.ws.send(questions)
    return false
  }, 'the relay gives it up')
})

test('after a restart of the relay clients know that their connections through it are dead', async t => {
  const first = await relay(t)
  const wire = await Wire.open(t, first.port)
  const network = {
    relay: [`ws://${LOOPBACK}:${wire.port}/hn`],
    // Nobody answers there: UDP is blocked.
    bootstrap: [`${LOOPBACK}:9`],
    portMapping: false
  }
  const node = new Node(network, { ...LIMITS, udpSilentMs: 200 }, silentLog)
  t.after(() => node.close())
  const changes: NetworkChange[] = []
  node.onChange(some => changes.push(...some))
  await until(() => node.status().tcpRelay !== null, 'packets go through the relay')
  assert.deepEqual(changes, ['moved'])
  await until(() => [...first.sessions].some(({ sockets }) => sockets > 0), 'it has ports there')
  await first.close()
  wire.to = (await relay(t)).port
  await until(() => changes.length > 1, 'it is told')
  assert.deepEqual(changes, ['moved', 'lost'])
})
