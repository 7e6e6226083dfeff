/** Servers that others reach straight, with a relay for those who do not: hyperdht with ours around it, over loopback. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type EventEmitter, once } from 'node:events'
import { createRequire } from 'node:module'
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import { childKeyPair, RELAYED } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { LIMITS } from '../../src/limits.js'
import { createLog, silentLog } from '../../src/log/log.js'
import { Dht } from '../../src/network/dht.js'
import { Relay } from '../../src/network/relay.js'
import { systemClock } from '../../src/util/clock.js'
import { until, within } from '../support/deadline.js'
import { firstMessage, sendHandshake, targetOf } from '../support/handshake.js'
import { freePort } from '../support/servers.js'
import { newSecret, type Stage, staged } from '../support/stage.js'
import { startTestnet } from '../support/testnet.js'

async function scene(stage: Stage) {
  const testnet = await stage.use(startTestnet(4))
  const bootstrap = [...testnet.bootstrap]
  /** @param hidden whether it takes itself for one that others do not reach */
  const open = async (hidden = false): Promise<Dht> => {
    const dht = new Dht({ bootstrap, connectionKeepAlive: false }, systemClock, LIMITS, silentLog)
    stage.defer(() => dht.destroy({ force: true }))
    await dht.findReach()
    assert.ok(!dht.firewalled, 'others reach it')
    dht.firewalled = hidden
    return dht
  }
  const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap }))
  let sessions = 0
  relay.on('event', ({ event }) => {
    if (event === 'relaying') sessions++
  })
  await relay.start()
  return { open, relays: [decodeKey(relay.publicKey)], sessions: () => sessions }
}

/** A server that sends back what it gets. */
async function echo(dht: Dht, relays: readonly Uint8Array[]): Promise<Uint8Array> {
  const keyPair = HyperDHT.keyPair()
  const relayThrough = dht.relayThrough(relays, 0)
  const server = dht.createServer({ ...(relayThrough && { relayThrough }) }, stream => {
    stream.on('error', () => {})
    stream.on('data', (data: Buffer) => stream.write(data))
    stream.on('end', () => stream.end())
  })
  await server.listen(keyPair)
  return keyPair.publicKey
}

function dial(
  dht: Dht,
  server: Uint8Array,
  keyPair: HyperDHT.KeyPair,
  relays: readonly Uint8Array[]
): SecretStream {
  const relayThrough = dht.relayThrough(relays, 0)
  const stream = dht.connect(server, { keyPair, ...(relayThrough && { relayThrough }) })
  stream.on('error', () => {})
  return stream
}

async function exchange(stream: SecretStream): Promise<void> {
  const back = once(stream, 'data')
  stream.write(Buffer.from('hello'))
  const [answer] = await within(5000, back, () => 'no answer')
  assert.equal(String(answer), 'hello')
}

for (const [who, ofServer, ofClient, hidden] of [
  ['the server names, and others reach the client', true, false, false],
  ['the client names, and others reach it', false, true, false],
  ['both name, and others reach the client', true, true, false],
  ['the server names', true, false, true],
  ['the client names', false, true, true],
  ['both name', true, true, true]
] as const) {
  staged(`a client that comes straight is not met at a relay, which ${who}`, async stage => {
    const { open, relays, sessions } = await scene(stage)
    const [there, here] = [await open(), await open(hidden)]
    const server = await echo(there, ofServer ? relays : [])
    for (let i = 0; i < 10; i++) {
      const stream = dial(here, server, HyperDHT.keyPair(), ofClient ? relays : [])
      await once(stream, 'open')
      await exchange(stream)
      stream.destroy()
    }
    assert.equal(sessions(), 0)
  })

  staged(
    `a client whose packets do not arrive straight comes through the relay, which ${who}`,
    async stage => {
      const { open, relays, sessions } = await scene(stage)
      const [there, here] = [await open(), await open(hidden)]
      const server = await echo(there, ofServer ? relays : [])
      // What it sends straight to the server vanishes, save questions of the DHT.
      const { createRawStream } = here as unknown as { createRawStream(options: object): RawStream }
      Object.assign(here, {
        createRawStream(options: object) {
          const raw = createRawStream.call(here, options)
          const connect = raw.connect.bind(raw)
          raw.connect = (socket, id, port, host) =>
            connect(socket, id, port === there.ownPort ? 9 : port, host)
          return raw
        }
      })
      const keyPair = HyperDHT.keyPair()
      const first = dial(here, server, keyPair, ofClient ? relays : [])
      await once(first, 'open')
      first.write(Buffer.from('hello'))
      let answered = false
      first.on('data', () => {
        answered = true
      })
      // The server has not heard of it, and the next dial says so.
      first.destroy()
      for (let i = 0; i < 2; i++) {
        const stream = dial(here, server, keyPair, ofClient ? relays : [])
        await once(stream, 'open')
        await exchange(stream)
        stream.destroy()
        await until(5000, 'it is relayed', () => sessions() === i + 1)
      }
      assert.ok(!answered)
    }
  )
}

