/**
 * The in-memory twin of a connection: two linked ends under a virtual clock. The ordered stream is reliable while the
 * connection lives, and each message arrives whole or not at all; datagrams are lost, doubled and reordered at will.
 * When it dies, everything that is on its way is gone, in both directions.
 */
import assert from 'node:assert/strict'
import type { Clock } from '../../src/util/clock.js'
import type { Link, LinkEvents } from '../../src/wire/link.js'

export interface MemoryLinkOptions {
  /** How long anything takes to the other end, ms. */
  delay?: number
  /** Bytes of the ordered stream that leave in a millisecond; default without limit. */
  bytesPerMs?: number
  /** Bytes written and not sent yet that make `room()` 0, as `unsentBytes` does. */
  room?: number
  /** Bytes that a datagram holds, sealed. */
  datagramSize?: number
  /** Bytes of the largest IP packets that the ordered stream sends; {@link mtu} does not hold it up. */
  streamMtu?: number
  /** Larger datagrams are lost. */
  mtu?: number
  /** Share of datagrams lost, 0 to 1. */
  loss?: number
  /** Share of datagrams that come twice. */
  duplicate?: number
  reach?: Link['reach']
  /** Datagrams take up to so many ms longer: reorders. */
  jitter?: number
}

/** Where the misfortunes of datagrams come from: from 0 to below 1. */
export type Draw = () => number

const DEAF: LinkEvents = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }

export class MemoryLink implements Link {
  events: LinkEvents = DEAF
  /** Messages handed to this end so far. */
  messagesIn = 0
  /** Bytes of the ordered stream handed to this end so far. */
  bytesIn = 0
  /** Messages that this end wrote; for tests that look at the wire. */
  readonly written: Uint8Array[] = []
  /** Datagrams that this end sent, as they were sealed. */
  readonly sent: Uint8Array[] = []
  /** Keep {@link written} and {@link sent}. */
  record = false
  #other!: MemoryLink
  #pending: Uint8Array | null = null
  #unsent = 0
  #unacknowledged = 0
  #freeAt = 0
  #choked = false
  #gone = false
  #paused = false
  readonly #waiting: Uint8Array[] = []

  constructor(
    readonly connection: MemoryConnection,
    readonly remoteKey: Uint8Array,
    readonly handshakeHash: Uint8Array
  ) {}

  get reach(): Link['reach'] {
    return this.connection.options.reach ?? 'machine'
  }

  pair(other: MemoryLink): void {
    this.#other = other
  }

  get gone(): boolean {
    return this.#gone
  }

