// A changed options.json: only what is different is touched, and what goes through the rest goes on.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyperNatError } from '../../src/errors.js'
import { childPublicKey } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { HyperNat as Library } from '../../src/index.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Node } from '../../src/network/node.js'
import type { StreamLink } from '../../src/network/stream-link.js'
import { clientHandshake } from '../../src/session/handshake.js'
import { systemClock } from '../../src/util/clock.js'
import type { Hello, Welcome } from '../../src/wire/handshake.js'
import { connectTcp, readSome, tcpEnd, UdpClient } from '../support/clients.js'
import { until, within } from '../support/deadline.js'
import { type HyperNat, writeOptions } from '../support/hyper-nat.js'
import { bindUdpEcho, freePort, listenTcp, listenTcpEcho } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

/** A daemon and the file that it runs from. */
class Running {
  private constructor(
    readonly daemon: HyperNat,
    readonly file: string,
    readonly bootstrap: readonly string[]
  ) {}

  static async start(stage: Stage, name: string, schema: readonly object[]): Promise<Running> {
    const { bootstrap } = await stage.testnet()
    const written = writeOptions({ network: { bootstrap }, schema })
    stage.defer(() => written.remove())
    const daemon = stage.start(['-c', written.file, '--json'], { name })
    return new Running(daemon, written.file, bootstrap)
  }

  /** Writes other entries; resolves when they are in use. */
  async change(schema: readonly object[], more: object = {}) {
    const from = this.daemon.mark
    const { bootstrap } = this
    writeFileSync(this.file, JSON.stringify({ network: { bootstrap }, schema, ...more }))
    return this.daemon.event('reloaded', { from })
  }
}

/** Bytes of a transfer that may be on their way: enough to be always under way, few enough to end soon. */
const UNDER_WAY = 1_000_000

/** Sends without end through an echo, as fast as it comes back, and compares. */
class Transfer {
  readonly #sent = createHash('sha256')
  readonly #got = createHash('sha256')
  bytesSent = 0
  bytesGot = 0
  #stopping = false
  readonly #ended: Promise<void>