interface RawStream {
  connect(socket: unknown, id: number, port: number, host: string): void
}

staged(
  'one address does not take all places of a relay, and a server that is named has its own',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const server = keyPairOf(new Secret(newSecret()))
    const options = { secret: newSecret(), bootstrap, allow: [server.publicKey], limits: { connections: 16 } }
    const relay = await stage.use(new Relay(options))
    await relay.start()
    const dht = new HyperDHT({ bootstrap: [...bootstrap] })
    stage.defer(() => dht.destroy({ force: true }))
    const connect = async (keyPair: HyperDHT.KeyPair): Promise<boolean> => {
      const stream = dht.connect(decodeKey(relay.publicKey), { keyPair })
      return new Promise(resolve => {
        stream.once('open', () => resolve(true))
        stream.on('error', () => {})
        stream.once('close', () => resolve(false))
      })
    }
    for (let i = 0; i < 4; i++) assert.equal(await connect(HyperDHT.keyPair()), true)
    assert.equal(await connect(HyperDHT.keyPair()), false, 'a quarter is taken')
    assert.equal(await connect(childKeyPair(server, RELAYED)), true)
  }
)

staged('clients that a node makes up take no place of a relay', async stage => {
  const { bootstrap } = await stage.testnet()
  const port = await freePort()
  const limits = { connections: 8 }
  const relay = await stage.use(new Relay({ secret: newSecret(), port, bootstrap, limits }))
  await relay.start()
  const key = decodeKey(relay.publicKey)
  const dht = new HyperDHT({ bootstrap: [...bootstrap] })
  stage.defer(() => dht.destroy({ force: true }))
  await dht.fullyBootstrapped()
  const to = { host: '127.0.0.1', port }
  const sent = Array.from({ length: 2 * limits.connections }, (_, i) => {
    const forged = { host: `192.0.2.${i}`, port: 1024 + i }
    return sendHandshake(dht, to, targetOf(key), firstMessage(HyperDHT.keyPair(), key, 1, 1), forged)
  })
  await Promise.all(sent)
  const stream = dht.connect(key)
  stream.on('error', () => {})
  await within(20_000, once(stream, 'open'), () => 'a place')
})

staged('a relay that listens on all addresses tells one that others can reach', async stage => {
  const { bootstrap } = await stage.testnet()
  for (const host of ['0.0.0.0', '::']) {
    const tcp = { port: await freePort(), host }
    const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap, tcp }))
    const told: (string | undefined)[] = []
    relay.on('event', event => {
      if (event.event === 'ready' && event.mode === 'relay') told.push(event.address)
    })
    await relay.start()
    assert.deepEqual(told, [`ws://127.0.0.1:${tcp.port}`], host)
  }
})

/** blind-relay's client: what a stranger needs to ask for sessions. */
interface BlindClient extends EventEmitter {
  pair(isInitiator: boolean, token: Buffer, stream: { readonly id: number }): { resume(): void }
}

staged('of the sessions that a relay turns away, its log names one a minute', async stage => {
  const { bootstrap } = await stage.testnet()
  const lines: string[] = []
  const { publicKey } = keyPairOf(new Secret(newSecret()))
  const relay = await stage.use(
    new Relay({
      secret: newSecret(),
      bootstrap,
      allow: [publicKey],
      log: createLog({ level: 'info', json: true, write: line => lines.push(line) })
    })
  )
  await relay.start()
  const dht = new HyperDHT({ bootstrap: [...bootstrap] })
  stage.defer(() => dht.destroy({ force: true }))
  const { Client } = createRequire(import.meta.url)('blind-relay')
  const stranger = async (): Promise<BlindClient> => {
    const stream = dht.connect(decodeKey(relay.publicKey), { keyPair: HyperDHT.keyPair() })
    stream.on('error', () => {})
    await once(stream, 'open')
    return Client.from(stream, { id: stream.publicKey })
  }
  let paired = 0
  for (let id = 1; id <= 10; id++) {
    const token = Buffer.alloc(32, id)
    const [one, other] = [await stranger(), await stranger()]
    one.on('pair', () => paired++)
    one.pair(true, token, { id }).resume()
    other.pair(false, token, { id }).resume()
  }
  await until(5000, 'answers to all', () => paired === 10)
  assert.equal(lines.filter(line => line.includes('a session was turned away')).length, 1)
})

