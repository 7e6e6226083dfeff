// Sessions outlive their connections: flows go on, byte-exact, over the next one.
import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { HyperNat } from '../../src/index.js'
import { connectTcp, UdpClient } from '../support/clients.js'
import { pause } from '../support/deadline.js'
import { bindUdpEcho, listenTcp, listenTcpEcho, onOnePort } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

const MB = 1024 * 1024
const BLOCK = 64 * 1024

/** Sends `size` bytes that never repeat, under backpressure, into `socket`; gives their hash. */
async function pour(socket: net.Socket, size: number): Promise<string> {
  const hash = createHash('sha256')
  for (let sent = 0; sent < size; sent += BLOCK) {
    const block = Buffer.alloc(BLOCK, (sent / BLOCK) & 255)
    block.writeUInt32LE(sent / BLOCK)
    hash.update(block)
    if (!socket.write(block)) await new Promise(resolve => socket.once('drain', resolve))
  }
  socket.end()
  return hash.digest('hex')
}

/** Hashes everything that comes; ends with the FIN. */
function soak(socket: net.Socket): Promise<{ hash: string; bytes: number }> {
  const hash: Hash = createHash('sha256')
  let bytes = 0
  socket.on('data', (data: Buffer) => {
    hash.update(data)
    bytes += data.length
  })
  return new Promise((resolve, reject) => {
    socket.on('end', () => {
      socket.end()
      resolve({ hash: hash.digest('hex'), bytes })
    })
    socket.on('error', reject)
  })
}

/** A conversation that counts: every line must come back once and in order, whatever happens to the connection. */
async function converse(socket: net.Socket, until: () => boolean): Promise<number> {
  let sent = 0
  let back = 0
  let rest = ''
  const failed = new Promise<never>((_, reject) => socket.on('error', reject))
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    rest += text
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      assert.equal(rest.slice(0, end), `line ${back}`)
      back++
      rest = rest.slice(end + 1)
    }
  })
  while (!until()) {
    socket.write(`line ${sent++}\n`)
    await Promise.race([pause(5), failed])
  }
  socket.end()
  await Promise.race([new Promise(resolve => socket.once('end', resolve)), failed])
  assert.equal(back, sent)
  return back
}

/** Two library nodes with `proto` maps: to a download, to a TCP echo, and to a UDP echo. */
async function nodes(stage: Stage, proto: 'tcp' | 'tcpudp', size: number) {
  const { bootstrap } = await stage.testnet()
  let expected: Promise<string> | undefined
  const download = await stage.use(
    listenTcp(socket => {
      socket.on('error', () => {})
      expected = pour(socket, size)
    })
  )
  const [echo, udpEcho] = await onOnePort(listenTcpEcho, port => bindUdpEcho({ port }))
  await stage.use(echo)
  await stage.use(udpEcho)
  const server = await stage.use(new HyperNat({ bootstrap }))
  const client = await stage.use(new HyperNat({ bootstrap }))
  const { publicKey } = await server.share({
    secret: newSecret(),
    maps: [
      { proto, port: download.port },
      { proto, port: echo.port },
      { proto: 'udp', port: echo.port }
    ]
  })
  const { maps } = await client.open({
    publicKey,
    maps: [
      { proto, port: download.port, localPort: 0 },
      { proto, port: echo.port, localPort: 0 },
      { proto: 'udp', port: echo.port, localPort: 0 }
    ]
  })
  const [downloadPort, echoPort, udpPort] = maps.map(map => map.localPort) as [number, number, number]
  return { server, client, downloadPort, echoPort, udpPort, expected: () => expected }
}

for (const proto of ['tcp', 'tcpudp'] as const) {
  staged(`a ${proto} download and a conversation survive 20 connections that die`, async stage => {
    const { server, client, downloadPort, echoPort, udpPort, expected } = await nodes(stage, proto, 200 * MB)
    const ups: unknown[] = []
    client.on('event', event => event.event === 'connected' && ups.push(event))
    const program = await UdpClient.open(udpPort)
    stage.defer(() => program.close())
    await program.echo(Buffer.from('before'))

    const download = await connectTcp(downloadPort)
    const soaked = soak(download)
    let done = false
    const talk = converse(await connectTcp(echoPort), () => done)
    for (let kill = 0; kill < 20; kill++) {
      await pause(stage.random.between(20, 200))
      const up = ups.length
      // From either end: the other one learns of it by a reset, or by silence.
      ;(stage.random.between(0, 1) === 0 ? server : client).reconnect()
      while (ups.length === up) await new Promise(resolve => client.once('event', resolve))
    }
    done = true
    const [{ hash, bytes }, lines] = await Promise.all([soaked, talk])
    assert.equal(bytes, 200 * MB)
    assert.equal(hash, await expected())
    assert.ok(lines > 100, `${lines} lines`)
    await program.echo(Buffer.from('after'))
  })
}

staged(
  'a restarted server does not know the session: flows are reset at once, and new ones work',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const echo = await stage.use(listenTcpEcho())
    const secret = newSecret()
    const share = { secret, maps: [{ proto: 'tcp' as const, port: echo.port }] }
    const first = new HyperNat({ bootstrap })
    const { publicKey } = await first.share(share)
    const client = await stage.use(new HyperNat({ bootstrap }))
    const { maps } = await client.open({ publicKey, maps: [{ proto: 'tcp', port: echo.port, localPort: 0 }] })
    const before = await connectTcp(maps[0]!.localPort)
    before.write('hello')
    await new Promise(resolve => before.once('data', resolve))
    const reset = new Promise<NodeJS.ErrnoException>(resolve => before.once('error', resolve))
    const back = new Promise<void>(resolve => {
      client.on('event', event => event.event === 'connected' && resolve())
    })
    await first.close()
    const second = await stage.use(new HyperNat({ bootstrap }))
    await second.share(share)
    const from = performance.now()
    await Promise.all([back, reset])
    assert.ok(performance.now() - from < 5000, 'back within 5 s')
    const after = net.connect(maps[0]!.localPort, '127.0.0.1')
    after.end('again')
    const answer: Buffer[] = []
    for await (const data of after) answer.push(data as Buffer)
    assert.equal(Buffer.concat(answer).toString(), 'again')
  }
)

staged('sessions of one key are resumed at a limited rate, and lose nothing by it', async stage => {
  const { bootstrap } = await stage.testnet()
  const echo = await stage.use(listenTcpEcho())
  const limits = { resumptionsPerSecond: 2, resumptionBurst: 3 }
  const server = await stage.use(new HyperNat({ bootstrap, limits }))
  const client = await stage.use(new HyperNat({ bootstrap }))
  const { publicKey } = await server.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: echo.port }] })
  const connection = await client.connect(publicKey)
  const stream = connection.stream(echo.port)
  const times: number[] = []
  for (let i = 0; i < 6; i++) {
    const back = once(connection, 'back')
    client.reconnect()
    await back
    times.push(performance.now())
    stream.write(`${i}`)
    assert.equal(String((await once(stream, 'data'))[0]), `${i}`)
  }
  // Three at once, and two a second from then on.
  assert.ok(times[5]! - times[2]! >= 1000, `${times.map(Math.round)}`)
})
