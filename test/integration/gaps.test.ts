// A stranger withholds one packet and sends those after it: libudx keeps all of them.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import HyperDHT from 'hyperdht'
import { childPublicKey } from '../../src/identity/child.js'
import { decodeKey } from '../../src/identity/encoding.js'
import { pause, within } from '../support/deadline.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { isLinux, residentBytes } from '../support/machine.js'
import { newSecret, type Stage, serverEntries, staged } from '../support/stage.js'

const MB = 1 << 20
const SHARES = [{ proto: 'tcp', port: 9 }] as const
const PACKET_BYTES = 1300
/** As many as 60 MB, some at a time, so that the kernel has room for them. */
const PACKETS = 45_000
const AT_ONCE = 60

/** What an ended stream may have left; without a bound it is 60 MB and more. */
const GROWTH_BYTES = 36 * MB

/** A packet of UDX (libudx, udx.c): a number far behind the next one. */
function packet(streamId: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(20 + PACKET_BYTES)
  const [magic, version, data] = [255, 1, 1]
  bytes.set([magic, version, data, 0])
  bytes.writeUInt32LE(streamId, 4)
  bytes.writeUInt32LE(4 << 20, 8)
  bytes.writeUInt32LE(sequence, 12)
  return bytes
}

interface Raw {
  readonly remoteId: number
  readonly remotePort: number
  readonly remoteHost: string
  readonly socket: { trySend(packet: Uint8Array, port: number, host: string): void }
}

/**
 * Sends packets behind a gap to whom it dials, until the connection ends.
 * @returns how much more memory the process had meanwhile, bytes
 */
async function flood(stage: Stage, { pid }: HyperNat, key: Uint8Array): Promise<number> {
  const { bootstrap } = await stage.testnet()
  const dht = new HyperDHT({ bootstrap })
  stage.defer(() => dht.destroy({ force: true }))
  const stream = dht.connect(key)
  stream.on('error', () => {})
  await within(20_000, once(stream, 'open'), () => 'a connection')
  const closed = new Promise(resolve => stream.once('close', resolve))
  const { remoteId, remotePort, remoteHost, socket } = stream.rawStream as unknown as Raw
  const before = residentBytes(pid)
  let grown = 0
  for (let i = 0; i < PACKETS; i++) {
    socket.trySend(packet(remoteId, 100 + i), remotePort, remoteHost)
    if (i % AT_ONCE > 0) continue
    await pause(2)
    grown = Math.max(grown, residentBytes(pid) - before)
  }
  stage.t.diagnostic(`${(grown / MB).toFixed(1)} MB more`)
  await within(5000, closed, () => 'the end of the connection')
  return grown
}

staged('packets behind a gap end the connection before they take memory, and others come in', async stage => {
  if (!isLinux) return stage.t.skip('memory is read from /proc')
  const server = await stage.daemon(serverEntries(SHARES, newSecret()))
  const { publicKey } = await server.event('ready')
  const grown = await flood(stage, server, childPublicKey(decodeKey(publicKey)))
  assert.ok(grown <= GROWTH_BYTES, `${(grown / MB).toFixed(1)} MB more`)
  const guest = await stage.daemon([{ mode: 'client', publicKey, ...SHARES[0], localPort: 0 }])
  await guest.event('connected')
})

staged('nor do they take the memory of a relay', async stage => {
  if (!isLinux) return stage.t.skip('memory is read from /proc')
  const relay = await stage.run(['relay', '--secret', newSecret()], 'relay')
  const { publicKey } = await relay.event('ready')
  const grown = await flood(stage, relay, decodeKey(publicKey))
  assert.ok(grown <= GROWTH_BYTES, `${(grown / MB).toFixed(1)} MB more`)
})
