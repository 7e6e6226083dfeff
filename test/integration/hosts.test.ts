// Several server processes under one secret: one service, whichever of them are up.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type net from 'node:net'
import type SecretStream from '@hyperswarm/secret-stream'
import type HyperDHT from 'hyperdht'
import { decodeKey, encodeKey } from '../../src/identity/encoding.js'
import { topicOf } from '../../src/identity/topic.js'
import { HyperNat as Library } from '../../src/index.js'
import { FEATURES, VERSIONS } from '../../src/wire/constants.js'
import { welcomeFrame } from '../../src/wire/frames.js'
import { connectTcp, readSome, tcpEnd, UdpClient } from '../support/clients.js'
import { pause, until } from '../support/deadline.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { bindUdpEcho, listenTcpEcho, onOnePort } from '../support/servers.js'
import { clientEntries, newSecret, type Share, type Stage, serverEntries, staged } from '../support/stage.js'

/** How long programs may have to wait when a host dies. */
const FAILOVER_MS = 5000

/** How long a client may take to see a host that was started later: it looks after 5 s, then more seldom. */
const SEEN_MS = 50_000

/** One options.json for all hosts, with echo servers behind it. */
async function service(stage: Stage) {
  const [tcp, udp] = await onOnePort(listenTcpEcho, port => bindUdpEcho({ port }))
  await stage.use(tcp)
  await stage.use(udp)
  const { port } = tcp
  const shares: Share[] = [
    { proto: 'tcp', port },
    { proto: 'udp', port }
  ]
  const secret = newSecret()
  let started = 0
  const host = async () => {
    const daemon = await stage.daemon(serverEntries(shares, secret), {}, { name: `host ${++started}` })
    const { publicKey } = await daemon.event('ready')
    return { daemon, publicKey }
  }
  return { port, shares, host }
}

/** Resolves when the client has a session with this host; gives the host's name. */
async function sees(client: HyperNat, host: HyperNat, ms = SEEN_MS): Promise<string> {
  // Both ends name the host.
  const { host: name } = await host.event('connected', { ms })
  await client.event('connected', { ms, where: event => event.host === name })
  return name
}

/** A conversation that the other side answers. */
async function talk(port: number): Promise<net.Socket> {
  const socket = await connectTcp(port)
  socket.write('hello')
  await readSome(socket, 5, FAILOVER_MS)
  return socket
}

/** Tries as a person would, until a new connection is answered; gives how long that took, ms. */
async function talksAgain(stage: Stage, port: number): Promise<number> {
  const from = performance.now()
  for (;;) {
    try {
      stage.defer(
        (
          (socket: net.Socket) => () =>
            socket.destroy()
        )(await talk(port))
      )
      return performance.now() - from
    } catch (err) {
      if (performance.now() - from > 3 * FAILOVER_MS) throw err
    }
  }
}

/** Sends until an answer comes, as games do; gives how long that took, ms. */
async function answersAgain(program: UdpClient): Promise<number> {
  const from = performance.now()
  const word = randomBytes(16)
  const timer = setInterval(() => program.send(word).catch(() => {}), 50)
  try {
    await program.receive(data => data.equals(word), 3 * FAILOVER_MS)
    return performance.now() - from
  } finally {
    clearInterval(timer)
  }
}

