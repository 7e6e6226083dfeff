// Streams and datagrams of the library, with no local ports in between.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { getEventListeners, once } from 'node:events'
import http from 'node:http'
import type net from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { finished, pipeline } from 'node:stream/promises'
import {
  type Connection,
  type DatagramFlow,
  type FlowRemote,
  type FlowStream,
  HyperNat,
  keyPairOf,
  type MapToHandle,
  type MapToShare,
  Secret,
  type ServerHandle
} from '../../src/index.js'
import { connectTcp } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { bindUdpEcho, listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

interface Meeting {
  readonly host: HyperNat
  readonly server: ServerHandle
  readonly guest: HyperNat
  readonly connection: Connection
}

/** A server with these maps in one node, and a connection to it from another. */
async function meet(stage: Stage, maps: readonly (MapToShare | MapToHandle)[]): Promise<Meeting> {
  const { bootstrap } = await stage.testnet()
  const host = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const server = await host.share({ secret: newSecret(), maps })
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const connection = await guest.connect(server.ticket!)
  return { host, server, guest, connection }
}

const echo: MapToHandle = {
  proto: 'tcp',
  port: 7000,
  name: 'echo',
  onconnection: stream => stream.pipe(stream)
}

/** Resolves with the code that a stream fails with. */
async function failure(stream: FlowStream): Promise<unknown> {
  const [err] = await once(stream, 'error')
  return (err as { code: unknown }).code
}

/** Bytes that are more than all windows and queues on the way hold. */
const HELD_UP = 16 << 20

const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

for (const proto of ['tcp', 'tcpudp'] as const) {
  staged(`${proto}: bytes come back whole, and each direction ends by itself`, async stage => {
    const { connection } = await meet(stage, [{ ...echo, proto } as MapToHandle])
    assert.deepEqual(connection.maps, [{ proto, port: 7000 }])
    const stream = connection.stream(7000)
    const sent = randomBytes(8 << 20)
    stream.end(sent)
    assert.equal(sha(await buffer(stream)), sha(sent))
    if (!stream.closed) await once(stream, 'close')
    // What a caller does with its buffer after the call is its own business.
    const again = connection.stream('echo')
    const reused = Buffer.from('first')
    await new Promise(resolve => again.write(reused, resolve))
    reused.write('other')
    again.end()
    assert.equal(await text(again), 'first')
  })
}

/** More than a connection takes at once. */
const UNDER_WAY = 1 << 20

for (const proto of ['tcp', 'tcpudp'] as const) {
  staged(`${proto}: what has finished has arrived, though the connection is closed at once`, async stage => {
    let [size, ended] = [0, 0]
    const onconnection = (stream: FlowStream): void => {
      // The other direction may be over long before.
      stream.end()
      stream.on('data', bytes => (size += bytes.length)).on('end', () => ended++)
    }
    const { guest, server } = await meet(stage, [{ proto, port: 7000, onconnection }])
    const ways = [
      (stream: FlowStream) => pipeline([Buffer.alloc(UNDER_WAY)], stream),
      (stream: FlowStream) => finished(stream.resume().end(Buffer.alloc(UNDER_WAY)))
    ]
    for (const [i, send] of ways.entries()) {
      const connection = await guest.connect(server.publicKey)
      await send(connection.stream(7000))
      await connection.close()
      await until(5000, 'all of it at the server', () => ended === i + 1).catch(() => {})
      assert.deepEqual([size, ended], [UNDER_WAY * (i + 1), i + 1])
    }
  })
}

for (const proto of ['tcp', 'tcpudp'] as const) {
  staged(`${proto}: a slow reader gets all of a stream whose writer has left`, async stage => {
    let served: FlowStream | undefined
    const onconnection = (stream: FlowStream): void => void (served = stream)
    const { host, guest, connection } = await meet(stage, [{ proto, port: 7000, onconnection }])
    const sent = randomBytes(100_000)
    await pipeline([sent], connection.stream(7000))
    await guest.close()
    await until(5000, 'the guest to be gone', () => host.status().servers[0]?.sessions.length === 0)
    assert.equal(sha(await buffer(served!)), sha(sent))
  })
}

for (const proto of ['tcp', 'tcpudp'] as const) {
  staged(`${proto}: a reader that closes its connection at the end has acknowledged all`, async stage => {
    const ends: Promise<unknown>[] = []
    const onconnection = (stream: FlowStream): void => {
      ends.push(finished(stream.resume().end('all of it')).catch(err => (err as { code: unknown }).code))
    }
    const { guest, server } = await meet(stage, [{ proto, port: 7000, onconnection }])
    for (let i = 0; i < 10; i++) {
      const connection = await guest.connect(server.publicKey)
      const stream = connection.stream(7000).end()
      assert.equal(await text(stream), 'all of it')
      await connection.close()
    }
    assert.deepEqual(await Promise.all(ends), Array(10).fill(undefined))
  })
}

staged('a stream to a program behind a port, and a local port to code of the server', async stage => {
  const target = await stage.use(listenTcpEcho())
  const { connection, guest, server } = await meet(stage, [{ proto: 'tcp', port: target.port }, echo])
  const stream = connection.stream(target.port)
  stream.end('to the program')
  assert.equal(await text(stream), 'to the program')
  const opened = await guest.open({
    publicKey: server.publicKey,
    maps: [{ proto: 'tcp', port: 7000, localPort: 0 }]
  })
  const socket = await connectTcp(opened.maps[0]!.localPort)
  socket.end('to the code')
  assert.equal(await text(socket), 'to the code')
})

staged('the handler learns who comes, and how', async stage => {
  let seen: FlowRemote | undefined
  const { bootstrap } = await stage.testnet()
  const host = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const server = await host.share({
    secret: newSecret(),
    private: true,
    maps: [
      {
        proto: 'tcp',
        port: 7000,
        onconnection(stream, guest) {
          seen = guest
          stream.end(guest.name)
        }
      }
    ]
  })
  const { ticket } = server.invite({ name: 'Anna' })
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const connection = await guest.connect(ticket)
  const stream = connection.stream(7000)
  stream.end()
  assert.equal(await text(stream), 'Anna')
  assert.equal(seen?.path, 'lan')
  assert.match(seen?.publicKey ?? '', /^\w{40,}$/)
  assert.equal(stream.remote.publicKey, server.publicKey)
})

staged('a paused reader holds up the writer', async stage => {
  let served: FlowStream | undefined
  const { connection } = await meet(stage, [
    echo,
    { proto: 'tcp', port: 7001, onconnection: stream => void (served = stream.pause().end()) }
  ])
  const stream = connection.stream(7001).resume()
  const piece = randomBytes(64 << 10)
  let written = 0
  const all = pipeline(function* () {
    for (; written < HELD_UP; written += piece.length) yield piece
  }, stream)
  // What another stream carries meanwhile would have been enough for this one.
  const other = connection.stream('echo')
  const sent = randomBytes(HELD_UP)
  other.end(sent)
  assert.equal(sha(await buffer(other)), sha(sent))
  assert.ok(written < HELD_UP, 'all was written, though nothing was read')
  assert.ok(served!.readableLength <= served!.readableHighWaterMark + piece.length)
  const got = buffer(served!)
  await all
  assert.equal((await got).length, HELD_UP)
  assert.ok((await got).subarray(-piece.length).equals(piece))
})

staged('a stream that is destroyed is a reset at the other side, with a code', async stage => {
  const streams: FlowStream[] = []
  const { connection } = await meet(stage, [
    { proto: 'tcp', port: 7000, onconnection: stream => void streams.push(stream) }
  ])
  const one = connection.stream(7000)
  one.write('x')
  await until(5000, 'the stream at the server', () => streams.length === 1)
  const there = failure(streams[0]!)
  one.destroy()
  assert.equal(await there, 'FLOW_RESET')
  const other = connection.stream(7000)
  other.write('x')
  await until(5000, 'the stream at the server', () => streams.length === 2)
  const here = failure(other)
  streams[1]!.destroy()
  assert.equal(await here, 'FLOW_RESET')
})

staged('a handler that fails costs its own flow only', async stage => {
  const { connection } = await meet(stage, [
    echo,
    {
      proto: 'tcp',
      port: 7001,
      onconnection() {
        throw new Error('on purpose')
      }
    },
    { proto: 'tcp', port: 7002, onconnection: async () => Promise.reject(new Error('on purpose')) }
  ])
  const alive = connection.stream(7000)
  for (const port of [7001, 7002]) {
    const stream = connection.stream(port)
    stream.write('x')
    assert.equal(await failure(stream), 'FLOW_RESET')
  }
  alive.end('unharmed')
  assert.equal(await text(alive), 'unharmed')
})

staged('each failure is an error with a code', async stage => {
  const { connection, server, guest } = await meet(stage, [echo])
  assert.throws(() => connection.stream('ecco'), { code: 'BAD_OPTIONS', message: /ecco/ })
  assert.throws(() => connection.stream(0), { code: 'BAD_OPTIONS' })
  assert.throws(() => connection.datagrams(70_000), { code: 'BAD_OPTIONS' })
  assert.equal(await failure(connection.stream(7009)), 'MAP_NOT_SHARED')
  const controller = new AbortController()
  const stream = connection.stream(7000, { signal: controller.signal })
  const aborted = failure(stream)
  controller.abort()
  assert.equal(await aborted, 'ABORT_ERR')

  await assert.rejects(guest.connect('nonsense'), { code: 'BAD_PUBLIC_KEY' })
  const nobody = keyPairOf(new Secret(newSecret())).publicKey
  await assert.rejects(guest.connect(nobody), { code: 'SERVER_NOT_FOUND' })
  const stopped = new AbortController()
  const waits = guest.connect(nobody, { wait: true, signal: stopped.signal })
  stopped.abort(new Error('enough'))
  await assert.rejects(waits, { message: 'enough' })
  assert.equal(guest.status().clients.length, 1, 'what failed is gone')

  for (const maps of [
    [{ ...echo, onflow() {} }],
    [{ ...echo, host: '10.0.0.1' }],
    [{ proto: 'udp', port: 7000, onconnection() {} }],
    [{ proto: 'tcp', port: 7000, onconnection: 'echo' }]
  ]) {
    assert.throws(() => server.setMaps(maps as never), { code: 'BAD_OPTIONS' })
  }
})

staged('what waits for a server ends when its node is closed', async stage => {
  const { bootstrap } = await stage.testnet()
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const nobody = keyPairOf(new Secret(newSecret())).publicKey
  const [connection, pings] = [
    guest.connect(nobody, { wait: true }),
    guest.ping({ publicKey: nobody, intervalMs: 50 })
  ]
  const ends = assert.rejects(connection, { code: 'CLOSED' })
  await once(guest, 'event')
  await guest.close()
  await ends
  assert.equal((await pings).answered, 0)
  await assert.rejects(guest.connect(nobody), { code: 'CLOSED' })
})

staged('a connection whose signal has been aborted before leaves nothing behind', async stage => {
  const { bootstrap } = await stage.testnet()
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const told: string[] = []
  guest.on('event', ({ event }) => told.push(event))
  const nobody = keyPairOf(new Secret(newSecret())).publicKey
  await assert.rejects(guest.connect(nobody, { signal: AbortSignal.abort(), wait: true }), {
    name: 'AbortError'
  })
  assert.deepEqual(guest.status().clients, [])
  assert.deepEqual(told, [], 'it has not begun to dial')
})

staged('a UDP flow is closed by its signal', async stage => {
  const onflow = (flow: DatagramFlow) => flow.on('message', payload => flow.send(payload))
  const { connection } = await meet(stage, [{ proto: 'udp', port: 7000, onflow }])
  const abort = new AbortController()
  const flow = connection.datagrams(7000, { signal: abort.signal })
  const closed = once(flow, 'close')
  abort.abort()
  await closed
  const late = connection.datagrams(7000, { signal: abort.signal })
  await once(late, 'close')
  assert.deepEqual([flow.closed, late.closed], [true, true])
  // One that is closed before leaves nothing at the signal.
  const other = new AbortController()
  const early = connection.datagrams(7000, { signal: other.signal })
  early.close()
  assert.equal(getEventListeners(other.signal, 'abort').length, 0)
  for (const wrong of [null, { signal: 5 }])
    assert.throws(() => connection.datagrams(7000, wrong as never), { code: 'BAD_OPTIONS' })
})

staged('what is opened under a signal ends with it, until it is there', async stage => {
  const { bootstrap } = await stage.testnet()
  const node = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const what = {
    publicKey: keyPairOf(new Secret(newSecret())).publicKey,
    maps: [{ proto: 'tcp', port: 7000, localPort: 0 }]
  } as const
  const abort = new AbortController()
  const { signal } = abort
  const opening = node.open({ ...what, signal })
  abort.abort()
  await assert.rejects(opening, { name: 'AbortError' })
  await assert.rejects(node.open({ ...what, signal }), { name: 'AbortError' })
  await assert.rejects(node.open({ ...what, signal: 5 as never }), { code: 'BAD_OPTIONS' })
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  assert.deepEqual(node.status().clients, [])
  // Afterwards it means nothing.
  const later = new AbortController()
  const opened = await node.open({ ...what, signal: later.signal })
  later.abort()
  await connectTcp(opened.maps[0]!.localPort).then(socket => socket.destroy())
})

staged('a UDP flow that its handler ends at once is followed by another one', async stage => {
  let calls = 0
  const onflow = (flow: DatagramFlow): void => {
    if (++calls === 1) throw new Error('not ready yet')
    if (calls === 2) return flow.close()
    flow.on('message', payload => flow.send(payload))
  }
  const { connection } = await meet(stage, [{ proto: 'udp', port: 7000, onflow }])
  const flow = connection.datagrams(7000)
  const answered = once(flow, 'message')
  const sending = setInterval(() => flow.send(Buffer.from('again')), 50)
  stage.defer(() => clearInterval(sending))
  assert.equal(String((await answered)[0]), 'again')
  assert.equal(calls, 3)
})

staged('streams end with the server and with the connection, each with its code', async stage => {
  const { connection, server, guest } = await meet(stage, [echo])
  const [one, other] = [connection.stream(7000), connection.stream(7000)]
  one.write('x')
  await once(one, 'readable')
  const mine = await guest.connect(server.publicKey)
  const own = mine.stream(7000)
  own.write('x')
  await once(own, 'readable')
  // Nobody listens for errors of streams that are closed here: one would end the process.
  const closed = once(own, 'close')
  await mine.close()
  await closed
  assert.throws(() => mine.stream(7000), { code: 'CLOSED' })
  const codes = [failure(one), failure(other)]
  await server.close()
  assert.deepEqual(await Promise.all(codes), ['FLOW_RESET', 'FLOW_RESET'])
})

staged('a stream goes on over the next connection, byte for byte', async stage => {
  const { connection, guest } = await meet(stage, [echo])
  const heard: string[] = []
  connection.on('lost', () => heard.push('lost'))
  connection.on('back', path => heard.push(`back ${path}`))
  const stream = connection.stream(7000)
  const sent = randomBytes(24 << 20)
  const got = buffer(stream)
  const half = sent.length / 2
  stream.write(sent.subarray(0, half))
  guest.reconnect()
  await once(connection, 'back')
  stream.end(sent.subarray(half))
  assert.equal(sha(await got), sha(sent))
  assert.deepEqual(heard, ['lost', 'back lan'])
})

staged(
  'a stream opened while the connection is lost uses the protocol that the server named',
  async stage => {
    const { guest, server } = await meet(stage, [{ ...echo, proto: 'tcpudp' } as MapToHandle])
    // Without a ticket, which names it too.
    const connection = await guest.connect(server.publicKey)
    guest.reconnect()
    assert.equal(connection.info, null)
    const stream = connection.stream(7000)
    stream.end('after all')
    assert.equal(await text(stream), 'after all')
  }
)

staged('datagrams of any size, to code and to a program', async stage => {
  const program = await stage.use(bindUdpEcho())
  const { connection } = await meet(stage, [
    { proto: 'udp', port: 7000, onflow: flow => flow.on('message', payload => flow.send(payload)) },
    { proto: 'udp', port: program.port }
  ])
  for (const port of [7000, program.port]) {
    const flow = connection.datagrams(port)
    for (const size of [0, 1, 1200, 65_507]) {
      const payload = randomBytes(size)
      const answer = once(flow, 'message')
      flow.send(payload)
      assert.ok(payload.equals((await answer)[0] as Buffer), `${size} bytes`)
    }
    assert.throws(() => flow.send(Buffer.alloc(65_508)), RangeError)
    flow.close()
  }
})

staged(
  'what is no payload is refused with a code, at both sides, and nothing else is harmed',
  async stage => {
    let there: DatagramFlow | undefined
    const onflow = (flow: DatagramFlow): void => {
      there = flow.on('message', payload => flow.send(payload))
    }
    const { connection } = await meet(stage, [{ proto: 'udp', port: 7000, onflow }])
    const here = connection.datagrams(7000)
    const echoed = async (payload: Uint8Array): Promise<void> => {
      const answer = once(here, 'message')
      here.send(payload)
      assert.ok(Buffer.from(payload).equals((await answer)[0] as Buffer))
    }
    await echoed(Buffer.from('before'))
    for (const flow of [here, there!]) {
      for (const wrong of [
        'text',
        5,
        undefined,
        null,
        [1],
        {},
        new ArrayBuffer(4),
        new DataView(new ArrayBuffer(4))
      ])
        assert.throws(() => flow.send(wrong as never), { code: 'BAD_OPTIONS', message: /payload/ })
    }
    await echoed(Buffer.from('after'))
  }
)

staged('a UDP flow that is idle ends at the server, and begins again when something is sent', async stage => {
  const flows: DatagramFlow[] = []
  const { bootstrap } = await stage.testnet()
  const limits = { udpIdleSeconds: 1 }
  const host = await stage.use(new HyperNat({ bootstrap, portMapping: false, limits }))
  const server = await host.share({
    secret: newSecret(),
    maps: [
      {
        proto: 'udp',
        port: 7000,
        onflow(flow) {
          flows.push(flow)
          flow.on('message', payload => flow.send(payload))
        }
      }
    ]
  })
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false, limits }))
  const flow = (await guest.connect(server.publicKey)).datagrams(7000)
  const answer = once(flow, 'message')
  flow.send(Buffer.from('one'))
  await answer
  await once(flows[0]!, 'close')
  const next = once(flow, 'message')
  flow.send(Buffer.from('two'))
  assert.equal(String((await next)[0]), 'two')
  assert.equal(flows.length, 2)
})

