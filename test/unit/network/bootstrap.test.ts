import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import HyperDHT from 'hyperdht'
import type { ServiceEvent } from '../../../src/events.js'
import { ownAddresses } from '../../../src/network/addresses.js'
import { BootstrapNodes, bestAddress, othersOf } from '../../../src/network/bootstrap.js'
import { failsWhenClosed } from '../../support/closed-start.js'

test('the address that most others reach', () => {
  assert.equal(bestAddress(['127.0.0.1', '192.168.1.5', '203.0.113.9']), '203.0.113.9')
  assert.equal(bestAddress(['127.0.0.1', '192.168.1.5']), '192.168.1.5')
  assert.equal(bestAddress(['127.0.0.1']), '127.0.0.1')
  assert.equal(bestAddress([]), '127.0.0.1')
})

test('nodes that will run here are not used to enter the DHT', async () => {
  const names = ['203.0.113.9:49737', '127.0.0.1:5003', 'localhost:5000', '127.0.0.1:5004', '127.0.0.1:4999']
  assert.deepEqual(await othersOf(names, ['127.0.0.1'], 5000, 4), [
    '203.0.113.9:49737',
    '127.0.0.1:5004',
    '127.0.0.1:4999'
  ])
})

test('nor by their names', async () => {
  const names = ['127.0.0.1@localhost:5000', '203.0.113.9@localhost:5000', 'LocalHost:5001', 'LocalHost:5004']
  assert.deepEqual(await othersOf(names, ['127.0.0.1'], 5000, 4), ['LocalHost:5004'])
})

test('a node that is its own bootstrap node begins a DHT', async t => {
  const port = await freeUdpPort()
  const nodes = new BootstrapNodes({
    port,
    nodes: 1,
    hosts: ['127.0.0.1'],
    bootstrap: [`127.0.0.1:${port}`]
  })
  t.after(() => nodes.close())
  const events: ServiceEvent[] = []
  nodes.on('event', event => events.push(event))
  await nodes.start()
  assert.deepEqual(
    events.map(({ event }) => event),
    ['warning', 'ready']
  )
})

test('a ping that wants its answer later gets none', async t => {
  const port = await freeUdpPort()
  const nodes = new BootstrapNodes({ port, nodes: 1, hosts: ['127.0.0.1'] })
  t.after(() => nodes.close())
  await nodes.start()
  const dht = new HyperDHT({ bootstrap: [] }) as HyperDHT & {
    delayedPing(to: HyperDHT.Address, ms: number, options: HyperDHT.RequestOptions): Promise<unknown>
  }
  t.after(() => dht.destroy({ force: true }))
  const node = { host: '127.0.0.1', port }
  await dht.ping(node)
  await assert.rejects(dht.delayedPing(node, 100, { retry: false }), { code: 'REQUEST_TIMEOUT' })
})

test('without an address to use it says that the nodes answer at one alone', async t => {
  if (ownAddresses().length < 2) return t.skip('this machine has one address')
  const nodes = new BootstrapNodes({ port: await freeUdpPort(), nodes: 1 })
  t.after(() => nodes.close())
  const codes: string[] = []
  nodes.on('event', event => event.event === 'warning' && codes.push(event.code))
  await nodes.start()
  assert.deepEqual(codes, ['FEW_NODES', 'ONE_ADDRESS'])
})

test('an address that is named twice has its nodes once', async t => {
  const nodes = new BootstrapNodes({ port: await freeUdpPort(), nodes: 1, hosts: ['127.0.0.1', '127.0.0.1'] })
  t.after(() => nodes.close())
  const ready: string[][] = []
  nodes.on('event', event => {
    if (event.event === 'ready' && event.mode === 'bootstrap') ready.push(event.nodes)
  })
  await nodes.start()
  assert.equal(ready[0]?.length, 1)
})

test('the address of a router is alone: its nodes take the ports of all addresses here', async t => {
  const nodes = new BootstrapNodes({
    port: await freeUdpPort(),
    nodes: 1,
    hosts: ['127.0.0.1', '203.0.113.7']
  })
  t.after(() => nodes.close())
  await assert.rejects(nodes.start(), {
    code: 'ADDRESS_NOT_HERE',
    message: /^203\.0\.113\.7 is not an address of this computer/
  })
})

test('nodes that are closed before or during their start do not start, and say so', async () => {
  const port = await freeUdpPort()
  await failsWhenClosed(() => new BootstrapNodes({ port, nodes: 1, hosts: ['127.0.0.1'] }))
})

async function freeUdpPort(): Promise<number> {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}
