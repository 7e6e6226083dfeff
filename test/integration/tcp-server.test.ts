/** Servers that are reached by TCP themselves, and guests who have nothing else: whole processes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { connectTcp, readSome, UdpClient } from '../support/clients.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { bindUdpEcho, freePort, listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

/** Nobody answers there. */
const NO_DHT = '127.0.0.1:9'

/** A server with `--tcp`, and a ticket that names `ws://127.0.0.1:PORT/hn` with a token. */
async function sharing(stage: Stage, token = 'a-token') {
  const { bootstrap } = await stage.testnet()
  const tcp = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const port = await freePort()
  const maps = ['-p', `${tcp.port},${udp.port}`, '--protocol', 'tcp,udp', '-s', newSecret()]
  const address = `ws://127.0.0.1:${port}/hn#${token}`
  const reached = ['--tcp', `${port}`, '--tcp-host', '127.0.0.1', '--tcp-address', address]
  const server = stage.start(['server', ...maps, ...reached, '--bootstrap', bootstrap.join(','), '--json'], {
    name: 'server'
  })
  const ready = await server.event('ready')
  assert.ok(ready.mode === 'server' && ready.ticket, server.describe())
  return { tcp, udp, port, server, ready, ticket: ready.ticket }
}

async function check(stage: Stage, guest: HyperNat, tcp: number, udp: number): Promise<void> {
  const bytes = stage.random.bytes(100_000)
  const socket = await connectTcp(await guest.localPort('tcp', tcp))
  socket.write(bytes)
  assert.deepEqual(await readSome(socket, bytes.byteLength), bytes)
  socket.destroy()
  const client = await UdpClient.open(await guest.localPort('udp', udp))
  await client.echo(stage.random.bytes(700)).finally(() => client.socket.close())
}

staged('a guest without any DHT joins by the ticket of a server that is its own relay', async stage => {
  const { tcp, udp, server, ticket } = await sharing(stage)
  const guest = stage.start(['join', ticket, '-l', '0', '--json', '--bootstrap', NO_DHT], { name: 'guest' })
  const { path } = await guest.event('connected')
  assert.equal(path, 'relayed (tcp)')
  const there = await server.event('connected')
  assert.equal(there.path, 'relayed (tcp)', 'the server knows it, too')
  await check(stage, guest, tcp.port, udp.port)
})

staged('without the token of its address, a server is not reached by TCP', async stage => {
  const { ready, port } = await sharing(stage)
  const maps = ['-r', '80', '-l', '0', '--protocol', 'tcp', '-k', ready.publicKey]
  const relay = ['--relay', `ws://127.0.0.1:${port}/hn#another`]
  const guest = stage.start(['client', ...maps, ...relay, '--json', '--bootstrap', NO_DHT], { name: 'guest' })
  const { code } = await guest.event('waiting')
  assert.equal(code, 'DHT_UNREACHABLE')
})

staged('a guest whose only way out is an HTTP proxy joins through it', async stage => {
  const { tcp, udp, ticket } = await sharing(stage)
  const asked: string[] = []
  const proxy = http.createServer()
  proxy.on('connect', (request, client: net.Socket, head) => {
    asked.push(request.url ?? '')
    const { hostname, port } = new URL(`http://${request.url}`)
    const server = net.connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      server.write(head)
      server.pipe(client).pipe(server)
    })
    for (const [one, other] of [
      [server, client],
      [client, server]
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  stage.defer(async () => {
    proxy.closeAllConnections()
    proxy.close()
    await once(proxy, 'close')
  })
  const { port } = proxy.address() as net.AddressInfo
  const guest = stage.start(['join', ticket, '-l', '0', '--json', '--bootstrap', NO_DHT], {
    name: 'guest',
    env: { HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '' }
  })
  assert.equal((await guest.event('connected')).path, 'relayed (tcp)')
  assert.match(asked[0]!, /^127\.0\.0\.1:\d+$/)
  await check(stage, guest, tcp.port, udp.port)
})