  constructor(
    stage: Stage,
    readonly socket: net.Socket
  ) {
    const chunk = (): Buffer => stage.random.bytes(stage.random.between(1, 60_000))
    const send = (): void => {
      while (!this.#stopping && this.bytesSent - this.bytesGot < UNDER_WAY) {
        const bytes = chunk()
        this.#sent.update(bytes)
        this.bytesSent += bytes.length
        socket.write(bytes)
      }
    }
    this.#ended = new Promise((resolve, reject) => {
      socket.on('data', (bytes: Buffer) => {
        this.#got.update(bytes)
        this.bytesGot += bytes.length
        send()
      })
      socket.once('end', resolve)
      socket.once('error', reject)
      socket.once('close', () => reject(new Error('the connection was cut')))
    })
    this.#ended.catch(() => {})
    send()
  }

  /** Bytes come on. */
  async moves(): Promise<void> {
    const before = this.bytesGot
    await until(10_000, 'more of the transfer', () => this.bytesGot > before + 1_000_000)
  }

  async finish(): Promise<void> {
    this.#stopping = true
    this.socket.end()
    await within(30_000, this.#ended, () => `the end, ${this.bytesGot} of ${this.bytesSent} bytes`)
    assert.equal(this.bytesGot, this.bytesSent)
    assert.equal(this.#got.digest('hex'), this.#sent.digest('hex'))
  }
}

staged('maps come, go and move while what goes through the others goes on', async stage => {
  const secret = newSecret()
  const echo = await stage.use(listenTcpEcho())
  const udp = await stage.use(bindUdpEcho())
  const other = await stage.use(listenTcpEcho())
  const late = await stage.use(listenTcp(socket => socket.end('late')))
  const kept = [
    { mode: 'server', secret, proto: 'tcp+tcpudp', port: echo.port },
    { mode: 'server', secret, proto: 'udp', port: udp.port }
  ]
  const goes = { mode: 'server', secret, proto: 'tcp', port: other.port }
  const server = await Running.start(stage, 'server', [...kept, goes])
  const { publicKey } = await server.daemon.event('ready')
  const entry = (proto: string, port: number, localPort = 0) => ({
    mode: 'client',
    publicKey,
    proto,
    port,
    localPort
  })
  const keptHere = [entry('tcp', echo.port), entry('tcpudp', echo.port), entry('udp', udp.port)]
  const first = await freePort()
  const client = await Running.start(stage, 'client', [...keptHere, entry('tcp', other.port, first)])
  await client.daemon.event('connected')
  const transfers = await Promise.all(
    ['tcp', 'tcpudp'].map(async proto => {
      const socket = await connectTcp(await client.daemon.localPort(proto, echo.port))
      return new Transfer(stage, socket)
    })
  )
  const game = await stage.use(UdpClient.open(await client.daemon.localPort('udp', udp.port)))
  await game.echo(Buffer.from('before'))
  const doomed = await connectTcp(first)
  doomed.write('hello')
  await readSome(doomed, 5)
  const doomedEnd = tcpEnd(doomed)
  const marks = { server: server.daemon.mark, client: client.daemon.mark }

  // The client's map moves to another local port: what went through it is reset.
  const second = await freePort()
  const moved = await client.change([...keptHere, entry('tcp', other.port, second)])
  const map = { mode: 'client', publicKey, proto: 'tcp', port: other.port, localHost: '127.0.0.1' }
  assert.deepEqual(moved.removed, [{ ...map, localPort: first }])
  assert.deepEqual(moved.added, [{ ...map, localPort: second }])
  assert.equal(await doomedEnd, 'reset')
  await assert.rejects(connectTcp(first))
  const onSecond = await connectTcp(second)
  onSecond.write('hello')
  await readSome(onSecond, 5)
  const secondEnd = tcpEnd(onSecond)

  // The server shares it no more.
  const gone = await server.change(kept)
  assert.deepEqual(gone.removed, [
    { mode: 'server', publicKey, proto: 'tcp', port: other.port, host: '127.0.0.1' }
  ])
  assert.equal(await secondEnd, 'reset')
  await client.daemon.event('warning', { from: marks.client, where: ({ code }) => code === 'MAP_NOT_SHARED' })

  // A client may want what is shared later only.
  await client.change([...keptHere, entry('tcp', late.port)])
  await server.change([...kept, { ...goes, port: late.port }])
  const localPort = await client.daemon.localPort('tcp', late.port)
  await until(5000, 'the new map', async () => {
    // Refused until the client has heard of it.
    const socket = await connectTcp(localPort).catch(() => null)
    if (!socket) return false
    const end = await readSome(socket, 4, 2000).catch(() => null)
    socket.destroy()
    return end?.toString() === 'late'
  })

  for (const transfer of transfers) await transfer.moves()
  await game.echo(Buffer.from('after'))
  assert.equal(new Set(udp.got.map(({ from }) => from.port)).size, 1, 'one conversation all the time')
  await Promise.all(transfers.map(transfer => transfer.finish()))
  for (const { daemon, from } of [
    { daemon: server.daemon, from: marks.server },
    { daemon: client.daemon, from: marks.client }
  ]) {
    const cut = daemon.events.slice(from).filter(({ event }) => event === 'disconnected')
    assert.deepEqual(cut, [], 'the session was never cut')
  }
})

staged('secrets and keys come and go; what is wrong changes nothing', async stage => {
  const [one, two] = [newSecret(), newSecret()]
  const echo = await stage.use(listenTcpEcho())
  const share = (secret: string) => ({ mode: 'server', secret, proto: 'tcp', port: echo.port })
  const server = await Running.start(stage, 'server', [share(one)])
  const first = await server.daemon.event('ready')
  await server.change([share(one), share(two)])
  const second = await server.daemon.event('ready', { where: e => e.publicKey !== first.publicKey })
  const want = (publicKey: string, localPort = 0) => ({
    mode: 'client',
    publicKey,
    proto: 'tcp',
    port: echo.port,
    localPort
  })
  const client = await Running.start(stage, 'client', [want(first.publicKey)])
  await client.daemon.event('connected')
  const socket = await connectTcp(await client.daemon.localPort('tcp', echo.port))
  const through = async (): Promise<void> => {
    socket.write('x')
    await readSome(socket, 1)
  }
  await through()

  // Another server's entry is dialled.
  await client.change([want(first.publicKey), want(second.publicKey)])
  await client.daemon.event('connected', { where: e => e.publicKey === second.publicKey })

  // All that is wrong is told, and nothing is done.
  const taken = await stage.use(listenTcpEcho())
  const bad = async (schema: readonly object[]): Promise<string> => {
    const from = client.daemon.mark
    writeFileSync(client.file, JSON.stringify({ network: { bootstrap: client.bootstrap }, schema }))
    return (await client.daemon.event('warning', { from })).message
  }
  const faults = await bad([
    { ...want(first.publicKey), port: 0 },
    { mode: 'client', publicKey: 'x' }
  ])
  assert.match(faults, /schema\[0\]\.port.*schema\[1\]/s)
  const busy = await bad([want(first.publicKey, taken.port)])
  assert.match(busy, new RegExp(`schema\\[0\\].*${taken.port} is in use`))
  await through()
  assert.ok(!client.daemon.events.some(({ event }) => event === 'disconnected'))

  // The file as it was before is read again, and that is told.
  const entries = [want(first.publicKey), want(second.publicKey)]
  const { event: _, ...mended } = await client.change(entries)
  assert.deepEqual(mended, { added: [], removed: [], restart: [] })

  // What needs a node of its own waits, and is said.
  const { restart, added, removed } = await client.change([want(first.publicKey), want(second.publicKey)], {
    udpIdle: 77
  })
  assert.deepEqual({ restart, added, removed }, { restart: ['udpIdle'], added: [], removed: [] })

  // A secret that is gone takes its clients along, and nobody else's.
  const { removed: unshared } = await server.change([share(one)])
  assert.deepEqual(
    unshared.map(({ publicKey }) => publicKey),
    [second.publicKey]
  )
  await client.daemon.event('disconnected', { where: e => e.publicKey === second.publicKey })
  await through()
  assert.ok(!client.daemon.events.some(e => e.event === 'disconnected' && e.publicKey === first.publicKey))
  socket.destroy()

  // Who takes out the last entry wants to share nothing.
  const { removed: last } = await server.change([])
  assert.deepEqual(
    last.map(({ publicKey }) => publicKey),
    [first.publicKey]
  )
  await client.daemon.event('disconnected', { where: e => e.publicKey === first.publicKey })
})

staged('a client without the feature MAPS comes back to other maps, and its session goes on', async stage => {
  const { bootstrap } = await stage.testnet()
  const host = await stage.use(new Library({ bootstrap, portMapping: false }))
  const shared = await host.share({ secret: newSecret(), maps: [{ proto: 'tcp', port: 1 }] })
  const publicKey = decodeKey(shared.publicKey)
  const node = await stage.use(new Node({ bootstrap, portMapping: false }, LIMITS, silentLog))
  const keyPair = keyPairOf(new Secret('an old client'))
  const greet = (resume: Hello['resume']) =>
    new Promise<{ link: StreamLink; welcome: Welcome }>((resolve, reject) => {
      node.dial(childPublicKey(publicKey), keyPair, link => {
        if (link instanceof HyperNatError) return reject(link)
        clientHandshake(
          { link, sharedKey: publicKey, clock: systemClock, timeoutMs: 5000 },
          { datagramKey: Buffer.alloc(32, 1), resume, features: 0 },
          welcome => (welcome instanceof HyperNatError ? reject(welcome) : resolve({ link, welcome }))
        )
      })
    })
  // It has no features.
  const first = await greet(null)
  shared.setMaps([
    { proto: 'tcp', port: 1 },
    { proto: 'udp', port: 2 }
  ])
  await within(5000, first.link.closed, () => 'the end of the connection')
  const session = Buffer.from(first.welcome.session)
  const second = await greet({ session, highest: 0, flows: [] })
  assert.ok(second.welcome.resumed, 'the same session')
  assert.deepEqual(
    second.welcome.maps.map(({ proto, port }) => `${proto} ${port}`),
    ['tcp 1', 'udp 2']
  )
  assert.equal(second.welcome.maps[0]!.id, first.welcome.maps[0]!.id, 'a number stands for the same map')
  assert.notEqual(shared.ticket, undefined)
  second.link.destroy()
})

staged(
  'entries name friends: a friend with another server is taken up, one who is gone changes nothing',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const settings = mkdtempSync(join(tmpdir(), 'hyper-nat-friends-'))
    stage.defer(() => rmSync(settings, { recursive: true, force: true }))
    const env = { XDG_CONFIG_HOME: settings, HOME: settings, APPDATA: settings }
    const shareGreeting = async (text: string): Promise<string> => {
      const target = await stage.use(listenTcp(socket => socket.end(text)))
      const server = await stage.daemon([
        { mode: 'server', proto: 'tcp', port: target.port, secret: newSecret() }
      ])
      const ready = await server.event('ready')
      assert.ok(ready.mode === 'server' && ready.ticket !== undefined)
      return ready.ticket
    }
    const [first, second] = [await shareGreeting('first'), await shareGreeting('second')]
    const friends = async (...words: string[]): Promise<void> => {
      const { code, stderr } = await stage.start(['friends', ...words], { env }).end()
      assert.equal(code, 0, stderr)
    }
    const written = writeOptions({
      network: { bootstrap },
      schema: [{ mode: 'client', server: 'bob', localPort: 0 }]
    })
    stage.defer(() => written.remove())
    const early = await stage.start(['-c', written.file], { env }).end()
    assert.equal(early.code, 2)
    assert.match(early.stderr, /schema\[0\]\.server: is "bob", which is not one of your friends/)

    await friends('add', 'bob', first)
    const client = stage.start(['-c', written.file, '--json'], { env })
    const greeting = async (from: number): Promise<string> => {
      const ready = await client.event('ready', { from })
      assert.ok(ready.mode === 'client')
      const socket = await connectTcp(ready.maps[0]!.localPort)
      stage.defer(() => socket.destroy())
      return String(await readSome(socket, 5))
    }
    assert.equal(await greeting(0), 'first')
    let from = client.mark
    await friends('add', 'bob', second, '--replace')
    await client.event('reloaded', { from })
    assert.equal(await greeting(from), 'second')
    from = client.mark
    await friends('remove', 'bob')
    const warning = await client.event('warning', { from })
    assert.match(warning.message, /schema\[0\]\.server: is "bob"/)
    assert.ok(client.running)
  }
)
