// Forward secrecy on the wire: somebody has captured every packet of a session, and later gets the secret, with all keys that come
// from it. What a handshake gives away then is in test/unit/identity/handshake.test.ts.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import sodium from 'sodium-native'
import { Opener, Sealer } from '../../src/datagrams/seal.js'
import { childKeyPair, hostName, RELAYED } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { GuestKey, NONCE_BYTES } from '../../src/identity/guest.js'
import { keyPairOf, seedOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { decodeTicket } from '../../src/identity/ticket.js'
import { topicOf } from '../../src/identity/topic.js'
import { HyperNat } from '../../src/index.js'
import { SEAL_BYTES } from '../../src/wire/constants.js'
import { Packer } from '../../src/wire/records.js'
import { until } from '../support/deadline.js'
import { intrude } from '../support/intruder.js'
import { bindUdpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'
import { noWire, Wire } from '../support/wire.js'

/** Bytes of UDX's header. */
const UDX_HEADER = 20

const { namespace } = createRequire(createRequire(import.meta.url).resolve('hyperdht'))(
  'hypercore-crypto'
) as {
  namespace(name: string, count: number): Buffer[]
}

function hash(...parts: readonly Uint8Array[]): Buffer {
  const out = Buffer.alloc(32)
  sodium.crypto_generichash_batch(out, parts)
  return out
}

staged(
  'captured datagrams open with nothing that comes from the secret, from the ticket of the guest or from the handshake',
  async stage => {
    const { bootstrap } = await stage.testnet()
    const wire = await stage.use(Wire.open())
    const target = await stage.use(bindUdpEcho())
    const secret = newSecret()
    const server = await stage.use(new HyperNat({ bootstrap }))
    const shared = await server.share({ secret, maps: [{ proto: 'udp', port: target.port }], private: true })
    const { invite, ticket } = shared.invite({ name: 'Anna' })
    const guest = new GuestKey(decodeTicket(ticket).invite!)
    const publicKey = decodeKey(shared.publicKey)
    const { link, welcome, datagramKey } = await stage.use(intrude(publicKey, bootstrap, guest.keyPair))
    const sealer = new Sealer(datagramKey)
    const packer = new Packer(
      () => link.datagramSize(1200) - SEAL_BYTES,
      plain => link.sendDatagram(sealer.seal(plain))
    )
    let answers = 0
    link.events = { message() {}, datagram: () => answers++, drain() {}, path() {}, close() {} }
    await until(10_000, 'answers', () => {
      packer.udp(welcome.maps[0]!.id, 1, Buffer.from('question'))
      packer.flush()
      return target.got.length > 10 && answers > 10
    })

    /** How many of the captured packets open with this key. */
    const opened = (key: Uint8Array): number =>
      wire.packets.filter(({ payload }) => {
        const sealed = Buffer.from(payload.subarray(UDX_HEADER))
        return typeof new Opener(key).open(sealed) !== 'string'
      }).length
    await until(5000, 'the capture', () => opened(datagramKey) > 5)
    assert.ok(opened(Buffer.from(welcome.datagramKey)) > 5, 'the control: each way has its key')

    const keyPair = keyPairOf(new Secret(secret))
    const handshake = Buffer.from(link.handshakeHash)
    const [initiator, responder, send] = namespace('hyperswarm/secret-stream', 3)
    const children = [undefined, RELAYED, hostName(welcome.host)].map(name => childKeyPair(keyPair, name))
    const keys = {
      seed: seedOf(new Secret(secret)),
      publicKey,
      topic: topicOf(publicKey),
      guest: guest.invite,
      guestKey: guest.publicKey,
      anotherGuest: GuestKey.of(keyPair, 'Ben', Buffer.alloc(NONCE_BYTES)).invite,
      nonce: Buffer.concat([invite.nonce, invite.nonce]),
      host: welcome.host,
      ...Object.fromEntries(
        children.flatMap(({ publicKey: key, scalar }, i) => [
          [`child ${i}`, key],
          [`scalar ${i}`, scalar]
        ])
      ),
      'handshake, first half': handshake.subarray(0, 32),
      'handshake, second half': handshake.subarray(32),
      'handshake, hashed': hash(handshake),
      "secret-stream's own, from the client": hash(initiator!, send!, handshake),
      "secret-stream's own, from the server": hash(responder!, send!, handshake)
    }
    for (const [name, key] of Object.entries(keys)) assert.equal(opened(key), 0, name)
  },
  { skip: noWire() }
)
