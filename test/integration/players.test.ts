// Player addresses: a game sees its guests come from addresses of their own, the owner sees whose they are, and a service behind
// the PROXY protocol is told the same.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyperNatError } from '../../src/errors.js'
import { HyperNat as Library } from '../../src/index.js'
import { connectTcp, readAll, readSome, UdpClient } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { type HyperNat, writeOptions } from '../support/hyper-nat.js'
import { startNginx } from '../support/nginx.js'
import { missing } from '../support/programs.js'
import { bindUdp, freePort, listenTcp, onOnePort } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

/** Only Linux and Windows have more loopback addresses than one. */
const skip = process.platform === 'darwin' && 'this system has no addresses for players'

/** A server from a file with guests in it, whose tickets are known. */
class Owner {
  constructor(
    readonly stage: Stage,
    readonly file: string,
    public server: HyperNat
  ) {}

  static async of(stage: Stage, entries: readonly object[]): Promise<Owner> {
    const { bootstrap } = await stage.testnet()
    const secret = newSecret()
    const schema = entries.map(entry => ({ mode: 'server', secret, ...entry }))
    const { file, remove } = writeOptions({ network: { bootstrap }, schema })
    stage.defer(() => remove())
    const owner = new Owner(stage, file, stage.start(['-c', file, '--json'], { name: 'server' }))
    await owner.server.event('ready')
    return owner
  }

  async invite(name: string): Promise<string> {
    const command = this.stage.start(['invite', name, '-c', this.file, '--json'])
    assert.equal((await command.end()).code, 0, command.describe())
    return JSON.parse(command.stdout).ticket
  }

  /** Somebody comes; with the address that the server tells of. */
  async guest(ticket: string, name: string): Promise<{ guest: HyperNat; address: string }> {
    const { server } = this
    const from = server.mark
    const guest = this.stage.start(['join', ticket, '-l', '0', '--json'], { name })
    const { address } = await server.event('connected', { from, where: event => event.name === name })
    await guest.event('connected')
    assert.match(String(address), /^127\.\d+\.\d+\.\d+$/)
    return { guest, address: address! }
  }

  async restart(): Promise<void> {
    await this.server.stop()
    this.server = this.stage.start(['-c', this.file, '--json'], { name: 'server, again' })
    await this.server.event('ready')
  }

  players(): { name: string; address: string }[] {
    const text = readFileSync(this.file.replace(/\.json$/, '.players.json'), 'utf8')
    return Object.values(JSON.parse(text) as Record<string, Record<string, { name: string }>>).flatMap(own =>
      Object.entries(own).map(([address, { name }]) => ({ address, name }))
    )
  }
}

/** TCP and UDP on one port: tells everybody the address they come from. */
async function mirror(stage: Stage) {
  const [tcp, udp] = await onOnePort(
    () => listenTcp(socket => socket.end(socket.remoteAddress ?? '')),
    port => bindUdp((_, from, socket) => socket.send(from.address, from.port, from.address), { port })
  )
  await stage.use(tcp)
  await stage.use(udp)
  return tcp.port
}

/** The address that a target sees, asked over each protocol. */
async function seen(guest: HyperNat, port: number): Promise<string[]> {
  const answers: string[] = []
  for (const proto of ['tcp', 'tcpudp']) {
    const socket = await connectTcp(await guest.localPort(proto, port))
    answers.push((await readAll(socket)).toString())
    socket.destroy()
  }
  const client = await UdpClient.open(await guest.localPort('udp', port))
  try {
    await client.send(Buffer.from('who am I?'))
    answers.push((await client.receive(() => true)).toString())
  } finally {
    await client.close()
  }
  return answers
}

staged(
  'every guest has an address of its own, over all protocols, the same after a restart, and a name in the list',
  async stage => {
    const port = await mirror(stage)
    const owner = await Owner.of(stage, [
      { proto: 'tcp+udp+tcpudp', port, host: 'localhost', playerAddresses: true }
    ])
    const [forAnna, forBen] = [await owner.invite('Anna'), await owner.invite('Ben')]
    const [anna, ben] = [await owner.guest(forAnna, 'Anna'), await owner.guest(forBen, 'Ben')]
    // A second device of one guest is that guest.
    const device = await owner.guest(forAnna, 'Anna')
    assert.notEqual(anna.address, ben.address)
    assert.equal(device.address, anna.address)
    for (const { guest, address } of [anna, ben, device]) {
      assert.deepEqual(await seen(guest, port), [address, address, address])
    }
    await ben.guest.stop()
    await owner.restart()
    const again = await owner.guest(forBen, 'Ben')
    assert.equal(again.address, ben.address)
    assert.deepEqual(await seen(again.guest, port), [ben.address, ben.address, ben.address])
    const byName = () =>
      owner
        .players()
        .map(({ name, address }) => `${name} ${address}`)
        .sort()
    await until(5000, 'both guests in the list', () => byName().length === 2)
    assert.deepEqual(byName(), [`Anna ${anna.address}`, `Ben ${ben.address}`])
    assert.ok(!owner.server.events.some(({ event }) => event === 'warning'))
  },
  { skip }
)

staged('without being asked a server gives no addresses', async stage => {
  const port = await mirror(stage)
  const { client, server } = await stage.tunnel(['tcp', 'udp', 'tcpudp'].map(proto => ({ proto, port })))
  assert.deepEqual(await seen(client, port), ['127.0.0.1', '127.0.0.1', '127.0.0.1'])
  assert.equal((await server.event('connected')).address, undefined)
})

