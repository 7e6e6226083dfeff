// Who is no guest, and tries to come in with what a stranger may have: the announced key, another's session, a captured message.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import HyperDHT from 'hyperdht'
import type { DaemonEvent } from '../../src/events.js'
import { childKeyPair, childPublicKey } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { GuestKey } from '../../src/identity/guest.js'
import { decodeTicket } from '../../src/identity/ticket.js'
import { HyperNat } from '../../src/index.js'
import { LIMITS, type Limits } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import { Node } from '../../src/network/node.js'
import { until, within } from '../support/deadline.js'
import { firstMessage, sendHandshake, targetOf } from '../support/handshake.js'
import { freshKeys, intrude } from '../support/intruder.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

async function sharing(stage: Stage, isPrivate = false, limits: Partial<Limits> = {}) {
  const { bootstrap } = await stage.testnet()
  const server = await stage.use(new HyperNat({ bootstrap, limits }))
  const events: DaemonEvent[] = []
  server.on('event', event => events.push(event))
  const maps = [{ proto: 'tcp', port: 1 }] as const
  const shared = await server.share({ secret: newSecret(), maps, private: isPrivate })
  return { bootstrap, shared, events, publicKey: decodeKey(shared.publicKey) }
}

/** Somebody in the DHT who runs no hyper-nat. */
async function joined(stage: Stage, bootstrap: readonly string[]): Promise<HyperDHT> {
  const dht = new HyperDHT({ bootstrap })
  stage.defer(() => dht.destroy({ force: true }))
  await dht.fullyBootstrapped()
  return dht
}

staged(
  'a client that knows only the announced key is refused, and learns no map and no session',
  async stage => {
    const { bootstrap, publicKey, events } = await sharing(stage)
    const announced = childPublicKey(publicKey)
    await assert.rejects(intrude(announced, bootstrap, freshKeys(), { dial: announced }), {
      code: 'WRONG_KEY'
    })
    assert.ok(!events.some(({ event }) => event === 'connected'))
    // The control: with the key that is shared, the same is let in.
    const guest = await stage.use(intrude(publicKey, bootstrap, freshKeys(), { dial: announced }))
    assert.equal(guest.welcome.maps.length, 1)
  }
)

staged(
  'a session that another key asks for is not given, and each connection has another datagram key',
  async stage => {
    const { bootstrap, publicKey } = await sharing(stage)
    const keys = freshKeys()
    const first = await stage.use(intrude(publicKey, bootstrap, keys))
    const resume = { session: Buffer.from(first.welcome.session), highest: 0, flows: [] }
    const over = [first.welcome.session]
    const thief = await stage.use(intrude(publicKey, bootstrap, freshKeys(), { resume, over }))
    assert.equal(thief.welcome.resumed, null)
    assert.notDeepEqual(Buffer.from(thief.welcome.session), resume.session)
    // The control: under its own key it goes on.
    const again = await stage.use(intrude(publicKey, bootstrap, keys, { resume }))
    assert.deepEqual(Buffer.from(again.welcome.session), resume.session)
    const sealing = [first, thief, again].map(({ welcome }) =>
      Buffer.from(welcome.datagramKey).toString('hex')
    )
    assert.equal(new Set(sealing).size, 3)
    // Nor does another key end it, though its own does.
    const later = await stage.use(intrude(publicKey, bootstrap, keys, { resume, over }))
    assert.equal(later.welcome.resumed, null)
  }
)

staged(
  'a client with the public key draws keys without end, and takes every place where the server is not private',
  async stage => {
    const { bootstrap, publicKey } = await sharing(stage, false, { sessions: 2 })
    for (let i = 0; i < 2; i++) await stage.use(intrude(publicKey, bootstrap, freshKeys()))
    await assert.rejects(stage.use(intrude(publicKey, bootstrap, freshKeys())), { code: 'TOO_MANY_SESSIONS' })
  }
)

staged(
  'an invited guest takes the place of a stranger, and the strangers then find no place',
  async stage => {
    const { bootstrap, shared, publicKey, events } = await sharing(stage, false, { sessions: 2 })
    const { keyPair } = new GuestKey(decodeTicket(shared.invite({ name: 'Anna' }).ticket).invite!)
    for (let i = 0; i < 2; i++) await stage.use(intrude(publicKey, bootstrap, freshKeys()))
    await stage.use(intrude(publicKey, bootstrap, keyPair))
    const codes = () => events.flatMap(one => (one.event === 'disconnected' ? [one.code] : []))
    assert.deepEqual(codes(), ['TOO_MANY_SESSIONS'])
    await assert.rejects(intrude(publicKey, bootstrap, freshKeys()), { code: 'TOO_MANY_SESSIONS' })
  }
)

