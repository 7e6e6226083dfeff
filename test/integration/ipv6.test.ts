/** Second connections over IPv6 between two nodes on this machine: real sockets, streams and handshakes. */
import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import type SecretStream from '@hyperswarm/secret-stream'
import b4a from 'b4a'
import HyperDHT from 'hyperdht'
import UDX from 'udx-native'
import { collectGarbage } from '../../src/engine.js'
import { childKeyPair } from '../../src/identity/child.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Ipv6 } from '../../src/network/ipv6/ipv6.js'
import { ProbeSeal } from '../../src/network/ipv6/probe.js'
import { type ClientSearch, Ipv6History, type ServerSearch } from '../../src/network/ipv6/search.js'
import { MessageBlocks, secretStreams } from '../../src/network/message-stream.js'
import { systemClock } from '../../src/util/clock.js'
import { pause, until, within } from '../support/deadline.js'
import { newSecret } from '../support/stage.js'

const LOOPBACK = '::1'
const limits = { ...LIMITS, ipv6WatchMs: 20, ipv6RestMs: 50, ipv6RetryMs: 200, ipv6OpenMs: 500 }

async function noLoopback(): Promise<string | false> {
  const socket = dgram.createSocket('udp6')
  try {
    socket.bind(0, LOOPBACK)
    await once(socket, 'listening')
    return false
  } catch {
    return 'this machine has no IPv6'
  } finally {
    socket.close()
  }
}

const skip = await noLoopback()

class Node {
  addresses = [LOOPBACK]
  readonly links: SecretStream[] = []
  readonly ipv6 = new Ipv6<SecretStream>({
    clock: systemClock,
    limits,
    log: silentLog,
    createSecretStream: secretStreams(new MessageBlocks(LIMITS)),
    link: stream => stream,
    addresses: () => this.addresses,
    allows: () => true
  })

  readonly opened = (link: SecretStream): void => {
    this.links.push(link)
  }
}

interface Keys {
  readonly client: HyperDHT.KeyPair
  readonly server: ReturnType<typeof childKeyPair>
  /** What each side takes the other for. */
  readonly expected?: { readonly client?: Uint8Array; readonly server?: Uint8Array }
}

async function withNodes(
  { client, server, expected }: Keys,
  body: (nodes: { client: Node; server: Node }, searches: [ClientSearch, ServerSearch]) => Promise<void>
): Promise<void> {
  const nodes = { client: new Node(), server: new Node() }
  const keys = [b4a.alloc(32, 1), b4a.alloc(32, 2)] as const
  const theirs: ServerSearch = nodes.server.ipv6.server({
    sendKey: keys[1],
    receiveKey: keys[0],
    keyPair: server,
    remoteKey: expected?.client ?? client.publicKey,
    told: { last: null },
    tell: addresses => ours.onAddresses(addresses),
    opened: nodes.server.opened
  })
  const ours: ClientSearch = nodes.client.ipv6.client({
    sendKey: keys[0],
    receiveKey: keys[1],
    keyPair: client,
    remoteKey: expected?.server ?? server.publicKey,
    tell: addresses => theirs.onAddresses(addresses),
    isRelayed: () => true,
    measure: () => {},
    history: new Ipv6History(systemClock, limits),
    opened: nodes.client.opened
  })
  try {
    await body(nodes, [ours, theirs])
  } finally {
    await Promise.all([nodes.client.ipv6.close(), nodes.server.ipv6.close()])
  }
}

function newKeys(): Pick<Keys, 'client' | 'server'> {
  return { client: HyperDHT.keyPair(), server: childKeyPair(keyPairOf(new Secret(newSecret()))) }
}

test('two nodes open a second connection, on which each has proved its key', { skip }, async () => {
  const keys = newKeys()
  await withNodes(keys, async ({ client, server }) => {
    await until(5000, 'both ends', () => client.links.length > 0 && server.links.length > 0)
    const [a, b] = [client.links[0]!, server.links[0]!]
    assert.ok(b4a.equals(a.remotePublicKey, keys.server.publicKey))
    assert.ok(b4a.equals(b.remotePublicKey, keys.client.publicKey))
    assert.ok(b4a.equals(a.handshakeHash, b.handshakeHash))
    assert.equal(a.rawStream.remoteFamily, 6)
    const said = once(b, 'data')
    b.resume()
    a.write(b4a.from('over IPv6'))
    assert.equal(b4a.toString((await within(5000, said, () => 'the message'))[0] as Uint8Array), 'over IPv6')
  })
})

