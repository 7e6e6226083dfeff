// How TCP connections begin and end: a tunnel that gets this wrong loses the last bytes of a reply, or keeps both ends
// waiting for ever.
import assert from 'node:assert/strict'
import type net from 'node:net'
import { connectTcp, readAll, readSome, tcpEnd } from '../support/clients.js'
import { within } from '../support/deadline.js'
import { sha256 } from '../support/random.js'
import { freePort, listenTcp, listenTcpEcho, listenTcpHash } from '../support/servers.js'
import { type Stage, staged } from '../support/stage.js'

/** A tunnel to one TCP server; `connect` opens a connection through it and gives both of its ends. */
async function pair(stage: Stage, proto: 'tcp' | 'tcpudp' = 'tcp') {
  const arrived: ((socket: net.Socket) => void)[] = []
  const target = await stage.use(listenTcp(socket => arrived.shift()?.(socket)))
  const tunnel = await stage.tunnel([{ proto, port: target.port }])
  const localPort = await tunnel.localPort(proto, target.port)
  const connect = async () => {
    const accepted = new Promise<net.Socket>(resolve => arrived.push(resolve))
    const local = await connectTcp(localPort)
    stage.defer(() => local.destroy())
    const far = await within(5_000, accepted, () => 'the connection at the target')
    return { local, far }
  }
  return { ...tunnel, target, localPort, connect }
}

staged('a program that ends its side first still gets the whole reply', async stage => {
  const target = await stage.use(listenTcpHash())
  const tunnel = await stage.tunnel([{ proto: 'tcp', port: target.port }])
  const localPort = await tunnel.localPort('tcp', target.port)
  for (const size of [0, 1, 65_536, 3_000_000]) {
    const data = stage.random.bytes(size)
    const socket = await connectTcp(localPort)
    socket.end(data)
    assert.equal((await readAll(socket)).toString(), sha256(data), `${size} bytes`)
  }
})

staged('a target that ends its side first still gets all that its client sends', async stage => {
  const { connect } = await pair(stage)
  const { local, far } = await connect()
  far.end('over to you')
  assert.equal((await readAll(local)).toString(), 'over to you')
  const data = stage.random.bytes(2_000_000)
  local.end(data)
  assert.equal(sha256(await readAll(far)), sha256(data))
})

staged('a FIN does not arrive before the bytes that were sent before it', async stage => {
  const { connect } = await pair(stage)
  const { local, far } = await connect()
  const data = stage.random.bytes(5_000_000)
  far.end(data)
  assert.equal(sha256(await readAll(local)), sha256(data))
  local.end()
  assert.equal(await tcpEnd(far), 'fin')
})

staged('a reset by the program arrives at the target as a reset', async stage => {
  const { connect } = await pair(stage)
  const { local, far } = await connect()
  far.write('hello')
  await readSome(local, 5)
  const end = tcpEnd(far)
  local.resetAndDestroy()
  assert.equal(await end, 'reset')
})

staged('a reset by the target arrives at the program as a reset', async stage => {
  const { connect } = await pair(stage)
  const { local, far } = await connect()
  local.write('hello')
  await readSome(far, 5)
  const end = tcpEnd(local)
  far.resetAndDestroy()
  assert.equal(await end, 'reset')
})

for (const proto of ['tcp', 'tcpudp'] as const) {
  staged(`${proto}: a reset does not overtake the bytes that were sent before it`, async stage => {
    const { connect } = await pair(stage, proto)
    const { local, far } = await connect()
    // A connection that is reset before it is known to be open has no bytes, over plain TCP too.
    local.write('hello')
    await readSome(far, 5)
    const data = stage.random.bytes(50_000)
    const read: Buffer[] = []
    local.on('data', chunk => read.push(chunk))
    const end = tcpEnd(local)
    far.write(data, () => far.resetAndDestroy())
    // libuv tells a reset that comes right behind bytes as an end.
    await end
    assert.equal(sha256(Buffer.concat(read)), sha256(data))
  })
}

staged('a reset comes through while the other side has ended', async stage => {
  const { connect } = await pair(stage)
  const { local, far } = await connect()
  local.end('that was all')
  assert.equal((await readAll(far)).toString(), 'that was all')
  const end = tcpEnd(local)
  far.resetAndDestroy()
  assert.equal(await end, 'reset')
})

staged('a refused target closes the connection at once, says why, and the map stays up', async stage => {
  const port = await freePort()
  const tunnel = await stage.tunnel([{ proto: 'tcp', port }])
  const localPort = await tunnel.localPort('tcp', port)
  for (let i = 0; i < 3; i++) {
    const socket = await connectTcp(localPort)
    const ended = await tcpEnd(socket, 2_000)
    assert.ok(ended === 'fin' || ended === 'reset', `closed, not left hanging: ${ended}`)
    socket.destroy()
  }
  await tunnel.client.says(/TARGET_REFUSED/, 2_000)
  await tunnel.server.says(/TARGET_REFUSED|ECONNREFUSED/, 2_000)
  await stage.use(listenTcpEcho({ port }))
  const socket = await connectTcp(localPort)
  socket.end('now you are there')
  assert.equal((await readAll(socket)).toString(), 'now you are there')
})

staged('a refused target is reported though the program sends first', async stage => {
  const ports = [await freePort(), await freePort()]
  const protos = ['tcp', 'tcpudp']
  const shares = protos.map((proto, i) => ({ proto, port: ports[i]! }))
  const { server, client, localPort } = await stage.tunnel(shares)
  for (const { proto, port } of shares) {
    const socket = await connectTcp(await localPort(proto, port))
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\n\r\n')
    assert.equal(await tcpEnd(socket, 2_000), 'reset')
    await server.says(new RegExp(`127.0.0.1:${port}.*TARGET_REFUSED`), 2_000)
    await client.says(new RegExp(`TARGET_REFUSED.*"port":${port}`), 2_000)
  }
})

staged('a connection that sends nothing opens and closes at the target', async stage => {
  const { connect, target } = await pair(stage)
  const { local, far } = await connect()
  const end = tcpEnd(far)
  local.end()
  assert.equal(await end, 'fin')
  far.end()
  assert.equal(await tcpEnd(local), 'fin')
  assert.equal(target.accepted, 1)
})

staged('a program that is killed leaves no connection at the target', async stage => {
  const { connect } = await pair(stage)
  const { local, far } = await connect()
  far.on('data', () => {})
  const gone = tcpEnd(far)
  local.write(stage.random.bytes(1_000))
  local.destroy()
  assert.ok(['fin', 'reset'].includes(await gone))
})

staged('the end of the client daemon ends its connections at the target', async stage => {
  const { connect, client } = await pair(stage)
  const { far } = await connect()
  const gone = tcpEnd(far, 5_000)
  await client.stop()
  assert.ok(['fin', 'reset'].includes(await gone))
})
