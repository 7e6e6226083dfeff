// Several clients, several servers, and daemons that come and go.
import assert from 'node:assert/strict'
import { connectTcp, readAll, UdpClient } from '../support/clients.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { sha256 } from '../support/random.js'
import { bindUdpEcho, listenTcpEcho, onOnePort } from '../support/servers.js'
import { clientEntries, newSecret, type Share, type Stage, serverEntries, staged } from '../support/stage.js'

/** Echo servers for TCP and UDP on one port. */
async function echoes(stage: Stage): Promise<{ port: number; shares: Share[] }> {
  const [tcp, udp] = await onOnePort(listenTcpEcho, port => bindUdpEcho({ port }))
  await stage.use(tcp)
  await stage.use(udp)
  const { port } = tcp
  return {
    port,
    shares: [
      { proto: 'tcp', port },
      { proto: 'udp', port }
    ]
  }
}

/** Moves bytes through both of a client's maps to `port`. */
async function works(stage: Stage, client: HyperNat, port: number, size = 1_000_000): Promise<void> {
  const data = stage.random.bytes(size)
  const socket = await connectTcp(await client.localPort('tcp', port))
  socket.end(data)
  assert.equal(sha256(await readAll(socket)), sha256(data))
  const program = await UdpClient.open(await client.localPort('udp', port))
  try {
    await program.echo(data.subarray(0, 1_000))
  } finally {
    await program.close()
  }
}

staged('five clients on one server at the same time', async stage => {
  const { port, shares } = await echoes(stage)
  const secret = newSecret()
  const server = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server' })
  const { publicKey } = await server.event('ready')
  const clients = await Promise.all(
    [1, 2, 3, 4, 5].map(i => stage.daemon(clientEntries(shares, publicKey), {}, { name: `client ${i}` }))
  )
  await Promise.all(clients.map(client => client.event('connected')))
  await Promise.all(clients.map(client => works(stage, client, port, 5_000_000)))
  const peers = new Set(server.events.flatMap(e => (e.event === 'connected' ? [e.peer] : [])))
  assert.equal(peers.size, 5, 'the server tells them apart')

  // One that leaves disturbs nobody.
  await clients[0]?.stop()
  await Promise.all(clients.slice(1).map(client => works(stage, client, port)))
})

staged('one client to two servers', async stage => {
  const [left, right] = [await echoes(stage), await echoes(stage)]
  const entries: object[] = []
  for (const { shares } of [left, right]) {
    const server = await stage.daemon(serverEntries(shares, newSecret()), {}, { name: 'server' })
    entries.push(...clientEntries(shares, (await server.event('ready')).publicKey))
  }
  const client = await stage.daemon(entries, {}, { name: 'client' })
  await Promise.all([works(stage, client, left.port), works(stage, client, right.port)])
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  staged(
    `after a restart of the server (${signal}) its client is back within 5 s of its return`,
    async stage => {
      const { port, shares } = await echoes(stage)
      const { server, client, secret } = await stage.tunnel(shares)
      await works(stage, client, port)
      const mark = client.mark
      server.kill(signal)
      await server.end()

      const again = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server again' })
      await again.event('ready')
      const from = performance.now()
      await client.event('connected', { from: mark, ms: 15_000 })
      const ms = performance.now() - from
      stage.t.diagnostic(`back after ${ms.toFixed()} ms`)
      await works(stage, client, port)
      assert.ok(ms < 5_000, `back after ${ms.toFixed()} ms`)
      assert.ok(
        client.events.slice(mark).some(e => e.event === 'disconnected'),
        'the client told that the session was gone'
      )
    },
    { timeout: 90_000 }
  )
}

staged('a server that is away for a while is found again', async stage => {
  const { port, shares } = await echoes(stage)
  const { server, client, secret } = await stage.tunnel(shares)
  const mark = client.mark
  await server.stop()
  await client.event('waiting', { from: mark, ms: 30_000 })
  const again = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server again' })
  await again.event('ready')
  const from = performance.now()
  await client.event('connected', { from: mark, ms: 15_000 })
  const ms = performance.now() - from
  assert.ok(ms < 5_000, `back after ${ms.toFixed()} ms`)
  await works(stage, client, port)
})

staged('a client killed and started again is served again', async stage => {
  const { port, shares } = await echoes(stage)
  const { client, publicKey } = await stage.tunnel(shares)
  await works(stage, client, port)
  client.kill('SIGKILL')
  await client.end()
  const again = await stage.daemon(clientEntries(shares, publicKey), {}, { name: 'client again' })
  await again.event('connected', { ms: 5_000 })
  await works(stage, again, port)
})

staged('a client started before its server says that it waits, and connects when it comes', async stage => {
  const { port, shares } = await echoes(stage)
  const secret = newSecret()
  const early = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server, for its key' })
  const { publicKey } = await early.event('ready')
  await early.stop()

  const client = await stage.daemon(clientEntries(shares, publicKey), {}, { name: 'client' })
  const waiting = await client.event('waiting')
  assert.equal(waiting.publicKey, publicKey)
  assert.ok(!client.events.some(e => e.event === 'connected'))
  const server = await stage.daemon(serverEntries(shares, secret), {}, { name: 'server' })
  await server.event('ready')
  await client.event('connected', { ms: 5_000 })
  await works(stage, client, port)
})
