import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import os from 'node:os'
import { test } from 'node:test'
import { isOwnHost, listeners } from '../../../src/programs/listeners.js'

const skip = process.platform !== 'linux' && 'only Linux has such a table'

test('programs of this computer are found at the addresses where they are reached', { skip }, async t => {
  const bind = async (host: string): Promise<number> => {
    const server = net.createServer().listen(0, host)
    t.after(() => server.close())
    await once(server, 'listening')
    return (server.address() as net.AddressInfo).port
  }
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => socket.close())
  await once(socket, 'listening')
  const udp = socket.address().port
  const [loopback, all, other] = [await bind('127.0.0.1'), await bind('0.0.0.0'), await bind('127.0.0.2')]
  const table = (await listeners())!
  assert.deepEqual(
    ['127.0.0.1', 'localhost', 'LOCALHOST', '127.0.0.2'].map(host => table('tcp', host, loopback)),
    [true, true, true, false]
  )
  assert.deepEqual(
    ['127.0.0.1', 'localhost', '127.0.0.2', '::1'].map(host => table('tcp', host, all)),
    [true, true, true, false]
  )
  assert.deepEqual([table('tcp', '127.0.0.2', other), table('tcp', '127.0.0.1', other)], [true, false])
  assert.deepEqual([table('udp', '127.0.0.1', udp), table('tcp', '127.0.0.1', udp)], [true, false])
})

test('an IPv6 address is found however it is written', { skip }, async t => {
  const server = net.createServer().listen(0, '::1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  t.after(() => udp.close())
  await once(udp, 'listening')
  const table = (await listeners())!
  for (const host of ['::1', '0:0:0:0:0:0:0:1', '0::0001']) {
    assert.ok(isOwnHost(host), host)
    assert.ok(table('tcp', host, port), host)
  }
})

test('hosts that are this computer', () => {
  const lan = Object.values(os.networkInterfaces()).flatMap(all => all?.map(({ address }) => address) ?? [])
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', ...lan]) assert.ok(isOwnHost(host), host)
  for (const host of ['192.0.2.1', 'example.com', '2001:db8::1']) assert.ok(!isOwnHost(host), host)
})