for (const side of ['client', 'server'] as const) {
  test(`a ${side} that holds another key than that of the session gets no connection`, { skip }, async () => {
    const expected = { [side]: HyperDHT.keyPair().publicKey }
    await withNodes({ ...newKeys(), expected }, async ({ client, server }) => {
      // Several attempts.
      await pause(1500)
      const other = side === 'client' ? server : client
      assert.deepEqual(other.links, [])
      await until(2000, 'the end of what the client opened', () => client.links.every(one => one.destroying))
    })
  })
}

test('when an address of this machine is gone, so are the connections from there, and another gets new ones', {
  skip
}, async () => {
  await withNodes(newKeys(), async ({ client, server }, [search]) => {
    await until(5000, 'both ends', () => client.links.length > 0 && server.links.length > 0)
    const [link] = client.links as [SecretStream]
    link.on('error', () => {})
    const gone = once(link, 'close')
    client.addresses = []
    await within(5000, gone, () => 'the end of the connection')
    assert.deepEqual(client.ipv6.addresses, [])
    client.addresses = [LOOPBACK]
    await until(5000, 'the address', () => client.ipv6.addresses.length > 0)
    search.start()
    await until(5000, 'the next connection', () => client.links.length > 1)
  })
})

test('a dial with nowhere to ask ends at once, and one that nobody answers in its time', {
  skip
}, async () => {
  const dial = async (addresses: readonly string[], allows: boolean): Promise<number> => {
    const node = new Ipv6({
      ...{ clock: systemClock, limits, log: silentLog, link: (stream: SecretStream) => stream },
      createSecretStream: secretStreams(new MessageBlocks(LIMITS)),
      addresses: () => addresses,
      allows: () => allows
    })
    const from = performance.now()
    const link = await within(
      5000,
      new Promise<SecretStream | null>(resolve => {
        const handshake = {
          ...{ sendKey: b4a.alloc(32, 1), receiveKey: b4a.alloc(32, 2), remoteKey: b4a.alloc(32, 3) },
          hash: b4a.alloc(32),
          addresses: [{ host: LOOPBACK, port: 5000 }]
        }
        node.dial(handshake, HyperDHT.keyPair(), resolve)
      }),
      () => 'an end of the dial'
    )
    assert.equal(link, null)
    await node.close()
    return performance.now() - from
  }
  assert.ok((await dial([LOOPBACK], false)) < 500)
  assert.ok((await dial([], true)) < 500)
  assert.ok((await dial([LOOPBACK], true)) >= limits.ipv6RoundMs)
})

test('streams for paths that come to nothing are forgotten', { skip }, async t => {
  const streams: WeakRef<object>[] = []
  const { createStream } = UDX.prototype
  UDX.prototype.createStream = function (...args) {
    const stream = createStream.apply(this, args)
    streams.push(new WeakRef(stream))
    return stream
  }
  t.after(() => {
    UDX.prototype.createStream = createStream
  })
  const keys = [b4a.alloc(32, 1), b4a.alloc(32, 2)] as const
  const [ours, theirs] = [new ProbeSeal(keys[0]), new ProbeSeal(keys[1])]
  // A server that answers, and never has a stream.
  const server = dgram.createSocket('udp6')
  t.after(() => server.close())
  let number = 0
  server.on('message', (packet, from) => {
    const question = ours.open(packet)
    if (question && question.echo === 0)
      server.send(
        theirs.seal({ number: ++number, echo: question.number, stream: 0 }),
        from.port,
        from.address
      )
  })
  server.bind(0, LOOPBACK)
  await once(server, 'listening')
  const { port } = server.address()
  const node = new Ipv6({
    ...{ clock: systemClock, log: silentLog, link: (stream: SecretStream) => stream },
    limits: { ...limits, ipv6RoundMs: 5, ipv6RetryMs: 1, ipv6RetryMaxMs: 1, ipv6RestMs: 1 },
    createSecretStream: secretStreams(new MessageBlocks(LIMITS)),
    addresses: () => [LOOPBACK],
    allows: () => true
  })
  t.after(() => node.close())
  const search: ClientSearch = node.client({
    ...{ sendKey: keys[0], receiveKey: keys[1], keyPair: HyperDHT.keyPair(), remoteKey: b4a.alloc(32, 3) },
    ...{ isRelayed: () => true, measure() {}, opened() {} },
    tell: () => search.onAddresses([{ host: LOOPBACK, port }]),
    history: new Ipv6History(systemClock, { ...limits, ipv6RetryMs: 1, ipv6RetryMaxMs: 1 })
  })
  await until(10_000, 'openings', () => streams.length >= 20)
  await until(5000, 'them to be forgotten', () => {
    collectGarbage()
    return streams.filter(stream => stream.deref()).length <= 3
  })
})
