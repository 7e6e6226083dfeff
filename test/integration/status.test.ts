// What a node says of itself is what went through it.
import assert from 'node:assert/strict'
import { HyperNat } from '../../src/index.js'
import type { MapStatus, SessionStatus } from '../../src/status.js'
import { connectTcp, readAll, UdpClient } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { bindUdpEcho, listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

const BYTES = 300_000

function mapOf(status: { maps: readonly MapStatus[] }, proto: string): MapStatus {
  const found = status.maps.find(map => map.proto === proto)
  assert.ok(found, `a ${proto} map in ${JSON.stringify(status.maps)}`)
  return found
}

staged('a snapshot counts bytes, flows, datagrams and connections, on both sides', async stage => {
  const { bootstrap } = await stage.testnet()
  const host = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const tcp = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const maps = [
    { proto: 'tcp' as const, port: tcp.port },
    { proto: 'tcpudp' as const, port: tcp.port },
    { proto: 'udp' as const, port: udp.port }
  ]
  const shared = await host.share({ secret: newSecret(), maps })
  const opened = await guest.open({
    publicKey: shared.publicKey,
    maps: maps.map(map => ({ ...map, localPort: 0 }))
  })
  const before = Date.now()
  await until(20_000, 'a session', () => guest.status().clients[0]?.sessions[0]?.state === 'up')
  const there = (): SessionStatus => host.status().servers[0]!.sessions[0]!
  const here = (): SessionStatus => guest.status().clients[0]!.sessions[0]!
  const localPort = (proto: string): number => opened.maps.find(map => map.proto === proto)!.localPort

  for (const proto of ['tcp', 'tcpudp']) {
    const socket = await connectTcp(localPort(proto))
    // Its FIN waits, so that the flow is open.
    socket.write(Buffer.alloc(BYTES, 7))
    await until(20_000, `the echo over ${proto}`, () => {
      return mapOf(here(), proto).bytesIn === BYTES && socket.resume().bytesRead === BYTES
    })
    assert.equal(mapOf(here(), proto).flows, 1)
    assert.equal(mapOf(there(), proto).flows, 1)
    socket.end()
    await readAll(socket).catch(() => {})
    await until(10_000, `the flow over ${proto} to be over`, () => {
      return mapOf(here(), proto).flows === 0 && mapOf(there(), proto).flows === 0
    })
    for (const side of [here(), there()]) {
      const { bytesIn, bytesOut, opened, datagramsIn } = mapOf(side, proto)
      assert.deepEqual(
        { bytesIn, bytesOut, opened, datagramsIn },
        {
          bytesIn: BYTES,
          bytesOut: BYTES,
          opened: 1,
          datagramsIn: 0
        }
      )
    }
  }

  const program = await stage.use(UdpClient.open(localPort('udp')))
  await program.echo(Buffer.alloc(1000, 1))
  const asked = mapOf(here(), 'udp')
  assert.equal(asked.flows, 1)
  assert.equal(asked.opened, 1)
  assert.ok(asked.datagramsOut >= 1 && asked.bytesOut === asked.datagramsOut * 1000, JSON.stringify(asked))
  assert.equal(mapOf(there(), 'udp').flows, 1)
  assert.equal(mapOf(there(), 'udp').datagramsIn, mapOf(there(), 'udp').datagramsOut)

  assert.equal(here().peer, shared.publicKey)
  assert.equal(here().host, there().host)
  assert.equal(there().path, 'lan')
  assert.ok(here().since >= before - 20_000 && here().since <= Date.now())
  assert.ok(here().datagrams.sent > 0 && here().datagrams.received > 0)
  assert.equal(
    here().total.bytesOut,
    here().maps.reduce((sum, map) => sum + map.bytesOut, 0)
  )
  await until(10_000, 'a round trip', () => here().quality.rtt !== null && there().quality.rtt !== null)

  const { announced, admitted, ticket } = host.status().servers[0]!
  assert.deepEqual(
    { announced, admitted, ticket },
    { announced: 'announced', admitted: 1, ticket: shared.ticket }
  )
  const { network } = host.status()
  assert.ok(network.nodes > 0 && network.bootstrapped && network.port > 0, JSON.stringify(network))

  guest.reconnect()
  await until(20_000, 'the session to go on', () => here()?.resumptions === 1 && here().state === 'up')
  assert.equal(there().resumptions, 1)
  assert.equal(mapOf(here(), 'tcp').bytesIn, BYTES, 'counted over all connections')
  assert.ok(guest.status().clients[0]!.dials >= 2)

  // What came and went stays counted.
  const last = mapOf(there(), 'tcp')
  await opened.close()
  assert.deepEqual(guest.status().clients, [])
  await until(10_000, 'the session to end', () => host.status().servers[0]!.sessions.length === 0)
  const after = mapOf(host.status().servers[0]!, 'tcp')
  assert.equal(after.bytesIn, last.bytesIn)
  assert.equal(after.opened, last.opened)
  assert.deepEqual(JSON.parse(JSON.stringify(host.status().servers)), host.status().servers, 'plain data')
})
