/**
 * The packets that a relay passes on. blind-relay lets libudx pass them (`relayTo`), where nobody can hold them to a rate. The
 * streams here take its place: their numbers are unknown to libudx, so that their packets come to the socket's listeners, and
 * a {@link Shaper} holds them to a rate.
 *
 *     socket "message" -> number of the stream -> shaper -> number of the other half -> its socket
 */
import { EventEmitter } from 'node:events'
import type { Firewall, RelayStream } from 'blind-relay'
import type HyperDHT from 'hyperdht'
import type { RelayLimits } from '../limits.js'
import type { Clock } from '../util/clock.js'
import type { RelayUser } from './relay-places.js'
import { Direction, type ShapedSession, Shaper, type ShaperLimits } from './shaper.js'

/** The header of a UDX packet: u8 magic, u8 version, u8 flags, u8 options, then little-endian u32 stream, window, seq, ack. */
const HEADER = {
  bytes: 20,
  magic: 0xff,
  version: 1,
  flags: 2,
  stream: 4,
  seq: 12,
  destroy: 0b010000
} as const

/** Where the packets of a stream come from, and go to. */
interface Place {
  readonly socket: HyperDHT.Socket
  readonly port: number
  readonly host: string
}

/** One half of a relayed session: packets from one side, and the way to it. */
export class RelayedStream extends EventEmitter implements RelayStream {
  /** The one whose half this is. */
  owner: RelayUser | null = null
  partner: RelayedStream | null = null
  bytes = 0
  receivedAt: number
  destroyed = false
  #place: Place | null = null
  #remoteId = 0
  #seq = 0
  #hasReceived = false
  #refused = false
  readonly #streams: RelayedStreams
  readonly #firewall: Firewall
  #session: ShapedSession | null = null
  #direction: Direction | null = null

  constructor(
    streams: RelayedStreams,
    readonly id: number,
    firewall: Firewall
  ) {
    super()
    this.#streams = streams
    this.#firewall = firewall
    this.receivedAt = streams.clock.now()
  }

  /** blind-relay calls this for both halves; they share one rate. */
  relayTo(partner: RelayedStream): void {
    this.partner = partner
    this.#session = partner.#session ?? this.#streams.shaper.session()
    this.#direction = new Direction(this.#session, packet => this.#pass(packet))
  }

  /**
   * Where the owner probably is: where its connection to the relay comes from. It may never send here, because a direct path was
   * faster, while the other side's first packets are under way: libudx repeats those on this way only.
   */
  expect(socket: HyperDHT.Socket, remoteId: number, port: number, host: string): void {
    // What a client says may be any number; those of streams have 32 bits.
    this.#remoteId = remoteId >>> 0
    this.#place = { socket, port, host }
  }

  /** blind-relay's answer to the first packet: what the other half sends goes where that came from. */
  connect(socket: HyperDHT.Socket, remoteId: number, port: number, host: string): void {
    this.#hasReceived = true
    this.expect(socket, remoteId, port, host)
  }

  /**
   * A packet for this stream. It may come from elsewhere than the first: when a direct path has been found, libudx repeats
   * what was under way to the relay from the new path's socket.
   */
  receive(packet: Buffer, from: Place): void {
    // blind-relay has forgotten a half that is over.
    if (!this.#hasReceived && !this.destroyed) this.#firewall(from.socket, from.port, from.host)
    if (this.#refused) return this.refuse()
    this.receivedAt = this.#streams.clock.now()
    this.#direction?.offer(packet.byteLength, () => Buffer.from(packet))
  }

  /** Passes a packet on to the other half's owner. */
  #pass(packet: Buffer): void {
    this.bytes += packet.byteLength
    const last = (packet[HEADER.flags]! & HEADER.destroy) !== 0
    this.partner!.#send(packet)
    if (last) this.destroy()
  }

  /** Drops what waits to be passed on. */
  clear(): void {
    this.#direction?.clear()
  }

  #send(packet: Buffer): void {
    if (!this.#place || this.#place.socket.closing) return
    const { socket, port, host } = this.#place
    this.#seq = packet.readUInt32LE(HEADER.seq)
    packet.writeUInt32LE(this.#remoteId, HEADER.stream)
    socket.trySend(packet, port, host)
  }

  /**
   * Tells this half's owner that the stream is over, so that it need not find out by silence. Only when something was
   * received from it: hyperdht does not notice the end of a stream that it has not connected yet.
   */
  refuse(): void {
    if (this.destroyed) return
    this.#refused = true
    if (!this.#hasReceived) return
    const packet = Buffer.alloc(HEADER.bytes)
    packet.set([HEADER.magic, HEADER.version, HEADER.destroy])
    packet.writeUInt32LE((this.#seq + 1) >>> 0, HEADER.seq)
    this.#send(packet)
    this.destroy()
    this.#streams.forget(this)
  }

  /**
   * For blind-relay this half is over, usually because a direct path has been found. Packets go on for a while: the other
   * side may have some under way, and libudx repeats them on the way that they were first sent.
   */
  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#streams.clock.after(this.#streams.limits.lingerMs, () => this.#streams.forget(this))
    queueMicrotask(() => this.emit('close'))
  }
}

export class RelayedStreams {
  readonly shaper: Shaper
  readonly #byId = new Map<number, RelayedStream>()
  readonly #sockets = new WeakSet<HyperDHT.Socket>()

  constructor(
    readonly clock: Clock,
    readonly limits: ShaperLimits & Pick<RelayLimits, 'lingerMs'>,
    /** Gives numbers from 0 to 2^32 - 1 that are not easily guessed. */
    readonly randomId: () => number
  ) {
    this.shaper = new Shaper(clock, limits)
  }

  get size(): number {
    return this.#byId.size
  }

  [Symbol.iterator](): IterableIterator<RelayedStream> {
    return this.#byId.values()
  }

  /** Takes the packets of our streams that come to this socket. */
  listen(socket: HyperDHT.Socket): void {
    if (this.#sockets.has(socket)) return
    this.#sockets.add(socket)
    socket.on('message', (packet: Buffer, { host, port }: { host: string; port: number }) => {
      if (packet.byteLength < HEADER.bytes) return
      if (packet[0] !== HEADER.magic || packet[1] !== HEADER.version) return
      this.#byId.get(packet.readUInt32LE(HEADER.stream))?.receive(packet, { socket, host, port })
    })
  }

  /** What blind-relay calls `createStream`. */
  create({ firewall }: { firewall: Firewall }): RelayedStream {
    let id = this.randomId()
    while (this.#byId.has(id)) id = this.randomId()
    const stream = new RelayedStream(this, id, firewall)
    this.#byId.set(id, stream)
    return stream
  }

  forget(stream: RelayedStream): void {
    this.#byId.delete(stream.id)
    stream.clear()
  }
}
