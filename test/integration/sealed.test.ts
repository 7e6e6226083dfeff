// What someone sees who watches the network, and what he can do with it: the packets of real sessions, captured.
import assert from 'node:assert/strict'
import type { DaemonEvent } from '../../src/events.js'
import { childPublicKey } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { topicOf } from '../../src/identity/topic.js'
import { HyperNat } from '../../src/index.js'
import { openFrame } from '../../src/wire/frames.js'
import { connectTcp, readAll, readSome, UdpClient } from '../support/clients.js'
import { pause, until } from '../support/deadline.js'
import { freshKeys, intrude } from '../support/intruder.js'
import { say } from '../support/say.js'
import { bindUdpEcho, listenTcpEcho, onOnePort } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'
import { noWire, type Packet, Wire } from '../support/wire.js'

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
    // What is said to the DHT is not encrypted.
    for (const key of [childPublicKey(decodeKey(publicKey)), topicOf(decodeKey(publicKey))]) {
      assert.ok(
        wire.packets.some(p => p.payload.includes(Buffer.from(key))),
        'the capture has the announcements'
      )
    }
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

/** Where UDX says what kind a packet is, and the kind that ends its stream at once. */
const UDX_KIND = 2
const UDX_DESTROY = 16

/** The packets between the ports of two nodes, both ways. */
function between(wire: Wire, one: number, other: number): Packet[] {
  const ways = [`${one} ${other}`, `${other} ${one}`]
  return wire.packets.filter(({ sourcePort, port }) => ways.includes(`${sourcePort} ${port}`))
}

staged(
  'an observer sees addresses and sizes, and can end a connection with a forged packet, but no session',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const wire = await stage.use(Wire.open())
    const [tcp, udp] = [await stage.use(listenTcpEcho()), await stage.use(bindUdpEcho())]
    const maps = [
      { proto: 'tcp', port: tcp.port },
      { proto: 'udp', port: udp.port }
    ] as const
    const [server, client] = [1, 2].map(() => new HyperNat({ bootstrap, portMapping: false }))
    await stage.use(server!)
    await stage.use(client!)
    const told: DaemonEvent[] = []
    client!.on('event', event => told.push(event))
    const { publicKey } = await server!.share({ secret: newSecret(), maps })
    const opened = await client!.open({ publicKey, maps: maps.map(map => ({ ...map, localPort: 0 })) })
    const socket = await connectTcp(opened.maps[0]!.localPort)
    stage.defer(() => socket.destroy())
    socket.write('before')
    assert.equal((await readSome(socket, 6)).toString(), 'before')

    const seen = () => between(wire, server!.status().network.port, client!.status().network.port)
    const program = await stage.use(UdpClient.open(opened.maps[1]!.localPort))
    for (const size of [300, 600, 900]) {
      const before = seen().length
      await program.echo(Buffer.alloc(size))
      // There and back. What else is there to be sent has other sizes.
      const shows = ({ payload: { length } }: Packet) => length > size && length < size + 60
      await until(5000, `packets of ${size} bytes and a little`, () => {
        return (
          new Set(
            seen()
              .slice(before)
              .filter(shows)
              .map(packet => packet.port)
          ).size === 2
        )
      })
    }

    const count = (name: string) => told.filter(({ event }) => event === name).length
    const forge = async (): Promise<void> => {
      const last = seen().findLast(({ port }) => port === client!.status().network.port)!
      const bytes = Buffer.from(last.bytes)
      bytes[bytes.length - last.payload.length + UDX_KIND] = UDX_DESTROY
      await wire.replay([{ ...last, bytes }])
    }
    // One that comes when the stream has gone on is too late.
    await until(10_000, 'the end of the connection', async () => {
      if (count('disconnected') === 0) await forge()
      return count('disconnected') > 0
    })
    await until(10_000, 'the next one', () => count('connected') > 1)
    socket.write('after')
    assert.equal((await readSome(socket, 5)).toString(), 'after', 'over the same TCP connection')
  },
  { skip }
)

staged(
  'guests see the address of the server, and it theirs, but nothing of each other',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const wire = await stage.use(Wire.open())
    const server = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
    const { publicKey } = await server.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: 1 }] })
    const guests = await Promise.all(
      [1, 2].map(async () => {
        const keys = freshKeys()
        const guest = await stage.use(intrude(decodeKey(publicKey), bootstrap, keys))
        const heard: Buffer[] = []
        guest.link.events = {
          message: bytes => heard.push(Buffer.from(bytes)),
          datagram() {},
          drain() {},
          path() {},
          close() {}
        }
        return { ...guest, keys, heard }
      })
    )
    for (const { link, welcome } of guests) {
      say(link, openFrame(1, 999, 0), openFrame(2, welcome.maps[0]!.id, 0))
    }
    await until(5000, 'answers for both', () => guests.every(({ heard }) => heard.length > 0))
    const [one, other] = guests
    for (const { port } of guests) assert.ok(between(wire, server.status().network.port, port).length > 0)
    assert.deepEqual(between(wire, one!.port, other!.port), [])
    for (const [guest, third] of [
      [one!, other!],
      [other!, one!]
    ] as const) {
      const { session, host, datagramKey } = guest.welcome
      const all = Buffer.concat([...guest.heard, session, host, datagramKey])
      const port = Buffer.alloc(2)
      for (const write of ['writeUInt16BE', 'writeUInt16LE'] as const) {
        port[write](third.port)
        assert.ok(!all.includes(Buffer.concat([Buffer.from([127, 0, 0, 1]), port])), 'an address')
      }
      assert.ok(!all.includes(Buffer.from(third.keys.publicKey)), 'a key')
    }
  },
  { skip }
)
