/**
 * Finds servers in the LAN where there is no DHT: a client asks a multicast group for a key, and a node that announces it answers with its
 * port. It reveals what a DHT node would learn: the hash of the announced key, and where its server is.
 *
 *     magic "hnat" | u8 1 (who has it?) or 2 (here) | 32 bytes BLAKE2b-256 of the key | u16 port, in the answer
 */
import dgram from 'node:dgram'
import type HyperDHT from 'hyperdht'
import sodium from 'sodium-native'
import type { Log } from '../log/log.js'
import { TokenBucket } from '../util/token-bucket.js'
import { ownAddresses } from './addresses.js'
import { isHomeAddress } from './path.js'

/** Of the range that no router passes on to another site (RFC 2365). */
const GROUP = '239.255.72.78'
const PORT = 49_736

const MAGIC = Buffer.from('hnat')
const QUESTION = 1
const ANSWER = 2
const HASH_BYTES = 32
const HASH_AT = MAGIC.byteLength + 1
const QUESTION_BYTES = HASH_AT + HASH_BYTES
const ANSWER_BYTES = QUESTION_BYTES + 2

/** When a client asks, ms after it began: multicast is lost on Wi-Fi. */
const ASK_AT_MS = [0, 250, 1000]

/** Answers of a node: per second in the long run, and at once after a rest. */
const ANSWERS_PER_SECOND = 20
const ANSWER_BURST = 40

/** Answers for the keys of the servers in this process. */
export class LanResponder {
  readonly #hashes = new Map<string, number>()
  readonly #rate = new TokenBucket(ANSWERS_PER_SECOND / 1000, ANSWER_BURST)
  #socket: dgram.Socket | null = null

  /** @param port the UDP port where handshakes come */
  constructor(
    readonly port: () => number,
    readonly log: Log
  ) {}

  /** Answers for an announced key. @returns a function that ends that */
  add(key: Uint8Array): () => void {
    const hash = hashOf(key).toString('hex')
    this.#hashes.set(hash, (this.#hashes.get(hash) ?? 0) + 1)
    if (!this.#socket) this.#open()
    return () => {
      const left = this.#hashes.get(hash)! - 1
      if (left > 0) this.#hashes.set(hash, left)
      else this.#hashes.delete(hash)
      if (this.#hashes.size === 0) this.close()
    }
  }

  #open(): void {
    // Every process on this machine that has servers listens there.
    const socket = dgram.createSocket({ type: 'udp4', reuseAddr: true })
    this.#socket = socket
    socket.on('error', err => {
      this.log.debug({ err }, 'servers here cannot be found in the LAN without the DHT')
      if (this.#socket === socket) this.close()
    })
    socket.on('message', (packet, from) => this.#onMessage(socket, packet, from))
    socket.bind(PORT, () => this.join())
  }

  /** Listens on every interface that there is now. */
  join(): void {
    const socket = this.#socket
    if (!socket) return
    for (const address of ownAddresses()) {
      try {
        // Also where it was done before: an interface may have gone meanwhile, and come back with its address.
        socket.addMembership(GROUP, address)
      } catch {
        // An interface without multicast, or it is done already.
      }
    }
  }

  #onMessage(socket: dgram.Socket, packet: Buffer, from: dgram.RemoteInfo): void {
    const answer = this.answer(packet, from)
    if (answer) socket.send(answer, from.port, from.address, noop)
  }

  /** What to send back to the sender of a packet; null: nothing. */
  answer(packet: Buffer, { address, port }: Pick<dgram.RemoteInfo, 'address' | 'port'>): Buffer | null {
    // A sender without a port wants no answer (RFC 768), and dgram throws when one is sent there.
    if (port === 0) return null
    const hash = hashIn(packet, QUESTION, QUESTION_BYTES)
    if (!hash || !isHomeAddress(address) || !this.#hashes.has(hash.toString('hex'))) return null
    const now = performance.now()
    if (!this.#rate.tryTake(1, now)) return null
    const answer = Buffer.alloc(ANSWER_BYTES)
    packet.copy(answer)
    answer[MAGIC.byteLength] = ANSWER
    answer.writeUInt16BE(this.port(), QUESTION_BYTES)
    return answer
  }

  close(): void {
    const socket = this.#socket
    this.#socket = null
    socket?.close()
  }
}

/** A question for a key, and the answers to it. */
export class LanQuestion {
  readonly packet: Buffer
  readonly #hash: Buffer
  /** Addresses that have answered. */
  readonly #found = new Set<string>()

  constructor(key: Uint8Array) {
    this.#hash = hashOf(key)
    this.packet = Buffer.concat([MAGIC, Buffer.of(QUESTION), this.#hash])
  }

  /** The address of the server that a packet from `host` names; null when it is no answer, or one that has come before. */
  addressIn(packet: Buffer, host: string): HyperDHT.Address | null {
    if (!hashIn(packet, ANSWER, ANSWER_BYTES)?.equals(this.#hash) || !isHomeAddress(host)) return null
    const port = packet.readUInt16BE(QUESTION_BYTES)
    if (port === 0 || this.#found.has(`${host}:${port}`)) return null
    this.#found.add(`${host}:${port}`)
    return { host, port }
  }
}

/**
 * Asks the LAN for a server.
 * @param onanswer called with each address that answers
 * @param ondone called when no more are waited for
 * @returns a function that ends it, after which nothing is called
 */
export function askLan(
  key: Uint8Array,
  ms: number,
  onanswer: (address: HyperDHT.Address) => void,
  ondone: () => void
): () => void {
  const question = new LanQuestion(key)
  const sockets = ownAddresses().map(address => {
    const socket = dgram.createSocket('udp4')
    socket.on('error', noop)
    socket.on('message', (packet, { address }) => {
      const found = question.addressIn(packet, address)
      if (found) onanswer(found)
    })
    socket.bind(0, address, () => {
      try {
        socket.setMulticastInterface(address)
      } catch {
        // It is gone.
      }
    })
    return socket
  })
  const timers = ASK_AT_MS.map(at =>
    setTimeout(() => {
      for (const socket of sockets) socket.send(question.packet, PORT, GROUP, noop)
    }, at)
  )
  const end = (): void => {
    for (const timer of timers) clearTimeout(timer)
    for (const socket of sockets.splice(0)) socket.close()
  }
  timers.push(
    setTimeout(() => {
      end()
      ondone()
    }, ms)
  )
  return end
}

/** The hash in a packet of this type and size; null for another packet. */
function hashIn(packet: Buffer, type: number, size: number): Buffer | null {
  if (packet.byteLength !== size || packet[MAGIC.byteLength] !== type) return null
  if (!MAGIC.equals(packet.subarray(0, MAGIC.byteLength))) return null
  return packet.subarray(HASH_AT, HASH_AT + HASH_BYTES)
}

function hashOf(key: Uint8Array): Buffer {
  const hash = Buffer.allocUnsafe(HASH_BYTES)
  sodium.crypto_generichash(hash, key)
  return hash
}

function noop(): void {}