staged('a client without an identity has another key after each start', async stage => {
  const { bootstrap, shared, events } = await sharing(stage)
  const peers = () => events.flatMap(one => (one.event === 'connected' ? [one.peer] : []))
  for (const count of [1, 2]) {
    const client = await stage.use(new HyperNat({ bootstrap }))
    await client.open({ publicKey: shared.publicKey, maps: [{ proto: 'tcp', port: 1, localPort: 0 }] })
    await until(10_000, 'the client', () => peers().length === count)
  }
  assert.equal(new Set(peers()).size, 2)
})

staged('a first message of a guest that is sent again is answered, and brings no session', async stage => {
  const { bootstrap, shared, publicKey, events } = await sharing(stage, true)
  const guest = new GuestKey(decodeTicket(shared.invite({ name: 'Anna' }).ticket).invite!)
  const key = childPublicKey(publicKey)
  const target = targetOf(key)
  const dht = await joined(stage, bootstrap)
  const stream = dht.connect(key, { keyPair: guest.keyPair })
  stream.on('error', () => {})
  await once(stream, 'open')
  const to = { host: stream.rawStream.remoteHost!, port: stream.rawStream.remotePort }
  stream.destroy()
  const captured = firstMessage(guest.keyPair, key)
  const thief = await joined(stage, bootstrap)
  assert.ok(await sendHandshake(dht, to, target, captured), 'the guest itself')
  assert.ok(await sendHandshake(thief, to, target, captured), 'it is answered')
  assert.ok(
    await sendHandshake(thief, to, target, firstMessage(guest.keyPair, key, 2)),
    'one that never came'
  )
  assert.equal(
    await sendHandshake(thief, to, target, firstMessage(freshKeys(), key)),
    null,
    'a stranger is not'
  )
  assert.ok(!events.some(({ event }) => event === 'connected'))
})

staged('of clients that connect and send nothing, the first make room for later ones', async stage => {
  const { bootstrap, publicKey } = await sharing(stage, false, { greetings: 2, greetingMs: 60_000 })
  const dht = new HyperDHT({ bootstrap })
  stage.defer(() => dht.destroy({ force: true }))
  const connect = async () => {
    const stream = dht.connect(childPublicKey(publicKey), { keyPair: freshKeys() })
    stream.on('error', () => {})
    // What comes is read, so that its end is seen.
    stream.on('data', () => {})
    await once(stream, 'open')
    return stream
  }
  const [first, second] = [await connect(), await connect()]
  // With an error before, which `once` would end with.
  const gone = new Promise<void>(resolve => first.once('close', () => resolve()))
  const third = await connect()
  await within(5000, gone, () => 'the first to make room')
  assert.ok(!second.destroyed && !third.destroyed)
  const guest = await stage.use(intrude(publicKey, bootstrap, freshKeys()))
  assert.equal(guest.welcome.maps.length, 1)
})

staged('one key has so many sessions, other keys have theirs', async stage => {
  const { bootstrap, publicKey } = await sharing(stage, false, { guestSessions: 1 })
  const keys = freshKeys()
  await stage.use(intrude(publicKey, bootstrap, keys))
  await assert.rejects(intrude(publicKey, bootstrap, keys), { code: 'TOO_MANY_DEVICES' })
  await stage.use(intrude(publicKey, bootstrap, freshKeys()))
})

staged('one address has so many handshakes answered, and then as many as its rate', async stage => {
  const limits = { addressHandshakesPerMinute: 2 }
  const { bootstrap, publicKey } = await sharing(stage, false, limits)
  const keys = freshKeys()
  await stage.use(intrude(publicKey, bootstrap, keys))
  await stage.use(intrude(publicKey, bootstrap, freshKeys()))
  await assert.rejects(intrude(publicKey, bootstrap, freshKeys()), { code: 'SERVER_NOT_RUNNING' })
  // Who has a session is known by its key, and has a rate of its own.
  await stage.use(intrude(publicKey, bootstrap, keys))
})

staged('the nodes that forward a handshake state its address', async stage => {
  const { bootstrap } = await stage.testnet()
  const node = await stage.use(new Node({ bootstrap, portMapping: false }, LIMITS, silentLog))
  const server = childKeyPair(freshKeys())
  const addresses: string[] = []
  const hides = (_: Uint8Array, address: string): boolean => addresses.push(address) > 0
  const announced = await node.announce(
    server,
    () => {},
    () => {},
    undefined,
    undefined,
    hides
  )
  stage.defer(() => announced.close())
  const dht = await joined(stage, bootstrap)
  const [to, forged] = ['127.0.0.1', '127.9.0.1'].map(host => ({ host, port: node.port }))
  const send = (from: HyperDHT.Address | null) =>
    sendHandshake(dht, to!, targetOf(server.publicKey), firstMessage(freshKeys(), server.publicKey), from)
  assert.deepEqual(await Promise.all([send(null), send(forged!)]), [null, null])
  assert.deepEqual(addresses.sort(), ['127.0.0.1', '127.9.0.1'])
})
