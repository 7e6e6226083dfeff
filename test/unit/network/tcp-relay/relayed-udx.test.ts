// Streams and sockets whose packets go through a relay.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import UDX from 'udx-native'
import { LIMITS } from '../../../../src/limits.js'
import { silentLog } from '../../../../src/log/log.js'
import { Dht } from '../../../../src/network/dht.js'
import { RelayConnection } from '../../../../src/network/tcp-relay/connection.js'
import { relayAddress } from '../../../../src/network/tcp-relay/relay-address.js'
import { RelayedUdx } from '../../../../src/network/tcp-relay/relayed-udx.js'
import { systemClock } from '../../../../src/util/clock.js'
import { until } from '../../../support/deadline.js'
import { address, LOOPBACK, relay } from '../../../support/tcp-relay.js'

async function scene(t: TestContext) {
  const endpoint = await relay(t)
  const udx = new RelayedUdx()
  const connection = new RelayConnection(relayAddress(address(endpoint)), systemClock, LIMITS, silentLog)
  udx.use(connection, () => {})
  connection.start()
  t.after(() => connection.close())
  await until(5000, 'the relay welcomes us', () => connection.isUp)
  udx.route = connection
  return { udx, connection }
}

/** A socket whose port at the relay is known. */
async function socketOf(t: TestContext, udx: RelayedUdx) {
  const socket = udx.createSocket()
  socket.bind(0)
  t.after(() => void socket.close())
  await until(5000, 'the relay has bound a port', () => socket.address()!.port !== socket.localPort)
  return socket
}

/** A partner that is reached by UDP. */
function partner(t: TestContext, id: number) {
  const udx = new UDX()
  const socket = udx.createSocket()
  socket.bind(0, LOOPBACK)
  const stream = udx.createStream(id)
  stream.on('error', () => {})
  t.after(() => {
    stream.destroy()
    void socket.close()
  })
  return { socket, stream, port: socket.address()!.port }
}

test('a stream that has moved to another way does not keep the relay in use', async t => {
  const { udx, connection } = await scene(t)
  const socket = await socketOf(t, udx)
  const other = partner(t, 2)
  const stream = udx.createStream(1)
  stream.on('error', () => {})
  t.after(() => stream.destroy())
  stream.connect(socket, 2, other.port, LOOPBACK)
  other.stream.connect(other.socket, 1, socket.address()!.port, LOOPBACK)
  assert.equal(stream.relay, connection)
  assert.ok(udx.uses(connection))
  stream.write(Buffer.from('by the relay'))
  await once(other.stream, 'data')
  udx.route = null
  const changed = stream.changeRemote(socket, 2, other.port, LOOPBACK)
  assert.equal(stream.relay, null)
  stream.write(Buffer.from('directly'))
  await once(other.stream, 'data')
  await changed
  await until(5000, 'no stream uses it', () => !udx.uses(connection))
})

test('the answer to a first packet does not go through a relay that was left meanwhile', async t => {
  const { udx, connection } = await scene(t)
  const socket = await socketOf(t, udx)
  const other = partner(t, 2)
  let from: { host: string; port: number } | null = null
  const stream = udx.createStream(1, {
    firewall: (_: unknown, port: number, host: string) => {
      from = { host, port }
      return false
    }
  })
  stream.on('error', () => {})
  t.after(() => stream.destroy())
  other.stream.connect(other.socket, 1, socket.address()!.port, LOOPBACK)
  other.stream.write(Buffer.from('first'))
  await until(5000, 'it arrives', () => from !== null)
  assert.deepEqual(from, { host: LOOPBACK, port: other.port })
  udx.drop(connection)
  stream.connect(socket, 2, other.port, LOOPBACK)
  assert.equal(stream.relay, null)
})

test('the answer to a first packet by UDP goes by UDP, those of other streams do not', async t => {
  const { udx, connection } = await scene(t)
  const socket = await socketOf(t, udx)
  const other = partner(t, 2)
  let came = false
  const stream = udx.createStream(1, {
    firewall: () => {
      came = true
      return false
    }
  })
  stream.on('error', () => {})
  other.stream.connect(other.socket, 1, socket.localPort, LOOPBACK)
  other.stream.write(Buffer.from('first'))
  await until(5000, 'it arrives', () => came)
  const later = udx.createStream(3)
  later.on('error', () => {})
  t.after(() => {
    stream.destroy()
    later.destroy()
  })
  later.connect(socket, 4, other.port, LOOPBACK)
  assert.equal(later.relay, connection)
  stream.connect(socket, 2, other.port, LOOPBACK)
  assert.equal(stream.relay, null)
})

test("the port to map on the router is this machine's, not the relay's", async t => {
  const { udx } = await scene(t)
  const dht = new Dht({ bootstrap: [], udx }, systemClock, LIMITS, silentLog)
  t.after(() => dht.destroy({ force: true }))
  await once(dht, 'listening')
  await until(5000, 'it has a port at the relay', () => dht.serverSocket.address().port !== dht.ownPort)
  const socket = new UDX().createSocket()
  t.after(() => void socket.close())
  const came = once(dht.serverSocket, 'message')
  socket.trySend(Buffer.of(0), dht.ownPort, LOOPBACK)
  await came
})

test('a packet of a new partner is lost where no descriptor is left, and nothing else is', async t => {
  const { udx, connection } = await scene(t)
  const socket = await socketOf(t, udx)
  const create = udx.plain.createSocket.bind(udx.plain)
  udx.plain.createSocket = () => {
    const full = create()
    full.bind = () => {
      throw new Error('EMFILE')
    }
    return full
  }
  const packet = Buffer.alloc(20)
  packet.set([0xff, 1])
  connection.events.packet(socket.id, 0x01010101, 1000, packet)
  udx.plain.createSocket = create
  const question = Buffer.alloc(10)
  question[0] = 0x03
  const came = once(socket, 'message')
  connection.events.packet(socket.id, 0x01010101, 1000, question)
  assert.deepEqual((await came)[1], { host: '1.1.1.1', family: 4, port: 1000 })
})
