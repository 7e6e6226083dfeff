/**
 * Datagram channel of one connection: packs records, seals, opens, reassembles fragments, and finds the path's MTU. Records made
 * in one turn of the event loop share a datagram where they fit.
 */

import type { Limits } from '../limits.js'
import type { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { SEAL_BYTES } from '../wire/constants.js'
import type { Link } from '../wire/link.js'
import { type Fragment, Packer, paddedPing, type RecordSink, readRecords } from '../wire/records.js'
import { BASE_MTU, PathMtu } from './path-mtu.js'
import { Reassembly } from './reassembly.js'
import { type DropCause, Opener, Sealer } from './seal.js'

/** Events of the channel, for its session. */
export interface DatagramEvents {
  pong(id: number): void
  udp(map: number, flow: number, payload: Uint8Array): void
  segment(flow: number, segment: Uint8Array): void
  /** A game is played at the other side. */
  game(): void
  /** The path carries less than it did: what larger datagrams carried is lost. */
  mtuShrunk(): void
  /** Whether a datagram of the size in use passed: known of some of them. */
  mtuConfirmed(passed: boolean): void
  /** The end of a turn in which something was packed or {@link Datagrams.queue} was called: pack what else is due. */
  turn(): void
}

/**
 * Why a datagram was lost on this side: it was not the other side's (`short`, `forged`) or not new (`replayed`); the socket had no
 * room (`choked`); there was no connection (`unconnected`), or none that takes so large a payload (`oversized`); not all pieces of
 * a payload came in time (`incomplete`); the guest is held to a rate (`limited`).
 */
export type DatagramLoss = DropCause | 'choked' | 'unconnected' | 'oversized' | 'incomplete' | 'limited'

/** Sealed datagrams of one session, over all its connections. */
export interface DatagramCounts {
  sent: number
  received: number
  /** Copies of those that were sent. */
  copies: number
  dropped: Record<DatagramLoss, number>
}

export function noDatagrams(): DatagramCounts {
  const dropped = {
    short: 0,
    forged: 0,
    replayed: 0,
    choked: 0,
    unconnected: 0,
    oversized: 0,
    incomplete: 0,
    limited: 0
  }
  return { sent: 0, received: 0, copies: 0, dropped }
}

/** Adds up. */
export function addDatagrams(to: DatagramCounts, from: DatagramCounts): void {
  to.sent += from.sent
  to.received += from.received
  to.copies += from.copies
  for (const cause of Object.keys(to.dropped) as DatagramLoss[]) to.dropped[cause] += from.dropped[cause]
}

export class Datagrams implements RecordSink {
  readonly packer: Packer
  readonly #sealer: Sealer
  readonly #opener: Opener
  readonly #reassembly: Reassembly
  readonly #mtu: PathMtu
  /** Answers to pings: in datagrams of their own, which pass whatever the path's MTU has become. */
  readonly #pongs: Packer
  /** Bytes of the largest sealed datagram that every path carries. */
  readonly #baseSize: number
  #started = false
  #flushQueued = false
  #closed = false
  /** Whether the datagram being packed is sent twice. */
  #twice = false
  readonly #copies = new Set<Timer>()

  /**
   * @param sendKey drawn by us, sent in our greeting
   * @param receiveKey drawn by the other side
   * @param defer runs a function once, at the end of this turn of the event loop
   * @param counts added to
   * @param memory what the peer's sessions share
   */
  constructor(
    readonly link: Link,
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    readonly events: DatagramEvents,
    readonly limits: Limits,
    readonly clock: Clock,
    readonly defer: (fn: () => void) => void,
    readonly counts: DatagramCounts,
    memory?: Budget
  ) {
    this.#sealer = new Sealer(sendKey)
    this.#opener = new Opener(receiveKey)
    this.#reassembly = new Reassembly(clock, limits, () => counts.dropped.incomplete++, memory)
    this.packer = new Packer(
      () => this.size,
      plain => {
        const sealed = this.#send(plain)
        if (this.#twice) this.#copy(sealed)
        this.#twice = false
        if (sealed.byteLength > this.#baseSize) this.#mtu.onLargeSent()
      }
    )
    this.#baseSize = link.datagramSize(BASE_MTU)
    this.#pongs = new Packer(
      () => this.#baseSize - SEAL_BYTES,
      plain => this.#send(plain)
    )
    this.#mtu = new PathMtu(clock, limits, {
      // Not through the packer, which may be in the middle of a record.
      probe: (id, size) => this.#send(paddedPing(id, link.datagramSize(size) - SEAL_BYTES)),
      ping: id => this.#send(paddedPing(id)),
      changed: shrunk => {
        if (shrunk) events.mtuShrunk()
      },
      confirmed: passed => events.mtuConfirmed(passed)
    })
  }

  #send(plain: Uint8Array): Uint8Array {
    const sealed = this.#sealer.seal(plain)
    if (this.link.sendDatagram(sealed)) this.counts.sent++
    else this.counts.dropped.choked++
    return sealed
  }

  /** The ordered stream has sent packets that are larger than every path carries. */
  onLargeSent(): void {
    this.#mtu.onLargeSent()
  }

  /** Packets take another path: nothing is known of its MTU. */
  newPath(): void {
    if (this.#started) this.#mtu.start()
  }

  /** Packs a UDP payload; a small one goes out twice if `twice`. Returns false if it is larger than any may be. */
  sendUdp(map: number, flow: number, payload: Uint8Array, twice: boolean): boolean {
    const sent = this.packer.udp(map, flow, payload)
    if (twice && payload.byteLength <= this.limits.duplicateBytes) this.#twice = true
    this.hurry()
    return sent
  }

  /** The same sealed bytes again: the other side takes each counter once. */
  #copy(sealed: Uint8Array): void {
    if (this.#copies.size >= this.limits.duplicates) return
    const timer = this.clock.after(this.limits.duplicateMs, () => {
      this.#copies.delete(timer)
      this.counts.copies++
      this.link.sendDatagram(sealed)
    })
    this.#copies.add(timer)
  }

  /**
   * Another connection carries the session: what is packed is sent, what is on its way here is still received, and from now on nothing
   * but answers to pings is sent.
   */
  retire(): void {
    this.packer.flush()
    this.#stop()
  }

  #stop(): void {
    this.#closed = true
    this.#mtu.stop()
    for (const timer of this.#copies) timer.cancel()
    this.#copies.clear()
  }

  /** The connection no longer carries the session. */
  close(): void {
    this.#stop()
    this.#reassembly.close()
  }

  /** Bytes of records that a datagram holds now. */
  get size(): number {
    return this.link.datagramSize(this.#mtu.size) - SEAL_BYTES
  }

  /** Sends what is packed in this turn at its end. */
  queue(): void {
    if (this.#flushQueued) return
    this.#flushQueued = true
    this.defer(this.#endTurn)
  }

  /** Sends what is packed now if it is the first of this turn, otherwise at the end of the turn. */
  hurry(): void {
    if (!this.#flushQueued) this.packer.flush()
    this.queue()
  }

  /** Sends what is packed now, though the turn is not over. */
  flush(): void {
    if (this.#closed) return
    this.events.turn()
    this.#flushQueued = false
    this.packer.flush()
  }

  readonly #endTurn = (): void => this.flush()

  /**
   * Receives one sealed datagram. One that is not the peer's, or not new, is counted and dropped.
   * @returns how many records it held; null when it was dropped
   * @throws HyperNatError PROTOCOL_ERROR when an authentic one is malformed
   */
  receive(packet: Uint8Array): number | null {
    const plain = this.#opener.open(packet)
    if (typeof plain === 'string') {
      this.counts.dropped[plain]++
      return null
    }
    this.counts.received++
    if (!this.#started && !this.#closed) {
      // The peer knows our key by now: probes before that would be lost for another reason.
      this.#started = true
      this.#mtu.start()
    }
    const records = readRecords(plain, this)
    this.#pongs.flush()
    return records
  }

  ping(id: number): void {
    this.#pongs.pong(id)
  }

  pong(id: number): void {
    if (!this.#mtu.onPong(id)) this.events.pong(id)
  }

  udp(map: number, flow: number, payload: Uint8Array): void {
    this.events.udp(map, flow, payload)
  }

  fragment(fragment: Fragment): void {
    const payload = this.#reassembly.add(fragment)
    if (payload) this.events.udp(fragment.map, fragment.flow, payload)
  }

  segment(flow: number, segment: Uint8Array): void {
    this.events.segment(flow, segment)
  }

  game(): void {
    this.events.game()
  }
}
