/**
 * Pings on the ordered stream at the start of a connection. UDX finds the path's MTU with the data that it carries, 16 bytes at
 * a time, and datagrams of games want it found before there is any: so many steps lead from 1200 to 1500 bytes.
 */
import { MAX_PING_PADDING } from '../wire/constants.js'

const STEPS = 24

/** What such a ping leaves of a packet for the frame and the encrypted stream around its padding, bytes. */
const HEADERS = 32

export class MtuPings {
  #left = 0

  /**
   * @param size bytes of a packet that is known to pass
   * @param send sends a ping with so many bytes of padding
   */
  constructor(
    readonly size: () => number,
    readonly send: (padding: number) => void
  ) {}

  start(): void {
    this.#left = STEPS
    this.#ping()
  }

  /** A ping was answered. */
  answered(): void {
    if (this.#left === 0) return
    this.#left--
    this.#ping()
  }

  /** One that fills a packet: UDX pads it to try a larger one. */
  #ping(): void {
    this.send(Math.min(Math.max(0, this.size() - HEADERS), MAX_PING_PADDING))
  }
}
