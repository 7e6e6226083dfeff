import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import { isOwnConnection, joins, ownerIn } from '../../../src/programs/connection-owner.js'

const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 21 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 22 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001        0 23 1 0 20 4 30 10 -1
`

const ends = (from: number, remoteAddress = '127.0.0.1', localPort = 8080) => ({
  localAddress: '127.0.0.1',
  localPort,
  remoteAddress,
  remotePort: from
})

test('the owner of the other end is found by the places of both', () => {
  assert.equal(ownerIn(TCP, ends(50_000)), 1001)
  assert.equal(ownerIn(TCP, ends(8080, '127.0.0.1', 50_000)), 1000)
  assert.equal(ownerIn(TCP, ends(50_000, '::ffff:127.0.0.1')), 1001)
  assert.equal(ownerIn(TCP, ends(50_001)), undefined)
  assert.equal(ownerIn('', ends(50_000)), undefined)
})

test('a connection that has ended, or another one from the same port, tells nothing about this one', () => {
  const over = TCP.replace('0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1001', match =>
    match.replace(' 01 ', ' 06 ').replace('1001', '   0')
  )
  assert.equal(ownerIn(over, ends(50_000)), null)
  assert.equal(ownerIn(TCP, ends(50_000, '127.0.0.2')), undefined)
})

test('lsof shows both ends of a connection', () => {
  assert.ok(joins('n127.0.0.1:50000->127.0.0.1:8080', 50_000, 8080))
  assert.ok(!joins('n127.0.0.1:8080->127.0.0.1:50000', 50_000, 8080))
  assert.ok(!joins('n127.0.0.1:8080', 50_000, 8080))
})

test('a connection of this process is its own', async t => {
  const server = net.createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const socket = net.connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const [[far]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')])
  t.after(() => far.destroy())
  assert.equal(await isOwnConnection(far), true)
})
