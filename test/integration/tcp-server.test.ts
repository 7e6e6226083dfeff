/** Servers that are reached by TCP themselves, and guests who have nothing else: whole processes. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyperNat as HyperNatNode } from '../../src/hyper-nat.js'
import { connectTcp, readSome, UdpClient } from '../support/clients.js'
import { HttpProxy } from '../support/http-proxy.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { startNginx } from '../support/nginx.js'
import { missing, programPath } from '../support/programs.js'
import { bindUdpEcho, freePort, listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'
import { root } from '../unit/root.js'

/** Nobody answers there. */
const NO_DHT = '127.0.0.1:9'

/** How a server is reached by TCP, where it is not plain `ws` on its own port. */
interface Way {
  readonly scheme?: 'ws' | 'wss'
  /** The port of a reverse proxy. */
  readonly front?: number
  readonly flags?: readonly string[]
}

/** A server with `--tcp`, and a ticket that names `ws://127.0.0.1:PORT/hn` with a token. */
async function sharing(stage: Stage, port: number, { scheme = 'ws', front = port, flags = [] }: Way = {}) {
  const { bootstrap } = await stage.testnet()
  const tcp = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const maps = ['-p', `${tcp.port},${udp.port}`, '--protocol', 'tcp,udp', '-s', newSecret()]
  const address = `${scheme}://127.0.0.1:${front}/hn#a-token`
  const reached = ['--tcp', `${port}`, '--tcp-host', '127.0.0.1', '--tcp-address', address, ...flags]
  const server = stage.start(['server', ...maps, ...reached, '--bootstrap', bootstrap.join(','), '--json'], {
    name: 'server'
  })
  const ready = await server.event('ready')
  assert.ok(ready.mode === 'server' && ready.ticket, server.describe())
  return { tcp, udp, port, server, ready, ticket: ready.ticket }
}

function tempFolder(stage: Stage): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
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
  const { tcp, udp, server, ticket } = await sharing(stage, await freePort())
  const guest = stage.start(['join', ticket, '-l', '0', '--json', '--no-lan', '--bootstrap', NO_DHT], {
    name: 'guest'
  })
  const { path } = await guest.event('connected')
  assert.equal(path, 'relayed (tcp)')
  const there = await server.event('connected')
  assert.equal(there.path, 'relayed (tcp)', 'the server knows it, too')
  await check(stage, guest, tcp.port, udp.port)
})

staged(
  'the TCP port is opened for a server that can be shared, and tried again when it was in use',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const port = await freePort()
    const other = net.createServer().listen(port, '127.0.0.1')
    stage.defer(() => other.close())
    await once(other, 'listening')
    const node = await stage.use(new HyperNatNode({ bootstrap, tcp: { port, host: '127.0.0.1' } }))
    const what = { secret: newSecret(), maps: [] }
    await assert.rejects(node.share(what), { code: 'PORT_IN_USE' })
    assert.deepEqual(node.status().servers, [])
    other.close()
    await once(other, 'close')
    await assert.rejects(node.share({ ...what, maps: 5 as never }), { code: 'BAD_OPTIONS' })
    await assert.rejects(connectTcp(port), { code: 'ECONNREFUSED' })
    await node.share(what)
    const socket = await connectTcp(port)
    socket.destroy()
  }
)

staged('without the token of its address, a server is not reached by TCP', async stage => {
  const { ready, port } = await sharing(stage, await freePort())
  const maps = ['-r', '80', '-l', '0', '--protocol', 'tcp', '-k', ready.publicKey]
  const relay = ['--relay', `ws://127.0.0.1:${port}/hn#another`]
  const guest = stage.start(['client', ...maps, ...relay, '--json', '--no-lan', '--bootstrap', NO_DHT], {
    name: 'guest'
  })
  const { code } = await guest.event('waiting')
  assert.equal(code, 'DHT_UNREACHABLE')
})

staged('a guest whose only way out is an HTTP proxy joins through it', async stage => {
  const { tcp, udp, ticket } = await sharing(stage, await freePort())
  const asked: string[] = []
  const proxy = await stage.use(HttpProxy.start('127.0.0.1', 0, address => asked.push(address)))
  const guest = stage.start(['join', ticket, '-l', '0', '--json', '--no-lan', '--bootstrap', NO_DHT], {
    name: 'guest',
    env: { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: '' }
  })
  assert.equal((await guest.event('connected')).path, 'relayed (tcp)')
  assert.match(asked[0]!, /^127\.0\.0\.1:\d+$/)
  await check(stage, guest, tcp.port, udp.port)
})

staged(
  'a guest joins by TLS if it trusts the certificate, and only then',
  async stage => {
    const folder = tempFolder(stage)
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    execFileSync(
      programPath('openssl'),
      ['req', '-x509', ...curve, '-days', '1', '-keyout', key, '-out', cert, ...subject],
      { stdio: 'ignore' }
    )
    const flags = ['--tls-cert', cert, '--tls-key', key]
    const { tcp, udp, ticket } = await sharing(stage, await freePort(), { scheme: 'wss', flags })
    const order = ['join', ticket, '-l', '0', '--json', '--no-lan', '--bootstrap', NO_DHT]
    const wary = stage.start(order, { name: 'wary' })
    assert.equal((await wary.event('waiting')).code, 'DHT_UNREACHABLE')
    const guest = stage.start(order, { name: 'guest', env: { NODE_EXTRA_CA_CERTS: cert } })
    assert.equal((await guest.event('connected')).path, 'relayed (tcp)')
    await check(stage, guest, tcp.port, udp.port)
  },
  { skip: missing('openssl') }
)

staged(
  'a guest joins through nginx, set up as docs/network.md says',
  async stage => {
    const folder = tempFolder(stage)
    const [port, front] = [await freePort(), await freePort()]
    const docs = readFileSync(join(root, 'docs', 'network.md'), 'utf8')
    const location = /```nginx\n(.*?)```/s.exec(docs)![1]!
    assert.match(location, /127\.0\.0\.1:8080/)
    const server = `server { listen 127.0.0.1:${front}; ${location.replace('8080', `${port}`)} }`
    await startNginx(stage, folder, front, `access_log off; ${server}`)
    const { tcp, udp, ticket } = await sharing(stage, port, { front })
    const guest = stage.start(['join', ticket, '-l', '0', '--json', '--no-lan', '--bootstrap', NO_DHT], {
      name: 'guest'
    })
    assert.equal((await guest.event('connected')).path, 'relayed (tcp)')
    await check(stage, guest, tcp.port, udp.port)
  },
  { skip: missing('nginx') }
)
