import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freePorts, type WantedPort } from '../../../src/sockets/free-ports.js'
import { listenUdp } from '../../../src/sockets/udp.js'
import { until } from '../../support/deadline.js'
import { bindUdp, listenTcp } from '../../support/servers.js'

const HOST = '127.0.0.1'
const TRIES = 50

function wanted(proto: WantedPort['proto'], localPort: number, nextFree = true): WantedPort {
  return { proto, localHost: HOST, localPort, nextFree }
}

/** A port that is taken, and those behind it that should not be. */
async function takenTcp(t: { after(fn: () => unknown): void }): Promise<number> {
  const server = await listenTcp(() => {})
  t.after(() => server.close())
  return server.port
}

test('a free port is what was wanted', async t => {
  const server = await listenTcp(() => {})
  await server.close()
  t.diagnostic(`port ${server.port}`)
  assert.deepEqual(await freePorts([wanted('tcp', server.port), wanted('udp', 0)], TRIES), [server.port, 0])
})

test('a port in use makes way for the next free one', async t => {
  const port = await takenTcp(t)
  const [found] = await freePorts([wanted('tcp', port)], TRIES)
  assert.ok(found! > port && found! <= port + TRIES, `${found} after ${port}`)
})

test('a port in use stays as it is where no other will do', async t => {
  const port = await takenTcp(t)
  assert.deepEqual(await freePorts([wanted('tcp', port, false)], TRIES), [port])
})

test('TCP and UDP of one port move together', async t => {
  const udp = await bindUdp(() => {})
  t.after(() => udp.close())
  const [tcpPort, udpPort] = await freePorts([wanted('tcp', udp.port), wanted('udp', udp.port)], TRIES)
  assert.equal(tcpPort, udpPort)
  assert.ok(tcpPort! > udp.port)
})

test('tcp and tcpudp cannot share a port: the second moves', async t => {
  const server = await listenTcp(() => {})
  await server.close()
  t.diagnostic(`port ${server.port}`)
  const [tcp, tcpudp] = await freePorts([wanted('tcp', server.port), wanted('tcpudp', server.port)], TRIES)
  assert.equal(tcp, server.port)
  assert.ok(tcpudp! > server.port)
})

test('nobody moves into a place that another one wants', async t => {
  const port = await takenTcp(t)
  const all = [0, 1, 2, 3].map(i => wanted('tcp', port + i))
  const found = await freePorts(all, TRIES)
  assert.equal(new Set(found).size, 4, `${found}`)
  // Whoever of the neighbours could have its port has it.
  const alone = await Promise.all(all.map(async one => (await freePorts([one], TRIES))[0]))
  for (const [i, one] of all.entries()) {
    if (alone[i] === one.localPort) assert.equal(found[i], one.localPort)
  }
})

test('after so many tries it is any free one', async t => {
  const port = await takenTcp(t)
  assert.deepEqual(await freePorts([wanted('tcp', port)], 0), [0])
})

test('what is wrong with the address is left to who opens it', async () => {
  const there = { ...wanted('tcp', 40_000), localHost: '192.0.2.1' }
  assert.deepEqual(await freePorts([there], TRIES), [40_000])
})

test('a port that is in use leaves no socket behind', async () => {
  const sockets = () => process.getActiveResourcesInfo().filter(kind => kind === 'UDPWrap').length
  await until(5000, 'the sockets of other tests to be closed', () => sockets() === 0)
  const taken = await listenUdp('127.0.0.1', 0, () => {})
  await assert.rejects(
    listenUdp('127.0.0.1', taken.port, () => {}),
    { code: 'PORT_IN_USE' }
  )
  await until(5000, 'the socket to be closed', () => sockets() === 1)
  await taken.close()
})
