import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { isAddressMissing, isLocalAddress } from '../../../src/sockets/source-address.js'

// RFC 5737: nobody's.
const FOREIGN = '203.0.113.1'

test('an address of this machine is distinguished from one of another', async () => {
  assert.equal(await isLocalAddress('127.0.0.1'), true)
  assert.equal(await isLocalAddress(FOREIGN), false)
})

test('sockets fail with the error that is known when they are bound to it', async () => {
  const tcp = net.connect({ port: 1, host: '127.0.0.1', localAddress: FOREIGN })
  const [fromTcp] = await once(tcp, 'error')
  assert.equal(isAddressMissing(fromTcp), true)
  const udp = dgram.createSocket('udp4')
  const failed = once(udp, 'error')
  udp.bind({ address: FOREIGN, port: 0 })
  assert.equal(isAddressMissing((await failed)[0]), true)
  udp.close()
})

test('a target that refuses says nothing about our address', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  const [refused] = await once(net.connect({ port, host: '127.0.0.1' }), 'error')
  assert.equal(isAddressMissing(refused), false)
})
