// What someone sees who watches the network, and what he can do with it: the packets of real sessions, captured.
import assert from 'node:assert/strict'
import { decodeKey } from '../../src/identity/encoding.js'
import { connectTcp, readAll, UdpClient } from '../support/clients.js'
import { pause, until } from '../support/deadline.js'
import { bindUdpEcho, listenTcpEcho, onOnePort } from '../support/servers.js'
import { type Stage, staged } from '../support/stage.js'
import { noWire, Wire } from '../support/wire.js'

const skip = noWire()

async function echoTunnel(stage: Stage) {
  const [tcp, udp] = await onOnePort(listenTcpEcho, port => bindUdpEcho({ port }))
  await stage.use(tcp)
  await stage.use(udp)
  const { port } = tcp
  const tunnel = await stage.tunnel([
    { proto: 'tcp', port },
    { proto: 'udp', port }
  ])
  const localUdp = await tunnel.localPort('udp', port)
  return { ...tunnel, target: udp, port, localUdp, localTcp: await tunnel.localPort('tcp', port) }
}

staged(
  'no byte of TCP or UDP travels in clear, and the DHT never sees the shared key',
  async stage => {
    const wire = await stage.use(Wire.open())
    const { localTcp, localUdp, port, publicKey, secret } = await echoTunnel(stage)
    const marker = 'the quick brown fox'

    const socket = await connectTcp(localTcp)
    socket.end(Buffer.from(marker.repeat(5_000)))
    await readAll(socket)
    const program = await stage.use(UdpClient.open(localUdp))
    for (const repeats of [1, 2, 60, 100, 1_000, 3_400])
      await program.echo(Buffer.from(marker.repeat(repeats)))

    const outside = () => wire.except(port, localUdp)
    const bytes = () => outside().reduce((sum, p) => sum + p.payload.length, 0)
    // Each way, TCP 95 kB and UDP 87 kB.
    await until(5_000, 'the capture to have it all', () => bytes() > 2 * 180_000)
    const plain = wire.packets.filter(p => p.payload.includes('quick'))
    assert.ok(plain.length > 0, 'the capture works: the plain legs show')
    for (const { payload } of outside()) {
      assert.ok(!payload.includes('quick') && !payload.includes('brown'), 'plaintext on the wire')
      assert.ok(!payload.includes(Buffer.from(decodeKey(publicKey))), 'the public key on the wire')
      assert.ok(!payload.includes(publicKey) && !payload.includes(secret), 'a key in text on the wire')
    }
  },
  { skip }
)

staged(
  'the control: a plain datagram that is sent again arrives again',
  async stage => {
    const wire = await stage.use(Wire.open())
    const target = await stage.use(bindUdpEcho())
    const program = await stage.use(UdpClient.open(target.port))
    await program.echo(Buffer.from('once'))
    await until(5_000, 'the capture', () => wire.packets.some(p => p.port === target.port))
    const before = target.got.length
    await wire.replay(wire.packets.filter(p => p.port === target.port).slice(0, 1))
    await until(5_000, 'the datagram again', () => target.got.length === before + 1)
  },
  { skip }
)

staged(
  'datagrams and stream packets that are sent again are dropped',
  async stage => {
    const wire = await stage.use(Wire.open())
    const { localTcp, localUdp, port, target } = await echoTunnel(stage)
    const program = await stage.use(UdpClient.open(localUdp))
    await program.echo(Buffer.from('warm'))
    const before = wire.except(port, localUdp).length
    for (let i = 0; i < 200; i++) await program.echo(Buffer.from(`datagram ${i} ${'.'.repeat(i * 10)}`))
    const ours = wire.except(port, localUdp).slice(before)
    assert.ok(ours.length >= 200, `${ours.length} packets captured`)

    const got = [target.got.length, program.got.length]
    const seen = wire.packets.length
    for (let round = 0; round < 3; round++) await wire.replay(ours)
    await until(
      5_000,
      'the replayed packets on the wire',
      () => wire.packets.length >= seen + 3 * ours.length
    )
    await pause(200)
    assert.deepEqual([target.got.length, program.got.length], got, 'nothing arrived twice at either end')

    await program.echo(Buffer.from('still up'))
    const socket = await connectTcp(localTcp)
    socket.end('still up')
    assert.equal((await readAll(socket)).toString(), 'still up')
  },
  { skip }
)

staged(
  'packets changed on the way do no harm',
  async stage => {
    const wire = await stage.use(Wire.open())
    const { localTcp, localUdp, port, target, client, server } = await echoTunnel(stage)
    const program = await stage.use(UdpClient.open(localUdp))
    for (let i = 0; i < 100; i++) await program.echo(Buffer.from(`datagram ${i} ${'.'.repeat(i * 10)}`))
    const ours = wire.except(port, localUdp).slice(-200)
    const got = target.got.length
    const changed = ours.map(packet => {
      const bytes = Buffer.from(packet.bytes)
      // One bit, somewhere behind the IP and UDP headers.
      const at = stage.random.between(28, bytes.length - 1)
      bytes[at] = (bytes[at] ?? 0) ^ (1 << stage.random.between(0, 7))
      return { ...packet, bytes }
    })
    await wire.replay(changed.filter(packet => packet.bytes.length > 28))
    await pause(200)
    assert.equal(target.got.length, got, 'no forged datagram passed')
    assert.ok(client.running && server.running)
    await program.echo(Buffer.from('still up'))
    const socket = await connectTcp(localTcp)
    socket.end('still up')
    assert.equal((await readAll(socket)).toString(), 'still up')
  },
  { skip }
)
