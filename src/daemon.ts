/** Runs every entry of the options in one process, on one DHT node: options -> entries -> servers and clients. */
import { EventEmitter } from 'node:events'
import { systemClock } from './clock.js'
import { codeOf, OptionsError } from './errors.js'
import type { DaemonEvent } from './events.js'
import { HyperNat, type Shared } from './hyper-nat.js'
import { encodeKey } from './identity/encoding.js'
import { type KeyPair, keyPairOf } from './identity/keys.js'
import { FILE_LOOK_MS, PLAYERS_WRITE_MS, SEEN_WRITE_MS } from './limits.js'
import type { Log } from './log.js'
import type { ClientEntry, Entry, Options, OptionsSource, ServerEntry } from './options/entry.js'
import { LastSeen, seenFile } from './options/last-seen.js'
import { PlayerList, playersFile } from './options/player-list.js'
import { FileWatch } from './options/watch.js'

export class Daemon extends EventEmitter<{ event: [DaemonEvent] }> {
  #node: HyperNat | null = null
  /** By public key. */
  readonly #shared = new Map<string, Shared>()
  #watch: FileWatch | null = null
  #lastSeen: LastSeen | null = null
  #players: PlayerList | null = null
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
    if (this.options.source) {
      const file = seenFile(this.options.source.path)
      this.#lastSeen = new LastSeen(file, systemClock, Date.now, SEEN_WRITE_MS, err =>
        this.log.info({ code: codeOf(err) }, 'when guests were seen last cannot be written')
      )
    }
    node.on('event', event => {
      this.#noteGuest(event)
      this.#notePlayer(event)
      this.emit('event', event)
    })
    const servers = serversOf(entries)
    const clients = groupBy(
      entries.filter((entry): entry is ClientEntry => entry.mode === 'client'),
      // As another guest, it is another session.
      ({ publicKey, guest }) => [publicKey, ...(guest ? [guest.publicKey] : [])].map(encodeKey).join(' ')
    )
    try {
      for (const maps of clients) {
        const { publicKey, guest } = maps[0]!
        await node.open({ publicKey, maps, guest })
      }
      await Promise.all(
        servers.map(async maps => {
          const { secret, access } = maps[0]!
          const shared = await node.share({ secret, maps, ...access })
          this.#shared.set(shared.publicKey, shared)
        })
      )
      this.#watchSource()
    } catch (err) {
      await this.close()
      throw err
    }
  }

  /** Who may come in changes with the file; all else in it waits for the next start. */
  #watchSource(): void {
    const { source } = this.options
    if (!source || this.#shared.size === 0 || this.#closed) return
    this.#watch = new FileWatch(source.path, systemClock, FILE_LOOK_MS, () => this.#reread(source))
  }

  async #reread({ path, read }: OptionsSource): Promise<void> {
    try {
      for (const [entry] of serversOf((await read()).entries)) {
        this.#shared.get(publicKeyOf(entry!))?.update(entry!.access ?? {})
      }
    } catch (err) {
      const why = err instanceof OptionsError ? err.message.replaceAll('\n', '; ') : String(err)
      const message = `${path} has changed and cannot be used, so that who may come in stays as it was: ${why}`
      this.emit('event', { event: 'warning', code: codeOf(err), message })
    }
  }

  #noteGuest(event: DaemonEvent): void {
    if ((event.event !== 'connected' && event.event !== 'disconnected') || event.name === undefined) return
    this.#lastSeen?.note(event.publicKey, event.name)
  }

  #notePlayer(event: DaemonEvent): void {
    if (event.event !== 'connected' || event.address === undefined) return
    if (!this.#players) {
      const file = playersFile(this.options.source?.path)
      this.#players = new PlayerList(file, systemClock, Date.now, PLAYERS_WRITE_MS, err =>
        this.log.warn({ code: codeOf(err), file }, 'who has which player address cannot be written')
      )
    }
    this.#players.note(event.publicKey, event.address, event.peer, event.name)
  }

  async #identity(): Promise<KeyPair | undefined> {
    if (this.options.identity === undefined) return undefined
    const { loadIdentity } = await import('./options/identity-file.js')
    return loadIdentity(this.options.identity)
  }

  /** Says goodbye, unannounces, closes every socket. */
  async close(): Promise<void> {
    this.#closed = true
    this.#watch?.close()
    await this.#node?.close()
    await this.#lastSeen?.close()
    await this.#players?.close()
  }
}

function serversOf(entries: readonly Entry[]): ServerEntry[][] {
  return groupBy(
    entries.filter((entry): entry is ServerEntry => entry.mode === 'server'),
    publicKeyOf
  )
}

function publicKeyOf({ secret }: ServerEntry): string {
  return encodeKey(keyPairOf(secret).publicKey)
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
