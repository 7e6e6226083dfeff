/**
 * hyperdht, and what it keeps to itself about relays: which connections lead to one, and so which of our streams go through
 * one; whether a relay answers; and as whom we speak to it.
 */
import { once } from 'node:events'
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

/** A relay that is in use. */
export interface UsedRelay {
  /** Passes it over for a while, if there are others. */
  failed(): void
}

export class Dht extends HyperDHT {
  /** Connections that are not open yet, those to relays left out. */
  readonly #dialling = new Set<SecretStream>()
  /** Connections to relays. */
  readonly #relaying = new Map<SecretStream, UsedRelay>()
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

  /**
   * Finds out whether others reach us unasked. dht-rpc does so by itself only if an answer to its first question overtakes its
   * first query, which depends on the round trips, and again after 20 minutes. Until then a machine with a public address is
   * treated as one behind a NAT, and partners behind a symmetric one take seconds instead of one round trip.
   * @returns true when they do
   */
  async findReach(): Promise<boolean> {
    try {
      await this.fullyBootstrapped()
      if (this.firewalled && !this.destroyed && !(await this._checkIfFirewalled())) {
        // A dial that is under way has told the other side otherwise, and fails when it changes in between.
        while (this.#dialling.size > 0) await once(this, 'dialled')
        if (!this.destroyed) await this._updateNetworkState(true)
      }
    } catch (err) {
      this.#log.debug({ err }, 'not known whether others reach this machine')
    }
    return !this.firewalled
  }

  /** The relay that the packets of a stream go through now; null for a direct path. */
  relayOf(raw: SecretStream.RawStream): UsedRelay | null {
    for (const [{ rawStream }, relay] of this.#relaying) {
      if (rawStream?.remoteHost === raw.remoteHost && rawStream?.remotePort === raw.remotePort) return relay
    }
    return null
  }

  #dial(key: Uint8Array, options: HyperDHT.ConnectOptions): SecretStream {
    const stream = super.connect(key, options)
    const done = (): void => {
      if (this.#dialling.delete(stream)) this.emit('dialled')
    }
    this.#dialling.add(stream)
    stream.once('open', done)
    stream.once('close', done)
    return stream
  }

  /** Only hyperdht itself dials without options: a relay, ours or the one that the other side named. */
  override connect(key: Uint8Array, options?: HyperDHT.ConnectOptions): SecretStream {
    if (options) return this.#dial(key, options)
    const use = this.#uses.get(key)
    const stream = super.connect(key, use?.identity ? { keyPair: use.identity } : {})
    const failed = (): void => use?.choice.failed(use.key, this.#clock.now())
    this.#relaying.set(stream, { failed })
    stream.once('open', () => use?.choice.worked(use.key))
    stream.on('error', (err: unknown) => {
      this.#log.debug({ relay: shortKey(encodeKey(key)), err }, 'the relay failed')
      failed()
    })
    stream.once('close', () => this.#relaying.delete(stream))
    return stream
  }
}
