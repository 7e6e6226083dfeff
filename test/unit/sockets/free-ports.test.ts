import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { test } from 'node:test'
import type { PortSet } from '../../../src/games/port-set.js'
import { freePorts as find, type WantedPort } from '../../../src/sockets/free-ports.js'
import { listenUdp } from '../../../src/sockets/udp.js'
import { until } from '../../support/deadline.js'
import { bindUdp, listenTcp } from '../../support/servers.js'

const HOST = '127.0.0.1'
const TRIES = 50

function wanted(proto: WantedPort['proto'], localPort: number, nextFree = true): WantedPort {
  return { proto, localHost: HOST, localPort, nextFree }
}

async function freePorts(all: readonly WantedPort[], tries: number): Promise<number[]> {
  return (await find(all, tries)).places.map(({ localPort }) => localPort)
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

const set = (guestPorts: PortSet['guestPorts'], byAddress = true): PortSet => ({
  id: 'game',
  title: 'A game',
  guestPorts,
  byAddress
})

/** Three ports that depend on each other, the second of which is taken at 127.0.0.1, or everywhere. */
async function takenSet(
  t: { after(fn: () => unknown): void },
  kind: PortSet,
  host = HOST
): Promise<{ port: number; all: WantedPort[] }> {
  const taken = net.createServer().listen(0, host)
  await once(taken, 'listening')
  t.after(() => taken.close())
  const port = (taken.address() as net.AddressInfo).port - 1
  const one = (proto: 'tcp' | 'udp', localPort: number) => ({ ...wanted(proto, localPort), set: kind })
  return { port, all: [one('udp', port), one('tcp', port + 1), one('udp', port + 2)] }
}

test('ports that need one offset all move when one of them is taken, and the program that has it is named', async t => {
  const { port, all } = await takenSet(t, set('together'))
  const { places, moved } = await find(all, TRIES)
  const [first, ...rest] = places.map(({ localPort }) => localPort)
  assert.ok(first! > port)
  assert.deepEqual(rest, [first! + 1, first! + 2])
  assert.deepEqual(
    moved.map(({ members }) => members),
    [[0, 1, 2]]
  )
  const who = process.platform === 'win32' ? '.*' : `\\S+ \\(process ${process.pid}\\)`
  assert.match(
    moved[0]!.cause,
    new RegExp(`^Port ${port + 1} \\(tcp\\) of 127\\.0\\.0\\.1 is in use by ${who}$`)
  )
})

test('ports that need their numbers have them at another loopback address', {
  skip: process.platform === 'darwin' && 'macOS has 127.0.0.1 alone'
}, async t => {
  const { port, all } = await takenSet(t, set('same'))
  const { places, moved } = await find(all, TRIES)
  assert.deepEqual(
    places,
    all.map(({ localPort }) => ({ localHost: '127.0.0.2', localPort }))
  )
  assert.match(moved[0]!.cause, new RegExp(`^Port ${port + 1} \\(tcp\\)`))
})

for (const [what, kind, host] of [
  ['that are taken at every address', set('same'), '0.0.0.0'],
  ['of a game that looks at 127.0.0.1 alone', set('same', false), HOST]
] as const) {
  test(`ports that need their numbers, ${what}, are refused`, async t => {
    const { port, all } = await takenSet(t, kind, host)
    await assert.rejects(find(all, TRIES, { holder: async () => 'nginx (process 7)' }), {
      code: 'PORT_IN_USE',
      message: `Port ${port + 1} (tcp) of 127.0.0.1 is in use by nginx (process 7), and A game works only with the port numbers that the server has (${port}-${port + 2}). End that program and join again, leave the port out with --only, or join on another computer.`
    })
  })
}

test('only what is taken is said to be', async t => {
  const port = await takenTcp(t)
  const { moved } = await find([wanted('tcp', port), wanted('udp', port)], TRIES, {
    holder: async () => undefined
  })
  assert.deepEqual(moved, [
    { members: [0, 1], set: undefined, cause: `Port ${port} (tcp) of 127.0.0.1 is in use by another program` }
  ])
})

/** A port that is free, as are those behind it most likely. */
async function freedTcp(): Promise<number> {
  const server = await listenTcp(() => {})
  await server.close()
  return server.port
}

test('ports that are shared from here are left to their programs, each of several for another one', async () => {
  const port = await freedTcp()
  const shared = [0, 1, 2].map(i => ({ proto: 'tcp' as const, port: port + i, host: HOST }))
  const all = [wanted('tcp', port), wanted('tcp', port + 1), wanted('udp', port)]
  const { places, moved } = await find(all, TRIES, { shared, holder: async () => undefined })
  const [first, second, udp] = places.map(({ localPort }) => localPort)
  assert.ok(first! > port + 2 && second! > port + 2 && first !== second, `${first} ${second} beside ${port}`)
  assert.equal(udp, first, 'TCP and UDP of one port stay together')
  assert.equal(
    moved[0]?.cause,
    `Port ${port} (tcp) of 127.0.0.1 is left to the program that is shared from there`
  )
  // Neither another protocol, nor another address, nor a port that may not be another.
  const elsewhere = [
    { ...shared[0]!, proto: 'udp' as const },
    { ...shared[0]!, host: '127.0.0.2' }
  ]
  assert.deepEqual((await find([wanted('tcp', port)], TRIES, { shared: elsewhere })).moved, [])
  assert.deepEqual((await find([wanted('tcp', port, false)], TRIES, { shared })).moved, [])
})

test('what needs the number of a port that is shared from here has to wait for that to end', async () => {
  const port = await freedTcp()
  const all = [{ ...wanted('tcp', port), set: set('same', false) }]
  await assert.rejects(
    find(all, TRIES, { shared: [{ proto: 'tcp', port, host: HOST }] }),
    /is left to the program that is shared from there, and A game works only .* Stop sharing it and join again/
  )
})

test('after so many tries it is any free one', async t => {
  const port = await takenTcp(t)
  assert.deepEqual(await freePorts([wanted('tcp', port)], 0), [0])
})

test('faults of the address are left to the caller', async () => {
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
