import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import sodium from 'sodium-native'
import { HyperNatError } from '../../../src/errors.js'
import { ANNOUNCE, childKeyPair, childPublicKey, hostName, RELAYED } from '../../../src/identity/child.js'
import { keyPairOf, randomSecret } from '../../../src/identity/keys.js'
import { Secret } from '../../../src/identity/secret.js'
import { startTestnet } from '../../support/testnet.js'

const parent = keyPairOf(new Secret('mysecret'))

test('the child under the announce name is pinned: other versions must find it', () => {
  assert.equal(ANNOUNCE, 'hyper-nat/2/announce')
  assert.equal(
    childPublicKey(parent.publicKey).toString('hex'),
    'fe4c797112844cd6fea9f3211c8f67c316657b9bcf7ab98e7bc2802b0cb417e9'
  )
})

test('the child of a host is pinned', () => {
  const id = Buffer.from([...Array(32).keys()])
  assert.equal(hostName(id), `hyper-nat/2/host/${id.toString('hex')}`)
  assert.equal(
    childPublicKey(parent.publicKey, hostName(id)).toString('hex'),
    '4c7b9aebf4cef174d99025fb27beecf427940394eadf56516d3149522e664814'
  )
})

test('the child that relays know is pinned', () => {
  assert.equal(RELAYED, 'hyper-nat/2/relayed')
  assert.equal(
    childPublicKey(parent.publicKey, RELAYED).toString('hex'),
    'af383bac089627ab9a2acaacaff5c0fe41eee9025b5562062c72dbf89a3988a2'
  )
})

test('a child is its parent plus the base point times a hash of the parent and the name', () => {
  // Native code goes from the hash to the scalar, and no page of its own says how.
  const { crypto_core_ed25519_add: add, crypto_scalarmult_ed25519_base_noclamp: times } =
    sodium as unknown as {
      crypto_core_ed25519_add(out: Buffer, a: Uint8Array, b: Uint8Array): void
      crypto_scalarmult_ed25519_base_noclamp(out: Buffer, scalar: Uint8Array): void
    }
  for (const name of [ANNOUNCE, RELAYED, hostName(Buffer.alloc(32, 7))]) {
    const hash = Buffer.alloc(32)
    sodium.crypto_generichash_batch(hash, [parent.publicKey, Buffer.from(name)])
    const scalar = createHash('sha512').update(hash).digest().subarray(0, 32)
    scalar[31]! &= 0x7f
    const [point, child] = [Buffer.alloc(32), Buffer.alloc(32)]
    times(point, scalar)
    add(child, parent.publicKey, point)
    assert.deepEqual(childPublicKey(parent.publicKey, name), child)
  }
})

test('children that sign the same thing do not use the same nonce, which would give away the scalar', () => {
  const message = Buffer.from('an announcement')
  const [one, other] = ['one', 'other'].map(name => childKeyPair(parent, name).sign(message))
  assert.notDeepEqual(one!.subarray(0, 32), other!.subarray(0, 32))
})

test('the public key alone derives the same child as its owner does', () => {
  for (const name of [ANNOUNCE, 'another name', '']) {
    assert.deepEqual(childPublicKey(parent.publicKey, name), childKeyPair(parent, name).publicKey)
  }
})

test('children of different names and of different parents differ', () => {
  const other = keyPairOf(randomSecret())
  const children = [
    childPublicKey(parent.publicKey),
    childPublicKey(parent.publicKey, 'another name'),
    childPublicKey(other.publicKey),
    parent.publicKey
  ]
  assert.equal(new Set(children.map(key => Buffer.from(key).toString('hex'))).size, children.length)
})

test('a plain Uint8Array is a public key, too', () => {
  assert.deepEqual(childPublicKey(new Uint8Array(parent.publicKey)), childPublicKey(parent.publicKey))
})

test('a child signs, and its signature is ordinary ed25519', () => {
  const child = childKeyPair(parent)
  const message = Buffer.from('an announcement')
  const signature = child.sign(message)
  assert.equal(sodium.crypto_sign_verify_detached(signature, message, childPublicKey(parent.publicKey)), true)
  assert.equal(sodium.crypto_sign_verify_detached(signature, message, parent.publicKey), false)
})

test('both sides of a Diffie-Hellman with children agree', () => {
  const a = childKeyPair(keyPairOf(randomSecret()))
  const b = childKeyPair(keyPairOf(randomSecret()))
  assert.deepEqual(a.dh(b.publicKey), b.dh(a.publicKey))
})

test('the scalar of a child is pinned, and belongs to its public key', () => {
  const { scalar, publicKey } = childKeyPair(parent)
  const point = Buffer.alloc(32)
  sodium.crypto_scalarmult_ed25519_base_noclamp(point, scalar)
  assert.deepEqual(point, publicKey)
  assert.equal(scalar.toString('hex'), 'ece730a4b754e81ea07af8fcb5b7fef337587fdde7c947b0113904aef0a8a600')
})

test('what is no point of the curve has no child', () => {
  assert.throws(
    () => childPublicKey(Buffer.alloc(32, 7)),
    (err: unknown) => err instanceof HyperNatError && err.code === 'BAD_PUBLIC_KEY'
  )
})

test('hyperdht listens on a child and dials with one', async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const DHT = createRequire(import.meta.url)('hyperdht')
  const nodes = [0, 1].map(() => new DHT({ bootstrap: testnet.bootstrap, host: '127.0.0.1' }))
  t.after(() => Promise.all(nodes.map(node => node.destroy({ force: true }))))

  const guest = childKeyPair(keyPairOf(randomSecret()))
  const server = nodes[0].createServer()
  const accepted = once(server, 'connection')
  await server.listen(childKeyPair(parent))
  const socket = nodes[1].connect(childPublicKey(parent.publicKey), { keyPair: guest })
  socket.on('error', () => {})
  await once(socket, 'open')
  const [incoming] = await accepted
  incoming.on('error', () => {})

  assert.deepEqual(Buffer.from(incoming.remotePublicKey), guest.publicKey)
  socket.write('hello')
  const [data] = await once(incoming, 'data')
  assert.equal(data.toString(), 'hello')
  socket.destroy()
  incoming.destroy()
})