staged('the library refuses what a map cannot have', async stage => {
  const { bootstrap } = await stage.testnet()
  const node = await stage.use(new Library({ bootstrap }))
  for (const map of [
    { proto: 'udp', port: 1, proxyProtocol: true },
    { proto: 'tcp', port: 1, duplicate: true },
    { proto: 'tcp', port: 1, host: '192.168.1.20', playerAddresses: true }
  ] as const) {
    const sharing = node.share({ secret: newSecret(), maps: [map] })
    await assert.rejects(sharing, err => err instanceof HyperNatError && err.code === 'BAD_OPTIONS')
  }
  const many = Array.from({ length: 1025 }, (_, i) => ({ proto: 'tcp', port: 1000 + i }) as const)
  await assert.rejects(node.share({ secret: newSecret(), maps: many }), { code: 'BAD_OPTIONS' })
})

/** What a connection with a PROXY header begins with, over IPv4. */
function readHeader(bytes: Buffer): { source: string; sourcePort: number; target: string; rest: Buffer } {
  assert.equal(bytes.toString('hex', 0, 16), '0d0a0d0a000d0a515549540a2111000c')
  const address = (at: number) => [...bytes.subarray(at, at + 4)].join('.')
  return {
    source: address(16),
    sourcePort: bytes.readUInt16BE(24),
    target: `${address(20)}:${bytes.readUInt16BE(26)}`,
    rest: bytes.subarray(28)
  }
}

staged(
  'the PROXY header goes before all bytes of the guest, with and without player addresses',
  async stage => {
    const ports: number[] = []
    const target = await stage.use(
      listenTcp(socket => {
        ports.push(socket.remotePort!)
        void readAll(socket).then(bytes => socket.end(bytes))
      })
    )
    const { port } = target
    const body = stage.random.bytes(3_000_000)
    for (const extra of [{}, ...(skip ? [] : [{ playerAddresses: true }])]) {
      const shares = ['tcp', 'tcpudp'].map(proto => ({ proto, port, proxyProtocol: true, ...extra }))
      const { client, server } = await stage.tunnel(shares)
      const { address } = await server.event('connected')
      for (const proto of ['tcp', 'tcpudp']) {
        const socket = await connectTcp(await client.localPort(proto, port))
        // Small writes first, before anybody has answered.
        for (let i = 0; i < 100; i++) socket.write(body.subarray(i, i + 1))
        socket.end(body.subarray(100))
        const { source, sourcePort, target: to, rest } = readHeader(await readAll(socket))
        assert.deepEqual([source, sourcePort, to], [address, ports.at(-1), `127.0.0.1:${port}`])
        assert.ok(rest.equals(body), `${rest.length} bytes`)
      }
    }
  }
)

staged('a connection that says nothing has its header, and one that is refused has none', async stage => {
  const greeted = await stage.use(
    listenTcp((socket: net.Socket) => {
      socket.once('data', header => socket.end(`hello ${readHeader(header).source}`))
    })
  )
  const closed = await freePort()
  const shares = [greeted.port, closed].map(port => ({ proto: 'tcp', port, proxyProtocol: true }))
  const { client, server } = await stage.tunnel(shares)
  const { address } = await server.event('connected')
  const silent = await connectTcp(await client.localPort('tcp', greeted.port))
  assert.equal((await readAll(silent)).toString(), `hello ${address}`)
  silent.destroy()
  const refused = await connectTcp(await client.localPort('tcp', closed))
  refused.write('hello?')
  await assert.rejects(readSome(refused, 1), /closed after 0/)
})

staged(
  'nginx logs the player address that the PROXY protocol tells it',
  async stage => {
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
    stage.defer(() => rmSync(folder, { recursive: true, force: true }))
    const port = await freePort()
    const page = stage.random.bytes(200_000)
    writeFileSync(join(folder, 'page'), page)
    const log = join(folder, 'access.log')
    await startNginx(
      stage,
      folder,
      port,
      `log_format who '$proxy_protocol_addr $proxy_protocol_port $remote_addr $remote_port $status';
      server { listen 127.0.0.1:${port} proxy_protocol; root ${folder}; access_log ${log} who; }`
    )
    const owner = await Owner.of(stage, [
      { proto: 'tcp+tcpudp', port, proxyProtocol: true, ...(!skip && { playerAddresses: true }) }
    ])
    const { guest, address } = await owner.guest(await owner.invite('Anna'), 'Anna')
    for (const proto of ['tcp', 'tcpudp']) {
      const socket = await connectTcp(await guest.localPort(proto, port))
      socket.write('GET /page HTTP/1.0\r\n\r\n')
      const answer = await readAll(socket)
      socket.destroy()
      assert.match(answer.toString('latin1', 0, 100), /^HTTP\/1\.1 200 OK\r\n/)
      const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
      assert.equal(hash(answer.subarray(-page.length)), hash(page))
    }
    await until(5000, 'two lines in the log', () => readFileSync(log, 'utf8').split('\n').length === 3)
    for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
      const [told, toldPort, from, fromPort, status] = line.split(' ')
      assert.deepEqual([told, status], [address, '200'], line)
      assert.deepEqual([from, toldPort], [skip ? '127.0.0.1' : address, fromPort], line)
    }
  },
  { skip: missing('nginx') }
)