interface Message {
  send(pair: { isInitiator: boolean; token: Uint8Array; id: number; seq: number }): void
}

interface Channel {
  addMessage(options: { encoding: unknown; onmessage?(): void }): Message
  open(): void
  fullyOpened(): Promise<boolean>
}

/** A client of a relay that a test speaks for. */
interface Speaker {
  readonly closed: boolean
  pair(token: Uint8Array, isInitiator: boolean): void
}

/** Two clients that bring one token. */
function join(one: Speaker, other: Speaker): void {
  const token = randomBytes(32)
  one.pair(token, true)
  other.pair(token, false)
}

async function speaker(stage: Stage, relay: Relay, bootstrap: readonly string[]): Promise<Speaker> {
  const require = createRequire(import.meta.url)
  const { messages } = require('blind-relay')
  const Protomux = createRequire(require.resolve('blind-relay'))('protomux')
  const dht = new HyperDHT({ bootstrap: [...bootstrap] })
  stage.defer(() => dht.destroy({ force: true }))
  const stream = dht.connect(decodeKey(relay.publicKey))
  stream.on('error', () => {})
  const client = { closed: false, pair: (_token: Uint8Array, _isInitiator: boolean): void => {} }
  stream.once('close', () => {
    client.closed = true
  })
  await once(stream, 'open')
  const channel: Channel = Protomux.from(stream).createChannel({
    protocol: 'blind-relay',
    id: stream.publicKey
  })
  const pair = channel.addMessage({ encoding: messages.pair, onmessage() {} })
  channel.addMessage({ encoding: messages.unpair })
  channel.open()
  await channel.fullyOpened()
  client.pair = (token, isInitiator) => pair.send({ isInitiator, token, id: isInitiator ? 1 : 2, seq: 0 })
  return client
}

staged('a client that asks a relay for sessions without end is dropped, though it has one', async stage => {
  const { bootstrap } = await stage.testnet()
  const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap }))
  await relay.start()
  const [client, other] = [await speaker(stage, relay, bootstrap), await speaker(stage, relay, bootstrap)]
  join(client, other)
  await until(5000, 'a session', () => relay.sessions === 1)
  assert.equal(client.closed, false)
  for (let i = 0; i < 50; i++) client.pair(randomBytes(32), true)
  await until(5000, 'the end of the connection', () => client.closed)
  await until(5000, 'the end of its session', () => relay.sessions === 0)
})

staged('a connection to a relay has one session at a time', async stage => {
  const { bootstrap } = await stage.testnet()
  // Sessions without packets are soon over.
  const limits = { idleMs: 1000, sweepMs: 100 }
  const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap, limits }))
  await relay.start()
  const open = () => speaker(stage, relay, bootstrap)
  const [one, other, third] = [await open(), await open(), await open()]
  join(one, other)
  await until(5000, 'a session', () => relay.sessions === 1)
  await until(5000, 'its end', () => relay.sessions === 0)
  join(other, one)
  await until(5000, 'another one on the same connections', () => relay.sessions === 1)
  assert.ok(!one.closed && !other.closed)
  join(one, third)
  await until(5000, 'the end of the connection that wanted two at a time', () => one.closed)
  await until(5000, 'the end of its session', () => relay.sessions === 0)
  assert.ok(!third.closed, 'the other side did nothing wrong')
})

staged('one client does not take all sessions of a relay', async stage => {
  const { bootstrap } = await stage.testnet()
  const limits = { sessions: 8, connections: 32 }
  const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap, limits }))
  await relay.start()
  const pair = async () =>
    [await speaker(stage, relay, bootstrap), await speaker(stage, relay, bootstrap)] as const
  const greedy = [await pair(), await pair()]
  for (const [one, other] of greedy) for (let i = 0; i < 4; i++) join(one, other)
  await until(5000, 'the end of its connections', () => greedy.flat().every(({ closed }) => closed))
  await until(5000, 'the end of its sessions', () => relay.sessions === 0)
  join(...(await pair()))
  await until(5000, 'a session of another', () => relay.sessions === 1)
})

staged('a client whose sessions at a relay are over is dropped, though it waits for another', async stage => {
  const { bootstrap } = await stage.testnet()
  const limits = { idleMs: 500, pairMs: 2000, sweepMs: 100 }
  const relay = await stage.use(new Relay({ secret: newSecret(), bootstrap, limits }))
  await relay.start()
  const [client, other] = [await speaker(stage, relay, bootstrap), await speaker(stage, relay, bootstrap)]
  join(client, other)
  await until(5000, 'a session', () => relay.sessions === 1)
  client.pair(randomBytes(32), true)
  await until(5000, 'the end of the connection', () => client.closed)
  assert.equal(relay.sessions, 0)
})
