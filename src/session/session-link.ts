/**
 * A link of a session, with its datagram channel and the reader of its ordered stream.
 *
 *                another link takes over            a second later, link gone
 *   ATTACHED ---------------------------> RETIRED ---------------------------> CLOSED
 *       |                                                                        ^
 *       +------------------ link lost, session over -----------------------------+
 *
 * A retired link receives the datagrams that were on their way when the other one took over, and nothing else.
 */
import { type DatagramCounts, type DatagramEvents, Datagrams } from '../datagrams/datagrams.js'
import type { ErrorCode } from '../errors.js'
import type { RateLimiter } from '../flows/rate-limiter.js'
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'
import type { FrameSink } from '../wire/frames.js'
import type { Link, LinkEvents } from '../wire/link.js'
import { FrameReader } from './frame-reader.js'

/** A link, and the keys that its datagrams are sealed with. */
export interface KeyedLink {
  readonly link: Link
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
}

export interface SessionLinkDeps {
  readonly clock: Clock
  readonly limits: Limits
  /** Runs a function once, at the end of this turn of the event loop. */
  readonly defer: (fn: () => void) => void
  /** Holds the peer to its rates; left out: it has none. */
  readonly rateLimiter?: RateLimiter
  /** Counters of the datagrams of all links. */
  readonly counts: DatagramCounts
  /** Runs a read, which may find the peer at fault. */
  readonly guard: (read: () => void) => void
}

/** Events of an attached link. */
export interface SessionLinkEvents {
  readonly frames: FrameSink
  readonly records: DatagramEvents
  /** Something authentic was received. */
  received(): void
  drain(): void
  path(): void
  /** The link is lost. */
  close(code: string): void
}

const DEAF: LinkEvents = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }

export class SessionLink {
  readonly link: Link
  readonly datagrams: Datagrams
  readonly #deps: SessionLinkDeps
  readonly #reader: FrameReader
  /** Armed when the link is retired. */
  #closeTimer: Timer | null = null

  constructor({ link, sendKey, receiveKey }: KeyedLink, deps: SessionLinkDeps, events: SessionLinkEvents) {
    const { limits, clock, defer, counts, rateLimiter } = deps
    this.#deps = deps
    this.link = link
    this.datagrams = new Datagrams(
      link,
      sendKey,
      receiveKey,
      events.records,
      limits,
      clock,
      defer,
      counts,
      rateLimiter?.memory
    )
    this.#reader = new FrameReader(link, events.frames, deps, deps.guard)
    link.events = {
      message: message => {
        events.received()
        if (!this.#reader.add(message)) events.close('TOO_FAST')
      },
      // Only authentic datagrams count: anyone can send a packet to an open port.
      datagram: packet => this.#receive(packet, () => events.received()),
      drain: () => events.drain(),
      path: () => events.path(),
      close: code => events.close(code)
    }
  }

  #receive(packet: Uint8Array, onreceived: () => void): void {
    const { rateLimiter, counts, guard } = this.#deps
    if (rateLimiter?.datagram() === false) {
      counts.dropped.limited++
      return
    }
    guard(() => {
      const records = this.datagrams.receive(packet)
      if (records === null) return
      onreceived()
      rateLimiter?.records(records, packet.byteLength)
    })
  }

  /** The CLOSE that the peer sent last, if it waits to be read. */
  takeClose(): { code: ErrorCode; reason: string } | null {
    return this.#reader.takeClose()
  }

  /**
   * Another link takes over: what is packed is sent, and this one closes in a while.
   * @param closed called when it has closed by itself
   */
  retire(closed: () => void): void {
    const { clock, limits } = this.#deps
    const end = (): void => {
      this.close()
      closed()
    }
    this.#reader.close()
    this.datagrams.retire()
    this.link.events = {
      ...DEAF,
      datagram: packet => this.#receive(packet, () => {}),
      close: end
    }
    this.#closeTimer = clock.after(limits.oldLinkMs, end)
  }

  /** @param end ends the link; left out: now, without sending what is written */
  close(end = (link: Link): void => link.destroy()): void {
    this.#closeTimer?.cancel()
    this.#reader.close()
    this.datagrams.close()
    this.link.events = DEAF
    end(this.link)
  }
}