staged(
  'when a host is killed, new connections and UDP go to another within 5 s; its TCP flows end when it is started again',
  async stage => {
    const { port, shares, host } = await service(stage)
    const first = await host()
    const entries = clientEntries(shares, first.publicKey).map(entry =>
      'proto' in entry && entry.proto === 'udp' ? { ...entry, failover: true } : entry
    )
    const client = await stage.daemon(entries, {}, { name: 'client' })
    await client.event('connected')
    const tcp = await client.localPort('tcp', port)
    const held = await talk(tcp)
    const program = await UdpClient.open(await client.localPort('udp', port))
    stage.defer(() => program.close())
    await program.echo(Buffer.from('before'))
    const second = await host()
    assert.equal(second.publicKey, first.publicKey)
    const name = await sees(client, second.daemon)

    // All that there is leads to the older one.
    let end: string | undefined
    void tcpEnd(held, 120_000).then(how => (end = how))
    const mark = client.mark
    first.daemon.kill('SIGKILL')
    await first.daemon.end()
    const [again, udp] = await Promise.all([talksAgain(stage, tcp), answersAgain(program)])
    stage.t.diagnostic(`new connection after ${again.toFixed()} ms, UDP ${udp.toFixed()} ms`)
    for (const took of [again, udp]) assert.ok(took < FAILOVER_MS, `${took.toFixed()} ms`)
    assert.equal(end, undefined, 'it may come back')

    await host()
    const from = performance.now()
    await until(SEEN_MS, 'the connection to end', () => end !== undefined)
    stage.t.diagnostic(`reset after ${(performance.now() - from).toFixed()} ms`)
    assert.equal(end, 'reset')
    const gone = await client.event('disconnected', { from: mark })
    assert.notEqual(gone.host, name)
    assert.ok(!client.events.some(e => e.event === 'waiting'), 'there was always a host')
  },
  { timeout: 180_000 }
)

staged('a host that stands still for 4 s loses nothing, and others take what is new', async stage => {
  const { port, shares, host } = await service(stage)
  const hosts = [await host(), await host()]
  const client = await stage.daemon(clientEntries(shares, hosts[0]!.publicKey), {}, { name: 'client' })
  for (const { daemon } of hosts) await sees(client, daemon)
  const tcp = await client.localPort('tcp', port)
  // Whichever is in use.
  for (const { daemon } of hosts) {
    const held = await talk(tcp)
    daemon.kill('SIGSTOP')
    const stopped = performance.now()
    const again = await talksAgain(stage, tcp)
    assert.ok(again < FAILOVER_MS, `${again.toFixed()} ms`)
    await pause(4000 - (performance.now() - stopped))
    daemon.kill('SIGCONT')
    held.write('still there')
    assert.equal((await readSome(held, 11, 3 * FAILOVER_MS)).toString(), 'still there')
    held.destroy()
  }
  assert.ok(!client.events.some(({ event }) => event === 'disconnected'), client.describe())
})

staged(
  'of three hosts one may be left: clients see all, and go on with those that are up',
  async stage => {
    const { port, shares, host } = await service(stage)
    const hosts = [await host(), await host(), await host()]
    const client = await stage.daemon(clientEntries(shares, hosts[0]!.publicKey), {}, { name: 'client' })
    const names = await Promise.all(hosts.map(({ daemon }) => sees(client, daemon, 15_000)))
    assert.equal(new Set(names).size, 3)
    const tcp = await client.localPort('tcp', port)
    await talk(tcp)

    // One that is stopped says so: nobody waits for anything.
    const mark = client.mark
    await hosts[1]!.daemon.stop()
    const gone = await client.event('disconnected', { from: mark })
    assert.deepEqual([gone.host, gone.code], [names[1], 'GOODBYE'])
    const polite = await talksAgain(stage, tcp)
    assert.ok(polite < 1000, `${polite.toFixed()} ms`)

    hosts[2]!.daemon.kill('SIGKILL')
    await hosts[2]!.daemon.end()
    const killed = await talksAgain(stage, tcp)
    assert.ok(killed < FAILOVER_MS, `${killed.toFixed()} ms`)

    // A guest that comes now is not led to those that are gone.
    const late = await stage.daemon(clientEntries(shares, hosts[0]!.publicKey), {}, { name: 'late client' })
    const from = performance.now()
    assert.equal((await late.event('connected')).host, names[0])
    stage.t.diagnostic(`a new guest took ${(performance.now() - from).toFixed()} ms`)
    await talk(await late.localPort('tcp', port))
    // Each host told of one session with the first client: none was greeted twice.
    for (const { daemon } of hosts.slice(1)) {
      assert.equal(daemon.events.filter(e => e.event === 'connected').length, 1, daemon.describe())
    }
  },
  { timeout: 120_000 }
)

