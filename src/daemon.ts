/** Runs every entry of the options in one process, on one DHT node: options -> entries -> servers and clients. */
import { EventEmitter } from 'node:events'
import type { DaemonEvent } from './events.js'
import { HyperNat } from './hyper-nat.js'
import { encodeKey } from './identity/encoding.js'
import { type KeyPair, keyPairOf } from './identity/keys.js'
import type { Log } from './log.js'
import type { ClientEntry, Options, ServerEntry } from './options/entry.js'

export class Daemon extends EventEmitter<{ event: [DaemonEvent] }> {
  #node: HyperNat | null = null
  #closed = false

  constructor(
    readonly options: Options,
    readonly log: Log
  ) {
    super()
  }

  /**
   * Binds every local port, then announces every secret.
   * @throws HyperNatError PORT_IN_USE or LISTEN_FAILED, naming the entry, IDENTITY_EXPOSED or IDENTITY_UNUSABLE; everything is
   * closed then
   */
  async start(): Promise<void> {
    const { entries, network, limits } = this.options
    const identity = await this.#identity()
    if (this.#closed) return
    const node = new HyperNat({
      bootstrap: network.bootstrap,
      relays: network.relay,
      identity,
      portMapping: network.portMapping,
      limits,
      log: this.log
    })
    this.#node = node
    node.on('event', event => this.emit('event', event))
    const servers = groupBy(
      entries.filter((entry): entry is ServerEntry => entry.mode === 'server'),
      entry => encodeKey(keyPairOf(entry.secret).publicKey)
    )
    const clients = groupBy(
      entries.filter((entry): entry is ClientEntry => entry.mode === 'client'),
      entry => encodeKey(entry.publicKey)
    )
    try {
      for (const maps of clients) await node.open({ publicKey: maps[0]!.publicKey, maps })
      await Promise.all(servers.map(maps => node.share({ secret: maps[0]!.secret, maps })))
    } catch (err) {
      await this.close()
      throw err
    }
  }

  async #identity(): Promise<KeyPair | undefined> {
    if (this.options.identity === undefined) return undefined
    const { loadIdentity } = await import('./options/identity-file.js')
    return loadIdentity(this.options.identity)
  }

  /** Says goodbye, unannounces, closes every socket. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#node?.close()
  }
}

/** The entries that belong together: one announce per secret, one session per server key. */
function groupBy<T>(entries: readonly T[], keyOf: (entry: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const entry of entries) {
    const key = keyOf(entry)
    const group = groups.get(key)
    if (group) group.push(entry)
    else groups.set(key, [entry])
  }
  return [...groups.values()]
}
