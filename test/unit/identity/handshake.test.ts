/**
 * What the Noise handshake of a connection gives away, and to whom: hyperdht's own code, with the keys that we give it. These are
 * claims of docs/security.md, which a new version of hyperdht could break.
 */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import HyperDHT from 'hyperdht'
import sodium from 'sodium-native'
import { childKeyPair, childPublicKey } from '../../../src/identity/child.js'
import { GuestKey } from '../../../src/identity/guest.js'
import { type KeyPair, keyPairOf } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { firstMessage, Handshake } from '../../support/handshake.js'

const require = createRequire(import.meta.url)
const internals = createRequire(require.resolve('hyperdht'))
const { NS } = internals('./lib/constants.js') as { NS: { PEER_HANDSHAKE: Buffer; PEER_HOLEPUNCH: Buffer } }

const SECRET = new Secret('a long text that nobody guesses')
const SERVER = childKeyPair(keyPairOf(SECRET))
const NONCE = Buffer.alloc(16, 1)
const GUEST = GuestKey.of(keyPairOf(SECRET), 'Anna', NONCE).keyPair
/** Client's address, as its first message tells it to the server alone. */
const ADDRESS = { host: '192.0.2.7', port: 4711 }

const payload = {
  error: 0,
  firewall: 0,
  holepunch: null,
  addresses4: [ADDRESS],
  addresses6: null,
  udx: { reusableSocket: false, id: 1, seq: 0 },
  secretStream: {},
  relayThrough: null,
  relayAddresses: null
}

/** A handshake as both sides see it, and its two messages as all who passed them on do. */
function handshake(client: KeyPair = GUEST) {
  const initiator = new Handshake(client, SERVER.publicKey)
  const responder = new Handshake(SERVER, null)
  const first = initiator.send(payload)
  // A message is opened in place.
  responder.recv(Buffer.from(first))
  const ephemeral = HyperDHT.keyPair()
  // It is wiped after use.
  responder.handshake.e = { ...ephemeral, secretKey: Buffer.from(ephemeral.secretKey!) }
  const second = responder.send({ ...payload, addresses4: [{ host: '192.0.2.8', port: 4712 }] })
  initiator.recv(Buffer.from(second))
  return { first, second, ephemeral, client: initiator.final(), server: responder.final() }
}

/** A Diffie-Hellman that somebody can compute: another's public key, with a key of their own. */
type Computable = readonly [remote: Uint8Array, own: object]

/** What is left of Noise IK when the second message comes, for somebody who has the server's static key. */
interface Symmetric {
  mixHash(data: Uint8Array): void
  mixKey(remote: Uint8Array, own: object): void
  decryptAndHash(ciphertext: Uint8Array): Uint8Array
}

/** Whether the second message opens with these in the places of ee and se. */
function opens(first: Uint8Array, second: Uint8Array, ee: Computable, se: Computable): boolean {
  const thief = new Handshake(SERVER, null)
  thief.recv(Buffer.from(first))
  const state = thief.handshake as unknown as Symmetric
  state.mixHash(second.subarray(0, 32))
  state.mixKey(...ee)
  state.mixKey(...se)
  try {
    state.decryptAndHash(Buffer.from(second.subarray(32)))
    return true
  } catch {
    return false
  }
}

test('a captured handshake opens neither with the secret, obtained later, nor with the key of the guest', () => {
  const { first, second, ephemeral } = handshake()
  const clientEphemeral = first.subarray(0, 32)
  const serverEphemeral = second.subarray(0, 32)
  const known: Computable[] = [SERVER, GUEST].flatMap(own =>
    [clientEphemeral, serverEphemeral, GUEST.publicKey, SERVER.publicKey].map(
      (remote): Computable => [remote, own]
    )
  )
  const se: Computable = [serverEphemeral, GUEST]
  // The control: with the one key that nobody kept, it opens.
  assert.ok(opens(first, second, [clientEphemeral, ephemeral], se))
  for (const ee of known) {
    for (const other of known) assert.ok(!opens(first, second, ee, other))
  }
})