staged(
  'a stranger under the topic is asked once, learns no key, and is never used',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const { port, shares, host } = await service(stage)
    const first = await host()
    const shared = decodeKey(first.publicKey)
    const stranger = await Stranger.open(bootstrap, topicOf(shared))
    stage.defer(() => stranger.close())

    const client = await stage.daemon(clientEntries(shares, first.publicKey), {}, { name: 'client' })
    await client.event('connected')
    await until(20_000, 'the client to dial the stranger', () => stranger.heard.length > 0)
    const calls = stranger.calls
    // The look-up that finds this one finds the stranger again.
    const second = await host()
    const names = [(await first.daemon.event('connected')).host, await sees(client, second.daemon)]
    await talk(await client.localPort('tcp', port))

    assert.equal(stranger.calls, calls, 'the stranger was dialled again')
    assert.equal(calls, 1)
    const told = client.events.flatMap(e => (e.event === 'connected' ? [e.host] : []))
    assert.deepEqual([...new Set(told)].sort(), [...names].sort())
    const all = Buffer.concat(stranger.heard)
    assert.ok(
      !all.includes(Buffer.from(shared)) && !all.includes(Buffer.from(encodeKey(shared))),
      'the key was told'
    )
    assert.equal(stranger.heard.length, 1, 'more was said than a greeting')
  },
  { timeout: 120_000 }
)

staged('hosts that do not share the same maps are used for what each shares', async stage => {
  const { bootstrap } = await stage.testnet()
  const [left, right] = [await stage.use(listenTcpEcho()), await stage.use(listenTcpEcho())]
  const secret = newSecret()
  const maps = [left, right].map(({ port }) => [{ proto: 'tcp' as const, port }])
  let publicKey = ''
  for (const shared of maps) {
    const host = await stage.use(new Library({ bootstrap }))
    publicKey = (await host.share({ secret, maps: shared })).publicKey
  }
  const client = await stage.use(new Library({ bootstrap }))
  const up = new Set<string>()
  const both = new Promise<void>(resolve => {
    client.on('event', event => {
      if (event.event === 'connected' && up.add(event.host).size === 2) resolve()
    })
  })
  const opened = await client.open({ publicKey, maps: maps.flat().map(map => ({ ...map, localPort: 0 })) })
  await both
  for (const { localPort } of opened.maps) (await talk(localPort)).destroy()
})

/** Somebody who knows the topic, announces itself there, and welcomes whoever comes. */
class Stranger {
  readonly heard: Buffer[] = []
  calls = 0

  private constructor(readonly node: HyperDHT) {}

  static async open(bootstrap: readonly string[], topic: Uint8Array): Promise<Stranger> {
    const DHT = createRequire(import.meta.url)('hyperdht') as typeof HyperDHT
    const stranger = new Stranger(new DHT({ bootstrap, host: '127.0.0.1' }))
    const keyPair = DHT.keyPair()
    const server = stranger.node.createServer({}, stream => stranger.#onStream(stream))
    await server.listen(keyPair)
    for await (const _ of stranger.node.announce(topic, keyPair, server.relayAddresses));
    return stranger
  }

  #onStream(stream: SecretStream): void {
    this.calls++
    stream.on('error', () => {})
    stream.on('data', (data: Buffer) => {
      this.heard.push(Buffer.from(data))
      stream.write(
        welcomeFrame({
          versions: VERSIONS,
          features: FEATURES,
          session: randomBytes(16),
          host: randomBytes(32),
          datagramKey: randomBytes(32),
          maps: [{ id: 1, proto: 'tcp', port: 1 }],
          resumed: null
        })
      )
    })
  }

  close(): Promise<void> {
    return this.node.destroy()
  }
}
