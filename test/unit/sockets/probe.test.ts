import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import net from 'node:net'
import { test } from 'node:test'
import { probeTarget } from '../../../src/sockets/probe.js'

const QUERY = Buffer.from('\xff\xff\xff\xffgetinfo', 'latin1')
const MS = 10_000

/** A port that was free a moment ago, as both TCP and UDP. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

test('a TCP target answers while a program listens', async () => {
  const server = net.createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const { port } = server.address() as net.AddressInfo
  for (const proto of ['tcp', 'tcpudp'] as const)
    assert.equal(await probeTarget({ proto, host: '127.0.0.1', port }, MS), 'answers')
  await new Promise(resolve => server.close(resolve))
  assert.equal(await probeTarget({ proto: 'tcp', host: '127.0.0.1', port }, MS), 'closed')
})

test('a UDP target is known by its query: answered, bound but silent, closed', async () => {
  const socket = dgram.createSocket('udp4')
  socket.on('message', (_, { port, address }) => socket.send('answer', port, address))
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  const target = { proto: 'udp', host: '127.0.0.1', port: socket.address().port, query: QUERY } as const
  assert.equal(await probeTarget(target, MS), 'answers')
  socket.removeAllListeners('message')
  assert.equal(await probeTarget(target, 1), 'answers')
  await new Promise<void>(resolve => socket.close(resolve))
  assert.equal(await probeTarget(target, MS), 'closed')
})

test('a UDP target without a query gets no datagram', async () => {
  const port = await freePort()
  assert.equal(await probeTarget({ proto: 'udp', host: '127.0.0.1', port }, MS), 'unknown')
})

test('an address that UDP cannot be connected to says nothing of its program', async () => {
  const target = { proto: 'udp', host: '255.255.255.255', port: 9, query: QUERY } as const
  assert.equal(await probeTarget(target, MS), 'unknown')
})

test('a name that does not exist is closed', async () => {
  const target = { host: 'nowhere.invalid', port: 9, query: QUERY }
  assert.equal(await probeTarget({ ...target, proto: 'tcp' }, MS), 'closed')
  assert.equal(await probeTarget({ ...target, proto: 'udp' }, MS), 'closed')
})