staged('HTTP over streams: a server and an agent of Node.js', async stage => {
  const web = http.createServer((request, response) => response.end(`${request.method} ${request.url}`))
  const { connection } = await meet(stage, [
    { proto: 'tcp', port: 80, onconnection: stream => web.emit('connection', stream) }
  ])
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
  agent.createConnection = () => connection.stream(80) as Duplex as net.Socket
  stage.defer(() => agent.destroy())
  const answers = await Promise.all(
    ['/a', '/b', '/c'].map(
      path =>
        new Promise<string>((resolve, reject) => {
          http.get({ agent, path, host: 'friend' }, response => resolve(text(response))).on('error', reject)
        })
    )
  )
  assert.deepEqual(answers, ['GET /a', 'GET /b', 'GET /c'])
})

staged('thousands of streams, one after the other, leave nothing', async stage => {
  const { connection, guest, host } = await meet(stage, [echo])
  for (let i = 0; i < 2000; i++) {
    const stream = connection.stream(7000)
    stream.end('x')
    await pipeline(stream, async source => {
      for await (const _ of source);
    })
  }
  const flows = (): number =>
    [...guest.status().clients, ...host.status().servers]
      .flatMap(({ sessions }) => sessions.flatMap(({ maps }) => maps))
      .reduce((sum, { flows }) => sum + flows, 0)
  await until(5000, 'all flows to be over', () => flows() === 0)
})
