/**
 * The library: one DHT node that shares port maps under secrets and opens port maps to public keys. The daemon and the CLI
 * are made of this.
 */
import { EventEmitter } from 'node:events'
import b4a from 'b4a'
import sodium from 'sodium-native'
import { Client } from './client.js'
import { systemClock } from './clock.js'
import { HyperNatError } from './errors.js'
import type { ClientMapInfo, DaemonEvent, ServerMapInfo } from './events.js'
import { decodeKey } from './identity/encoding.js'
import { keyPairOf } from './identity/keys.js'
import { Secret } from './identity/secret.js'
import { LIMITS, type Limits } from './limits.js'
import { type Log, silentLog } from './log.js'
import { Node } from './network/node.js'
import type { PortMappingState } from './network/port-mapping.js'
import type { Proto } from './options/entry.js'
import { Server } from './server.js'

export interface HyperNatOptions {
  /** `host:port` of the DHT's bootstrap nodes; left out: the public DHT's. */
  bootstrap?: readonly string[] | undefined
  /**
   * Public keys of relays, as text or 32 bytes, for when there is no direct path; the preferred first. One side that names
   * them is enough.
   */
  relays?: readonly (string | Uint8Array)[] | undefined
  /**
   * Whether servers ask the home router for a UDP port that leads to them (UPnP, NAT-PMP, PCP), so that clients reach them
   * directly; true unless set.
   */
  portMapping?: boolean | undefined
  /** Those of our numbers to change. */
  limits?: Partial<Limits>
  /** Where diagnostics go; left out: nowhere. */
  log?: Log
}

/** A port map to share. */
export interface MapToShare {
  proto: Proto
  /** 1 to 65535: what clients ask for, and the target's port. */
  port: number
  /** The target's host; this machine if left out. */
  host?: string
}

/** A port map to open. */
export interface MapToOpen {
  proto: Proto
  /** The port at the server, 1 to 65535. */
  port: number
  /** The port here: 1 to 65535, or 0 for any free one; left out: the server's. */
  localPort?: number
  /** The address here to listen on; 127.0.0.1 if left out. */
  localHost?: string
  /** Where it was written, for error messages. */
  path?: string
}

/** What {@link HyperNat.share} gives. */
export interface Shared {
  /** What to give to friends, in base58. */
  readonly publicKey: string
  close(): Promise<void>
}

/** What {@link HyperNat.open} gives. */
export interface Opened {
  /** The maps with the local ports that were bound. */
  readonly maps: readonly ClientMapInfo[]
  close(): Promise<void>
}

const LOOPBACK = '127.0.0.1'

export class HyperNat extends EventEmitter<{ event: [DaemonEvent] }> {
  readonly #limits: Limits
  readonly #log: Log
  readonly #node: Node
  readonly #keyPair
  readonly #parts = new Set<{ close(): Promise<void> }>()
  #closing: Promise<void> | null = null

  /** @throws HyperNatError BAD_PUBLIC_KEY for a relay's key */
  constructor(options: HyperNatOptions = {}) {
    super()
    this.#limits = { ...LIMITS, ...options.limits }
    this.#log = options.log ?? silentLog
    // Servers see this key; a fresh one per process ties nothing to anybody.
    this.#keyPair = freshKeyPair()
    const { bootstrap, relays, portMapping = true } = options
    this.#node = new Node(
      { ...(bootstrap && { bootstrap }), ...(relays && { relay: relays.map(keyOf) }), portMapping },
      this.#limits,
      this.#log
    )
  }

  /**
   * Shares port maps under a secret. Resolves when the server is announced.
   * @throws HyperNatError BAD_SECRET, CLOSED
   */
  async share(what: { secret: string | Secret; maps: readonly MapToShare[] }): Promise<Shared> {
    this.#check()
    const secret = what.secret instanceof Secret ? what.secret : new Secret(what.secret)
    const server = new Server({
      ...this.#common(),
      keyPair: keyPairOf(secret),
      maps: what.maps.map(({ proto, port, host = LOOPBACK }): ServerMapInfo => ({ proto, port, host }))
    })
    const handle = this.#keep(server)
    await server.start()
    return { publicKey: server.publicKey, close: handle }
  }

  /**
   * Opens local ports that lead to a server's. Resolves when they are bound: the server may come later.
   * @param what.publicKey as text (base58, hex, z-base-32) or 32 bytes
   * @throws HyperNatError BAD_PUBLIC_KEY, PORT_IN_USE, LISTEN_FAILED, CLOSED
   */
  async open(what: { publicKey: string | Uint8Array; maps: readonly MapToOpen[] }): Promise<Opened> {
    this.#check()
    const client = new Client({
      ...this.#common(),
      publicKey: keyOf(what.publicKey),
      keyPair: this.#keyPair,
      entries: what.maps.map(map => ({
        path: map.path ?? `${map.proto} ${map.port}`,
        proto: map.proto,
        port: map.port,
        localPort: map.localPort ?? map.port,
        localHost: map.localHost ?? LOOPBACK
      }))
    })
    const handle = this.#keep(client)
    await client.listen()
    return { maps: client.start(), close: handle }
  }

  /** How it stands with the port mapping on the home router; `off` while nothing is shared. */
  get portMapping(): PortMappingState {
    return this.#node.portMapping
  }

  /**
   * Drops every connection at once, as when the network has changed: clients dial again, sessions and their flows go on
   * over the new connections.
   */
  reconnect(): void {
    this.#node.drop()
  }

  /** Says goodbye, unannounces, closes every socket. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([...this.#parts].map(part => part.close()))
      await this.#node.close()
    })()
    return this.#closing
  }

  #keep(part: { close(): Promise<void> }): () => Promise<void> {
    this.#parts.add(part)
    return async () => {
      this.#parts.delete(part)
      await part.close()
    }
  }

  #check(): void {
    if (this.#closing) throw new HyperNatError('CLOSED', 'This node is closed.')
  }

  #common() {
    return {
      node: this.#node,
      clock: systemClock,
      limits: this.#limits,
      log: this.#log,
      random: randomBytes,
      emit: (event: DaemonEvent) => void this.emit('event', event)
    }
  }
}

function keyOf(key: string | Uint8Array): Uint8Array {
  return typeof key === 'string' ? decodeKey(key) : key
}

function randomBytes(size: number): Uint8Array {
  const bytes = b4a.allocUnsafeSlow(size)
  sodium.randombytes_buf(bytes)
  return bytes
}

function freshKeyPair() {
  const publicKey = b4a.allocUnsafeSlow(sodium.crypto_sign_PUBLICKEYBYTES)
  const secretKey = b4a.allocUnsafeSlow(sodium.crypto_sign_SECRETKEYBYTES)
  sodium.crypto_sign_keypair(publicKey, secretKey)
  return { publicKey, secretKey }
}
