import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'
import SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import UdxSocket from 'udx-native/lib/socket.js'
import UdxStream from 'udx-native/lib/stream.js'
import { HyperNatError } from '../../../src/errors.js'
import { type Classes, checkInternals, createHandshake, InternalDht } from '../../../src/network/internals.js'
import { TESTED } from '../../../src/network/library-members.js'
import { firstMessage } from '../../support/handshake.js'
import { root } from '../root.js'

const require = createRequire(import.meta.url)
const installed = { HyperDHT, SecretStream, UdxSocket, UdxStream } as unknown as Classes

const isMismatch = (library: keyof typeof TESTED, path: string) => (err: unknown) => {
  assert.ok(err instanceof HyperNatError)
  assert.equal(err.code, 'LIBRARY_MISMATCH')
  const found = require(join(root, 'node_modules', library, 'package.json')).version
  assert.ok(err.message.startsWith(`${library} ${found} does not fit`), err.message)
  assert.ok(err.message.includes(`tested with ${library} ${TESTED[library]}`), err.message)
  assert.ok(err.message.includes(`"${path}"`), err.message)
  assert.ok(!err.message.includes('\n'))
  return true
}

const other = process.env.HYPER_NAT_CANARY ? 'other versions are being tried' : false

test('package.json pins the versions that were tested, and these are installed', { skip: other }, () => {
  const { dependencies } = require(join(root, 'package.json'))
  for (const [library, version] of Object.entries(TESTED)) {
    assert.equal(dependencies[library], version)
    assert.equal(require(join(root, 'node_modules', library, 'package.json')).version, version)
  }
  for (const library of ['hyperswarm', 'blind-relay']) assert.match(dependencies[library], /^\d+\.\d+\.\d+$/)
})

test('the installed libraries have the members', () => {
  checkInternals(installed)
})

test('a library without a member is reported with both versions', () => {
  const dhtRpc = Object.create(HyperDHT.prototype, { _request: { value: undefined } })
  assert.throws(
    () => checkInternals({ ...installed, HyperDHT: { prototype: dhtRpc } }),
    isMismatch('dht-rpc', '_request')
  )
  const udx = Object.create(UdxStream.prototype, { bbrBandwidth: { value: 1 } })
  assert.throws(
    () => checkInternals({ ...installed, UdxStream: { prototype: udx } }),
    isMismatch('udx-native', 'bbrBandwidth')
  )
})

test('a method with other parameters is reported', () => {
  const hyperdht = Object.create(HyperDHT.prototype, { connect: { value: (_key: Uint8Array) => {} } })
  assert.throws(
    () => checkInternals({ ...installed, HyperDHT: { prototype: hyperdht } }),
    isMismatch('hyperdht', 'connect')
  )
})

test('a stream whose buffers have other names is reported', () => {
  class Renamed extends SecretStream {
    constructor(isInitiator: boolean, rawStream: null, options: object) {
      super(isInitiator, rawStream, options)
      delete (this as { _outgoingPlain?: unknown })._outgoingPlain
    }
  }
  assert.throws(
    () => checkInternals({ ...installed, SecretStream: Renamed }),
    isMismatch('@hyperswarm/secret-stream', '_outgoingPlain')
  )
})

test('a node does not start on a library that has changed inside', async () => {
  const inside = createRequire(require.resolve('hyperdht'))
  const pool = inside('./lib/socket-pool.js').prototype
  const { acquire } = pool
  delete pool.acquire
  try {
    assert.throws(() => new InternalDht({ bootstrap: [] }), isMismatch('hyperdht', '_socketPool.acquire'))
  } finally {
    pool.acquire = acquire
  }
  const dht = new InternalDht({ bootstrap: [] })
  await dht.destroy({ force: true })
})

