import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import dns from 'node:dns'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { isUdpAnswered } from '../../../../src/network/tcp-relay/udp-probe.js'
import { until } from '../../../support/deadline.js'

const LOOPBACK = '127.0.0.1'

/** A DHT node that answers as told. */
async function node(t: TestContext, answer: (request: Buffer) => Buffer | null) {
  const socket = dgram.createSocket('udp4')
  const requests: Buffer[] = []
  socket.on('message', (request, { port, address }) => {
    requests.push(request)
    const reply = answer(request)
    if (reply) socket.send(reply, port, address)
  })
  socket.bind(0, LOOPBACK)
  await once(socket, 'listening')
  t.after(() => socket.close())
  return { host: LOOPBACK, port: socket.address().port, requests }
}

/** What dht-rpc answers, as far as it is looked at: type and number. */
function reply(request: Buffer, change = 0): Buffer {
  const answer = Buffer.alloc(12)
  answer[0] = 0x13
  answer.writeUInt16LE((request.readUInt16LE(2) + change) & 0xffff, 2)
  return answer
}

const never = (): AbortSignal => new AbortController().signal
const sockets = (): number => process.getActiveResourcesInfo().filter(name => name === 'UDPWrap').length

test('one answer is enough, and the other probes end with it', async t => {
  const silent = await node(t, () => null)
  const good = await node(t, reply)
  const before = sockets()
  assert.equal(await isUdpAnswered([silent, good], 60_000, never()), true)
  await until(2000, 'no socket is left', () => sockets() === before)
  assert.equal(good.requests.length, 1)
  // A request of dht-rpc: PING, to the address that it is sent to.
  const [request] = good.requests
  assert.deepEqual([request![0], request![1], request![10]], [0x03, 0b100, 0])
  assert.deepEqual([...request!.subarray(4, 8)], [127, 0, 0, 1])
  assert.equal(request!.readUInt16LE(8), good.port)
})

test('silence, and answers to something else, are no answer', async t => {
  const nodes = [
    await node(t, () => null),
    await node(t, request => reply(request, 1)),
    await node(t, () => Buffer.from('hello'))
  ]
  assert.equal(await isUdpAnswered(nodes, 600, never()), false)
  assert.ok(nodes[0]!.requests.length > 1, 'a request is repeated')
})

test('a refusal by all is known at once', async () => {
  const started = performance.now()
  assert.equal(await isUdpAnswered([{ host: LOOPBACK, port: 9 }], 30_000, never()), false)
  assert.ok(performance.now() - started < 5000)
})

test('it ends when it is stopped, and without any node', async t => {
  const silent = await node(t, () => null)
  const end = new AbortController()
  const answered = isUdpAnswered([silent], 60_000, end.signal)
  await until(5000, 'it is asked', () => silent.requests.length > 0)
  end.abort()
  assert.equal(await answered, false)
  assert.equal(await isUdpAnswered([silent], 60_000, end.signal), false)
  assert.equal(await isUdpAnswered([], 60_000, never()), false)
})

test('an address that the system does not connect to is a refusal', async t => {
  const silent = await node(t, () => null)
  // A broadcast; without a route to the node it is the same.
  const broadcast = { host: '255.255.255.255', port: 49_737 }
  assert.equal(await isUdpAnswered([broadcast], 5000, never()), false)
  assert.equal(await isUdpAnswered([broadcast, silent], 300, never()), false)
})

test('while the resolver is silent a node is looked up once', async t => {
  const { mock } = t.mock.method(dns, 'lookup', () => {})
  for (let i = 0; i < 3; i++) {
    const stopped = new AbortController()
    const answered = isUdpAnswered([{ host: 'node.invalid', port: 1 }], 10_000, stopped.signal)
    stopped.abort()
    assert.equal(await answered, false)
  }
  assert.equal(mock.callCount(), 1)
})
