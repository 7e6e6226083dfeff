/**
 * hyperdht, and what it keeps to itself about relays: which connections lead to one, and so which of our streams go through
 * one; whether a relay answers; and as whom we speak to it.
 */
import type SecretStream from '@hyperswarm/secret-stream'
import HyperDHT from 'hyperdht'
import type { Clock } from '../clock.js'
import { encodeKey, shortKey } from '../identity/encoding.js'
import type { Log } from '../log.js'
import { RelayChoice } from './relay-choice.js'

/** What is known about one relay connection when it is dialled. */
interface RelayUse {
  readonly choice: RelayChoice
  /** The relay's key, the very object of the choice. */
  readonly key: Uint8Array
  /** As whom we speak to the relay. */
  readonly identity: HyperDHT.KeyPair | undefined
}

export class Dht extends HyperDHT {
  /** Open connections to relays. */
  readonly #relaying = new Set<SecretStream>()
  /** hyperdht dials with the very object that `relayThrough` gave it, so that object says which use it is. */
  readonly #uses = new WeakMap<Uint8Array, RelayUse>()
  readonly #clock: Clock
  readonly #log: Log

  constructor(options: HyperDHT.Options, clock: Clock, log: Log) {
    super(options)
    this.#clock = clock
    this.#log = log
  }

  /**
   * What hyperdht calls `relayThrough`: gives a relay for each connection, another one after a failure.
   * @param identity what the relay knows us by; left out: nothing that tells us from others
   */
  relayThrough(
    keys: readonly Uint8Array[],
    restMs: number,
    identity?: HyperDHT.KeyPair
  ): (() => Uint8Array | null) | undefined {
    if (keys.length === 0) return undefined
    const choice = new RelayChoice(keys, restMs)
    return () => {
      const key = choice.pick(this.#clock.now())
      if (!key) return null
      const use = Buffer.from(key)
      this.#uses.set(use, { choice, key, identity })
      return use
    }
  }

  /** Whether the packets of a stream go through a relay now. */
  isRelayed(raw: SecretStream.RawStream): boolean {
    for (const { rawStream } of this.#relaying) {
      if (rawStream?.remoteHost === raw.remoteHost && rawStream?.remotePort === raw.remotePort) return true
    }
    return false
  }

  /** Only hyperdht itself dials without options: a relay, ours or the one that the other side named. */
  override connect(key: Uint8Array, options?: HyperDHT.ConnectOptions): SecretStream {
    if (options) return super.connect(key, options)
    const use = this.#uses.get(key)
    const stream = super.connect(key, use?.identity ? { keyPair: use.identity } : {})
    let open = false
    this.#relaying.add(stream)
    stream.once('open', () => {
      open = true
      use?.choice.worked(use.key)
    })
    // Without a listener here an error before hyperdht's own would end the process.
    stream.on('error', (err: unknown) => {
      if (!open) this.#log.debug({ relay: shortKey(encodeKey(key)), err }, 'the relay does not answer')
      if (!open) use?.choice.failed(use.key, this.#clock.now())
    })
    stream.once('close', () => this.#relaying.delete(stream))
    return stream
  }
}