test('only internals.ts names private members', () => {
  const src = join(root, 'src')
  const offenders = readdirSync(src, { recursive: true })
    .map(name => String(name).replaceAll('\\', '/'))
    .filter(name => name.endsWith('.ts') && !name.endsWith('.d.ts') && name !== 'network/internals.ts')
    // Streams of Node.js are made by overriding these, which its manual describes.
    .filter(name =>
      /\._(?!writev?\b)[a-z]|override _(?!(?:read|write|final|destroy)\()/.test(
        readFileSync(join(src, name), 'utf8')
      )
    )
  assert.deepEqual(offenders, [])
})

test('what a stream cannot be connected to ends it, and nothing else', async t => {
  const node = new InternalDht({ bootstrap: [], host: '127.0.0.1' })
  t.after(() => node.destroy({ force: true }))
  await node.fullyBootstrapped()
  const connected = (): UdxStream => {
    const raw = node.createRawStream({})
    raw.connect(node.serverSocket as unknown as UdxSocket, 1, 9, '127.0.0.1')
    return raw
  }
  const attempts: ((raw: UdxStream, socket: UdxSocket) => void)[] = [
    (raw, socket) => raw.connect(socket, 2, 9, '127.0.0.1'),
    (raw, socket) => void raw.changeRemote(socket, 2, 0, '127.0.0.1')
  ]
  for (const attempt of attempts) {
    const raw = connected()
    const failed = once(raw, 'error')
    attempt(raw, node.serverSocket as unknown as UdxSocket)
    assert.match((await failed)[0].message, /Already connected|not a valid port/)
  }
})

test('a ping that wants its answer later is not kept', async t => {
  const node = new InternalDht({ bootstrap: [], host: '127.0.0.1' }) as InternalDht & {
    _ondelayedping(request: { value: Uint8Array; sendReply(): void }): void
    readonly _pendingTimers: ReadonlySet<unknown>
  }
  t.after(() => node.destroy({ force: true }))
  const before = node._pendingTimers.size
  const value = Buffer.alloc(4)
  for (const ms of [5, 1000, 10_000]) {
    value.writeUInt32LE(ms)
    node._ondelayedping({ value, sendReply: () => {} })
  }
  assert.equal(node._pendingTimers.size, before)
})

test('a first message that is too short for its seal is refused, and is no mistake of ours', () => {
  const keys = HyperDHT.keyPair()
  const whole = firstMessage(HyperDHT.keyPair(), keys.publicKey)
  for (const size of [0, 31, 32, 80, 95, 96]) {
    // safety-catch, which hyperdht asks, takes errors of these classes for mistakes.
    const isRefusal = (err: Error): boolean => !(err instanceof RangeError || err instanceof TypeError)
    assert.throws(() => createHandshake(keys, null).recv(whole.subarray(0, size)), isRefusal, `${size} bytes`)
  }
  assert.ok(createHandshake(keys, null).recv(whole))
})

test('an answer that is not from the server leaves the handshake as it was for the one that is', async () => {
  const [keys, serverKeys] = [HyperDHT.keyPair(), HyperDHT.keyPair()]
  const client = createHandshake(keys, serverKeys.publicKey)
  const server = createHandshake(serverKeys, null)
  const payload = {
    error: 0,
    firewall: 1,
    holepunch: null,
    addresses4: [],
    addresses6: [],
    udx: { reusableSocket: false, id: 1, seq: 0 },
    secretStream: {},
    relayThrough: null
  } as unknown as HyperDHT.NoisePayload
  server.recv(await client.send(payload))
  const answer = await server.send(payload)
  const changed = Buffer.from(answer)
  changed[changed.byteLength - 1]! ^= 1
  for (const hostile of [
    changed,
    answer.subarray(0, 32),
    answer.subarray(0, 5),
    Buffer.alloc(0),
    Buffer.alloc(answer.byteLength)
  ]) {
    assert.throws(() => client.recv(hostile), /cannot be read/, `${hostile.byteLength} bytes`)
  }
  assert.equal(client.recv(answer).firewall, 1)
  assert.deepEqual(client.final().hash, server.final().hash)
})
