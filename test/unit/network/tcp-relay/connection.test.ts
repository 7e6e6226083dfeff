// A relay behind an HTTP proxy, and attempts that hang.
import assert from 'node:assert/strict'
import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { WebSocketServer } from 'ws'
import { LIMITS } from '../../../../src/limits.js'
import { type Log, silentLog } from '../../../../src/log/log.js'
import { type ConnectionLimits, RelayConnection } from '../../../../src/network/tcp-relay/connection.js'
import { SESSION_BYTES, welcome } from '../../../../src/network/tcp-relay/frames.js'
import { relayAddress } from '../../../../src/network/tcp-relay/relay-address.js'
import { sharedLookup } from '../../../../src/network/tcp-relay/shared-lookup.js'
import { systemClock } from '../../../../src/util/clock.js'
import { pause, until } from '../../../support/deadline.js'
import { address, LOOPBACK, relay } from '../../../support/tcp-relay.js'

function connect(t: TestContext, to: string, limits: Partial<ConnectionLimits> = {}, log: Log = silentLog) {
  const connection = new RelayConnection(relayAddress(to), systemClock, { ...LIMITS, ...limits }, log)
  t.after(() => connection.close())
  connection.start()
  return connection
}

const NAMES = ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy', 'ALL_PROXY', 'all_proxy']

const before = NAMES.map(name => [name, process.env[name]] as const)

/** Sets these variables for the time of the test, and no others of their kind. */
function environment(t: TestContext, variables: NodeJS.ProcessEnv): void {
  for (const name of NAMES) delete process.env[name]
  Object.assign(process.env, variables)
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
}

/** A TCP server with the connections that it has. */
async function server(t: TestContext, onsocket: (socket: net.Socket) => void = () => {}) {
  const sockets = new Set<net.Socket>()
  const seen = { connections: 0 }
  const server = net.createServer(socket => {
    seen.connections++
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
    onsocket(socket)
  })
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as net.AddressInfo).port, sockets, seen }
}

for (const [variable, value] of [
  ['HTTPS_PROXY', 'http://[bad'],
  ['HTTPS_PROXY', 'socks5://127.0.0.1:1080'],
  ['HTTPS_PROXY', 'http://%zz@127.0.0.1:3128'],
  ['HTTPS_PROXY', 'http://%4:1zz@127.0.0.1:3128'],
  ['ALL_PROXY', 'socks5://127.0.0.1:1080']
] as const) {
  test(`the proxy ${value} in ${variable} is reported, and ends nothing`, async t => {
    environment(t, { [variable]: value })
    const warnings: string[] = []
    const log = Object.assign(Object.create(silentLog), { warn: (text: string) => warnings.push(text) })
    const connection = connect(t, 'ws://127.0.0.1:9', {}, log)
    await until(5000, 'it is refused', () => connection.refusal !== null)
    assert.equal(connection.refusal, 'proxy')
    assert.equal(warnings.length, 1)
    assert.ok(warnings[0]!.startsWith(`${variable} names "`), warnings[0])
    assert.ok(!warnings[0]!.includes('zz'), 'no password')
  })
}

test('no connection to a silent proxy is left behind', async t => {
  const proxy = await server(t)
  environment(t, { HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}` })
  const limits = { tcpAttemptMs: 30, tcpAttempts: 2, tcpAttemptTimeoutMs: 300 }
  const connection = connect(t, 'ws://127.0.0.1:9', limits)
  await until(5000, 'it has tried several times', () => proxy.seen.connections >= 5)
  assert.ok(proxy.sockets.size <= 4, `${proxy.sockets.size} at a time`)
  connection.close()
  await until(5000, 'all are closed', () => proxy.sockets.size === 0)
})

test('an attempt that a proxy says nothing to ends in time', async t => {
  const proxy = await server(t)
  environment(t, { HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}` })
  const limits = { tcpAttemptMs: 60_000, tcpAttempts: 2, tcpAttemptTimeoutMs: 200 }
  const connection = connect(t, 'ws://127.0.0.1:9', limits)
  await until(5000, 'it is given up', () => connection.refusal === 'unreachable')
  await until(5000, 'the connection is closed', () => proxy.sockets.size === 0)
  assert.equal(proxy.seen.connections, 1)
})

test('a proxy without a scheme is spoken to in plain HTTP', async t => {
  let first = ''
  const proxy = await server(t, socket =>
    socket.once('data', data => {
      first = String(data)
    })
  )
  environment(t, { HTTPS_PROXY: `${LOOPBACK}:${proxy.port}` })
  connect(t, 'wss://relay.example/hn')
  await until(5000, 'it is asked', () => first !== '')
  assert.match(first, /^CONNECT relay\.example:443 HTTP\/1\.1\r\n/)
})