test('each connection has new keys, though both ends keep their identities', () => {
  const seen = [1, 2, 3].flatMap(() => {
    const { client, server } = handshake()
    assert.deepEqual([client.tx, client.rx], [server.rx, server.tx])
    return [client.tx, client.rx].map(key => key.toString('hex'))
  })
  assert.equal(new Set(seen).size, 6)
})

test('with a captured handshake and the secret, obtained later, one learns who the guest was, and its addresses', () => {
  const { first } = handshake()
  const thief = new Handshake(SERVER, null)
  const said = thief.recv(Buffer.from(first))
  assert.deepEqual(Buffer.from(thief.remotePublicKey), Buffer.from(GUEST.publicKey))
  assert.deepEqual(said.addresses4, [ADDRESS])
})

test('without the secret a first message tells neither the guest nor its addresses', () => {
  const { first } = handshake()
  assert.throws(() => new Handshake(HyperDHT.keyPair(), null).recv(Buffer.from(first)))
  assert.ok(!first.includes(Buffer.from(GUEST.publicKey)))
  assert.notDeepEqual(first.subarray(32, 80), handshake().first.subarray(32, 80), 'nor that it is the same')
})

test('the handshake hash is no secret: a node that forwards the handshake computes it, and can read and change the messages for punching', () => {
  const { first, second, client, server } = handshake()
  const digest = Buffer.alloc(64)
  const mix = (data: Uint8Array): void => {
    sodium.crypto_generichash(digest, Buffer.concat([digest, data]))
  }
  Buffer.from('Noise_IK_Ed25519_ChaChaPoly_BLAKE2b').copy(digest)
  // The key that the DHT sees, and what was seen of the messages: e, s, payload; e, payload.
  const announced = childPublicKey(keyPairOf(SECRET).publicKey)
  const parts = [[0, 32], [32, 80], [80]].map(([from, to]) => first.subarray(from, to))
  for (const data of [NS.PEER_HANDSHAKE, announced, ...parts]) mix(data)
  mix(second.subarray(0, 32))
  mix(second.subarray(32))
  assert.deepEqual(digest, client.hash)
  const key = Buffer.alloc(32)
  sodium.crypto_generichash(key, NS.PEER_HOLEPUNCH, digest)
  assert.deepEqual(key, server.holepunchSecret)
})

test('only the holder of the secret answers a first message', () => {
  const { first } = handshake()
  const impostor = new Handshake(childKeyPair(keyPairOf(new Secret('another'))), null)
  assert.throws(() => impostor.recv(first))
})

test('with the secret one can pose as the server, and with the nonces as every guest, until there is a new secret', () => {
  const stolen = keyPairOf(SECRET)
  const initiator = new Handshake(GUEST, SERVER.publicKey)
  const thief = new Handshake(childKeyPair(stolen), null)
  thief.recv(initiator.send(payload))
  assert.equal(initiator.recv(thief.send(payload))?.udx?.id, payload.udx.id)
  assert.deepEqual(initiator.final().tx, thief.final().rx)
  const asGuest = GuestKey.of(stolen, 'Anna', NONCE).keyPair
  const server = new Handshake(SERVER, null)
  server.recv(firstMessage(asGuest, SERVER.publicKey))
  assert.deepEqual(Buffer.from(server.remotePublicKey), Buffer.from(GUEST.publicKey))
  // What comes from another secret is neither.
  const fresh = keyPairOf(new Secret('another long text'))
  assert.throws(() =>
    new Handshake(childKeyPair(stolen), null).recv(firstMessage(GUEST, childPublicKey(fresh.publicKey)))
  )
  assert.notDeepEqual(GuestKey.of(fresh, 'Anna', NONCE).publicKey, GUEST.publicKey)
})

test('without the key of a guest nobody gets past the first message as that guest', () => {
  const forger = { publicKey: GUEST.publicKey, secretKey: HyperDHT.keyPair().secretKey! }
  assert.throws(() => new Handshake(SERVER, null).recv(firstMessage(forger, SERVER.publicKey)))
})
