/**
 * One connection's datagram channel: packs records, seals, opens, puts fragments together. Records made in one turn of
 * the event loop share a datagram where they fit.
 */

import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'
import { SEAL_BYTES } from '../wire/constants.js'
import type { Link } from '../wire/link.js'
import { type Fragment, Packer, type RecordSink, readRecords } from '../wire/records.js'
import { Reassembly } from './reassembly.js'
import { type DropCause, Opener, Sealer } from './seal.js'

/** What the session hears from the channel. */
export interface DatagramEvents {
  ping(id: number): void
  pong(id: number): void
  udp(map: number, flow: number, payload: Uint8Array): void
  segment(flow: number, segment: Uint8Array): void
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
  #flushQueued = false
  /** What is packed now is to be sent twice. */
  #twice = false
  readonly #copies = new Set<Timer>()

  /**
   * @param sendKey drawn by us, sent in our greeting
   * @param receiveKey drawn by the other side
   * @param defer runs a function once, at the end of this turn of the event loop
   * @param counts added to
   */
  constructor(
    readonly link: Link,
    sendKey: Uint8Array,
    receiveKey: Uint8Array,
    readonly events: DatagramEvents,
    readonly limits: Limits,
    readonly clock: Clock,
    readonly defer: (fn: () => void) => void,
    readonly counts: DatagramCounts
  ) {
    this.#sealer = new Sealer(sendKey)
    this.#opener = new Opener(receiveKey)
    this.#reassembly = new Reassembly(limits, () => counts.dropped.incomplete++)
    this.packer = new Packer(
      () => this.size,
      plain => {
        const sealed = this.#sealer.seal(plain)
        if (link.sendDatagram(sealed)) counts.sent++
        else counts.dropped.choked++
        if (this.#twice) this.#copy(sealed)
        this.#twice = false
      }
    )
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

  /** The connection carries the session no longer. */
  close(): void {
    for (const timer of this.#copies) timer.cancel()
    this.#copies.clear()
  }

  /** Bytes of records that one datagram holds now. */
  get size(): number {
    return this.link.datagramSize() - SEAL_BYTES
  }

  /** What is packed in this turn goes out at its end. */
  queue(): void {
    if (this.#flushQueued) return
    this.#flushQueued = true
    this.defer(this.#endTurn)
  }

  /** What is packed goes out now if it is this turn's first, with what else comes in this turn at its end. */
  hurry(): void {
    if (!this.#flushQueued) this.packer.flush()
    this.queue()
  }

  readonly #endTurn = (): void => {
    this.events.turn()
    this.#flushQueued = false
    this.packer.flush()
  }

  /**
   * Takes one sealed datagram. One that is not the other side's, or not new, is counted and dropped.
   * @returns how many records it held; null when it was dropped
   * @throws HyperNatError PROTOCOL_ERROR when an authentic one makes no sense
   */
  receive(packet: Uint8Array): number | null {
    const plain = this.#opener.open(packet)
    if (typeof plain === 'string') {
      this.counts.dropped[plain]++
      return null
    }
    this.counts.received++
    return readRecords(plain, this)
  }

  ping(id: number): void {
    this.events.ping(id)
  }

  pong(id: number): void {
    this.events.pong(id)
  }

  udp(map: number, flow: number, payload: Uint8Array): void {
    this.events.udp(map, flow, payload)
  }

  fragment(fragment: Fragment): void {
    const payload = this.#reassembly.add(fragment, this.clock.now())
    if (payload) this.events.udp(fragment.map, fragment.flow, payload)
  }

  segment(flow: number, segment: Uint8Array): void {
    this.events.segment(flow, segment)
  }
}
