/** hyperdht's handshake by hand: what its packets hold, for tests that send or read them themselves. */
import { createRequire } from 'node:module'
import type HyperDHT from 'hyperdht'
import sodium from 'sodium-native'

const require = createRequire(import.meta.url)
const internals = createRequire(require.resolve('hyperdht'))

/** One side of a Noise IK handshake, as hyperdht has it. */
interface NoiseWrap {
  readonly remotePublicKey: Uint8Array
  /** `e` is its ephemeral key, drawn when it first sends unless there is one. */
  readonly handshake: { readonly hash: Uint8Array; e: HyperDHT.KeyPair | null }
  send(payload: object): Buffer
  recv(noise: Uint8Array): { addresses4: HyperDHT.Address[] | null; udx: { id: number } | null }
  final(): { hash: Buffer; holepunchSecret: Buffer; rx: Buffer; tx: Buffer }
}

export const Handshake = internals('./lib/noise-wrap.js') as new (
  keyPair: HyperDHT.KeyPair,
  remotePublicKey: Uint8Array | null
) => NoiseWrap

/** Values of a PEER_HANDSHAKE packet's `mode`: who it claims to come from. */
export const FROM_CLIENT = 0
export const FROM_SERVER = 1
export const FROM_RELAY = 2

const PEER_HANDSHAKE = 0

const { handshake: codec } = internals('./lib/messages.js') as { handshake: object }
const { encode } = internals('compact-encoding') as { encode(codec: object, value: object): Buffer }

/** What the DHT files a server under, and what handshakes with it are sent to, by the key that it listens on. */
export function targetOf(key: Uint8Array): Buffer {
  const target = Buffer.alloc(32)
  sodium.crypto_generichash(target, key)
  return target
}

/**
 * The first message of a client that dials `serverKey`.
 * @param firewall 1 for one that says that others reach it unasked
 */
export function firstMessage(keyPair: HyperDHT.KeyPair, serverKey: Uint8Array, id = 1, firewall = 0): Buffer {
  return new Handshake(keyPair, serverKey).send({
    error: 0,
    firewall,
    holepunch: null,
    addresses4: [],
    addresses6: null,
    udx: { reusableSocket: false, id, seq: 0 },
    secretStream: {},
    relayThrough: null,
    relayAddresses: null
  })
}

/**
 * Sends a first message straight to a server, as its client, or as a DHT node that passes on what came from `forged`.
 * @returns what the server answers; null for nothing
 */
export async function sendHandshake(
  dht: HyperDHT,
  to: HyperDHT.Address,
  target: Uint8Array,
  noise: Uint8Array,
  forged: HyperDHT.Address | null = null
): Promise<Uint8Array | null> {
  const mode = forged ? FROM_RELAY : FROM_CLIENT
  const value = encode(codec, { mode, noise, peerAddress: forged, relayAddress: null })
  try {
    return (await request(dht)({ command: PEER_HANDSHAKE, target, value }, to, { retry: false })).value
  } catch {
    return null
  }
}

/** dht-rpc's own way to ask anything; internal. */
function request(dht: HyperDHT) {
  const { request: ask } = dht as unknown as {
    request(question: object, to: HyperDHT.Address, options: object): Promise<{ value: Uint8Array | null }>
  }
  return ask.bind(dht)
}