test('a relay that NO_PROXY names is connected to directly, and others are not', async t => {
  const endpoint = await relay(t)
  const proxy = await server(t)
  for (const [no, direct] of [
    [LOOPBACK, true],
    [`${LOOPBACK}:${endpoint.port}`, true],
    [`${LOOPBACK}:${endpoint.port + 1}`, false],
    ['relay.example', false],
    ['*', true]
  ] as const) {
    environment(t, { HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}`, NO_PROXY: no })
    const { connections } = proxy.seen
    const connection = connect(t, address(endpoint))
    await until(5000, `NO_PROXY=${no}`, () => connection.isUp || proxy.seen.connections > connections)
    assert.equal(connection.isUp, direct, no)
    connection.close()
  }
})

test('the port of a ws address without one is 80 for NO_PROXY, too', async t => {
  const proxy = await server(t)
  environment(t, { HTTPS_PROXY: `http://${LOOPBACK}:${proxy.port}`, NO_PROXY: 'relay.invalid:80' })
  const connection = connect(t, 'ws://relay.invalid/')
  await until(5000, 'its name is unknown here', () => connection.refusal !== null)
  assert.equal(proxy.seen.connections, 0)
})

/** A relay that is full, and when it was asked for a place. */
async function fullRelay(t: TestContext) {
  const asked: number[] = []
  const { port } = await server(t, socket => {
    asked.push(performance.now())
    socket.end('HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n')
  })
  return { asked, to: `ws://${LOOPBACK}:${port}` }
}

test('a relay that stays full is asked at growing intervals', async t => {
  environment(t, {})
  const { asked, to } = await fullRelay(t)
  const connection = connect(t, to, { tcpAttemptMs: 10, tcpPatienceMs: 100, tcpSlowMs: 60_000 })
  const isRare = (): boolean => asked.some((at, i) => i > 0 && at - asked[i - 1]! > 500)
  await until(20_000, 'a long rest', isRare)
  assert.equal(connection.refusal, 'full')
  assert.ok(asked.length > 5, 'not from the start')
})

test('when the network changes a relay is asked at once, unless it wants another token', async t => {
  environment(t, {})
  const { asked, to } = await fullRelay(t)
  const connection = connect(t, to, { tcpAttemptMs: 60_000 })
  await until(5000, 'its answer', () => connection.refusal === 'full')
  connection.retry()
  await until(5000, 'another attempt', () => asked.length === 2)
  const endpoint = await relay(t, { tokens: ['s3cret'] })
  let failures = 0
  const log = Object.assign(Object.create(silentLog), { debug: () => failures++ })
  const other = connect(t, `${address(endpoint)}/#another`, {}, log)
  await until(5000, 'its answer', () => other.refusal === 'token')
  other.retry()
  connection.retry()
  await until(5000, 'a further attempt', () => asked.length === 3)
  assert.equal(failures, 1)
})

test('a relay that answers in another version is asked again rarely', async t => {
  environment(t, {})
  const relay = new WebSocketServer({ port: 0, host: LOOPBACK })
  let asked = 0
  relay.on('connection', ws => {
    asked++
    ws.on('error', () => {})
    ws.send(welcome({ version: 99, kind: 'network', session: Buffer.alloc(SESSION_BYTES), resumed: false }))
  })
  await once(relay, 'listening')
  t.after(() => {
    for (const ws of relay.clients) ws.terminate()
    relay.close()
  })
  const { port } = relay.address() as net.AddressInfo
  const connection = connect(t, `ws://${LOOPBACK}:${port}`, { tcpAttemptMs: 30 })
  await until(5000, 'its answer', () => connection.refusal !== null)
  assert.equal(connection.refusal, 'version')
  await pause(300)
  assert.equal(asked, 1)
})

for (const [name, variables] of [
  ['relay.invalid', {}],
  ['proxy.invalid', { HTTPS_PROXY: 'http://proxy.invalid:3128' }]
] as const) {
  test(`while the resolver is silent ${name} is looked up once`, async t => {
    environment(t, variables)
    const { mock } = t.mock.method(dns, 'lookup', () => {})
    let failures = 0
    const log = Object.assign(Object.create(silentLog), { debug: () => failures++ })
    connect(t, 'ws://relay.invalid', { tcpAttemptMs: 10, tcpAttemptTimeoutMs: 30 }, log)
    await until(5000, 'some attempts', () => failures > 5)
    assert.deepEqual(
      mock.calls.map(({ arguments: [host] }) => host),
      [name]
    )
  })
}

test('look-ups of one name at the same time share the answer, and a later one asks again', async t => {
  const { mock } = t.mock.method(dns, 'lookup', () => {})
  const found: unknown[] = []
  const look = (): Promise<void> =>
    new Promise(resolve => {
      sharedLookup('some.invalid', { family: 4 }, (_, ...answer) => resolve(void found.push(answer)))
    })
  const both = [look(), look()]
  const [
    {
      arguments: [, , done]
    }
  ] = mock.calls as unknown as [{ arguments: [string, object, Done] }]
  done(null, '192.0.2.1', 4)
  await Promise.all(both)
  const answer = ['192.0.2.1', 4]
  assert.deepEqual([found, mock.callCount()], [[answer, answer], 1])
  void look()
  assert.equal(mock.callCount(), 2)
})

type Done = (err: Error | null, address: string, family: number) => void