  alloc(size: number): Uint8Array {
    assert.equal(this.#pending, null, 'a message was begun while another was being built')
    return (this.#pending = new Uint8Array(size))
  }

  write(message: Uint8Array): void {
    assert.equal(message, this.#pending, 'written was not what was allocated')
    this.#pending = null
    const { connection } = this
    if (this.#gone) return
    const { clock, options } = connection
    // The real link encrypts in place: who looks into the buffer afterwards finds noise.
    const copy = new Uint8Array(message)
    message.fill(0xee)
    if (this.record) this.written.push(copy)
    this.#unsent += copy.byteLength
    this.#freeAt = Math.max(this.#freeAt, clock.now()) + copy.byteLength / (options.bytesPerMs ?? Infinity)
    clock.after(this.#freeAt - clock.now(), () => {
      this.#unsent -= copy.byteLength
      if (this.#choked && this.room() > 0) {
        this.#choked = false
        this.events.drain()
      }
    })
    this.#unacknowledged += copy.byteLength
    connection.later(this.#freeAt - clock.now() + connection.delay, () => {
      connection.later(connection.delay, () => (this.#unacknowledged -= copy.byteLength))
      this.#other.#receive(copy)
    })
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    while (!this.#paused && this.#waiting.length > 0) this.#deliver(this.#waiting.shift()!)
  }

  ignore(): void {
    this.resume()
  }

  #receive(message: Uint8Array): void {
    if (this.#paused) this.#waiting.push(message)
    else this.#deliver(message)
  }

  #deliver(message: Uint8Array): void {
    if (this.#gone) return
    const { connection } = this
    if (connection.messagesLeft <= 0) return
    this.messagesIn++
    this.bytesIn += message.byteLength
    connection.messagesLeft--
    this.events.message(message)
    if (connection.messagesLeft <= 0) connection.die()
  }

  room(): number {
    if (this.#gone) return 0
    const room = (this.connection.options.room ?? 128 * 1024) - this.#unsent
    if (room <= 0) this.#choked = true
    return room
  }

  /** What it was given last; the memory link has no queue that it could keep short. */
  bound = Number.POSITIVE_INFINITY

  setCwndCap(bytes: number): void {
    this.bound = bytes
  }

  readonly atCwndCap = false

  get streamMtu(): number {
    return this.connection.options.streamMtu ?? 1200
  }

  get isSending(): boolean {
    return this.#unacknowledged > 0
  }

  datagramSize(mtu: number): number {
    return Math.min(mtu, this.connection.options.datagramSize ?? 1200)
  }

  sendDatagram(packet: Uint8Array): boolean {
    if (this.#gone) return false
    const { connection } = this
    const { options, draw } = connection
    if (this.record) this.sent.push(new Uint8Array(packet))
    if (packet.byteLength > (options.mtu ?? Number.POSITIVE_INFINITY)) return true
    if (draw() < (options.loss ?? 0)) return true
    const sealed = new Uint8Array(packet)
    const copies = draw() < (options.duplicate ?? 0) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      connection.later(connection.delay + draw() * (options.jitter ?? 0), () => {
        // Each a copy: it may be opened in place.
        if (!this.#other.#gone) this.#other.events.datagram(new Uint8Array(sealed))
      })
    }
    return true
  }

  close(): void {
    if (this.#gone) return
    const { connection } = this
    const wait = Math.max(0, this.#freeAt - connection.clock.now())
    this.leave('CLOSED')
    connection.later(wait + connection.delay, () => {
      for (const message of this.#other.#waiting.splice(0)) this.#other.#deliver(message)
      this.#other.leave('CONNECTION_LOST')
    })
  }

  destroy(): void {
    if (this.#gone) return
    const { connection } = this
    this.leave('CLOSED')
    connection.later(connection.delay, () => this.#other.leave('CONNECTION_LOST'))
  }

  /** This end hears that the connection is gone. */
  leave(code: string): void {
    if (this.#gone) return
    this.#gone = true
    const { events } = this
    this.events = DEAF
    events.close(code)
  }
}

export class MemoryConnection {
  readonly client: MemoryLink
  readonly server: MemoryLink
  /** The connection dies when so many more messages have arrived, counted over both directions. */
  messagesLeft = Infinity
  #silent = false
  #dead = false

  constructor(
    readonly clock: Clock,
    readonly options: MemoryLinkOptions,
    readonly draw: Draw,
    keys: { client: Uint8Array; server: Uint8Array; handshakeHash: Uint8Array }
  ) {
    this.client = new MemoryLink(this, keys.server, keys.handshakeHash)
    this.server = new MemoryLink(this, keys.client, keys.handshakeHash)
    this.client.pair(this.server)
    this.server.pair(this.client)
  }

  get delay(): number {
    return this.options.delay ?? 10
  }

  get dead(): boolean {
    return this.#dead
  }

  /** From now on nothing arrives any more, and nobody is told: a NAT that forgot its mapping, a cable pulled. */
  fallSilent(): void {
    this.#silent = true
  }

  /** What was sent while it was silent stays lost; from now on things arrive again. */
  speakAgain(): void {
    this.#silent = false
  }

  /**
   * Dies now: all that is on its way is gone. Each end hears of it after a time of its own, or never.
   * @param noticed ms until the client and the server hear of it
   */
  die(noticed: { client: number | null; server: number | null } = { client: 0, server: 0 }): void {
    if (this.#dead) return
    this.#dead = true
    for (const [link, ms] of [
      [this.client, noticed.client],
      [this.server, noticed.server]
    ] as const) {
      if (ms !== null) this.clock.after(ms, () => link.leave('ECONNRESET'))
    }
  }

  later(ms: number, fn: () => void): void {
    this.clock.after(ms, () => {
      if (!this.#dead && !this.#silent) fn()
    })
  }
}
