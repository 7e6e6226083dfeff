/**
 * The packets that find an IPv6 path. The keys come from those that both sides have told each other inside the encrypted stream;
 * SPEC.md, "IPv6", has the format.
 */
import b4a from 'b4a'
import sodium from 'sodium-native'
import { deriveKey } from './derive.js'

const NAME_CONTEXT = b4a.from('hyper-nat/2/ipv6/name')
const KEY_CONTEXT = b4a.from('hyper-nat/2/ipv6/probe')

/** No packet of UDX begins with it. */
const MAGIC = 0x68

export const NAME_BYTES = 8
const MAC_BYTES = 16
const NAME_AT = 1
const NUMBER_AT = NAME_AT + NAME_BYTES
const ECHO_AT = NUMBER_AT + 8
const STREAM_AT = ECHO_AT + 8
const MAC_AT = STREAM_AT + 4

/** Bytes of a probe, of an answer as well: nothing is amplified. */
export const PROBE_BYTES = MAC_AT + MAC_BYTES

export interface Probe {
  /** Counts the sender's probes from 1. */
  readonly number: number
  /** In an answer, the number of the question; 0 in a question. */
  readonly echo: number
  /** The sender's stream that waits for the other side's, a number below 2^32; 0: none yet. */
  readonly stream: number
}

/** The name of a sender in hex, if this may be a probe. */
export function senderOf(packet: Uint8Array): string | null {
  if (packet.byteLength !== PROBE_BYTES || packet[0] !== MAGIC) return null
  return b4a.toString(packet.subarray(NAME_AT, NUMBER_AT), 'hex')
}

/** Makes and reads the probes of one sender on one connection. */
export class ProbeSeal {
  /** What tells the sender's probes from others, in hex. */
  readonly name: string
  readonly #name: Uint8Array
  readonly #key: Uint8Array

  /** @param datagramKey the sender's, of the connection that carries the session */
  constructor(datagramKey: Uint8Array) {
    this.#name = deriveKey(NAME_CONTEXT, datagramKey).subarray(0, NAME_BYTES)
    this.#key = deriveKey(KEY_CONTEXT, datagramKey)
    this.name = b4a.toString(this.#name, 'hex')
  }

  seal({ number, echo, stream }: Probe): Uint8Array {
    const packet = b4a.alloc(PROBE_BYTES)
    packet[0] = MAGIC
    packet.set(this.#name, NAME_AT)
    const view = viewOf(packet)
    view.setBigUint64(NUMBER_AT, BigInt(number), true)
    view.setBigUint64(ECHO_AT, BigInt(echo), true)
    view.setUint32(STREAM_AT, stream, true)
    sodium.crypto_generichash(packet.subarray(MAC_AT), packet.subarray(0, MAC_AT), this.#key)
    return packet
  }

  /** @returns null for what this sender has not made */
  open(packet: Uint8Array): Probe | null {
    if (senderOf(packet) !== this.name) return null
    const mac = b4a.alloc(MAC_BYTES)
    sodium.crypto_generichash(mac, packet.subarray(0, MAC_AT), this.#key)
    if (!sodium.sodium_memcmp(mac, packet.subarray(MAC_AT))) return null
    const view = viewOf(packet)
    return {
      number: Number(view.getBigUint64(NUMBER_AT, true)),
      echo: Number(view.getBigUint64(ECHO_AT, true)),
      stream: view.getUint32(STREAM_AT, true)
    }
  }
}

function viewOf(packet: Uint8Array): DataView {
  return new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
}
