/** What one socket of a flow uses: a descriptor, the bytes that wait for it, and what the system keeps of those that it took. */
import type { Budget } from '../util/budget.js'
import type { Clock } from '../util/clock.js'

/** Memory of a socket of a flow with its objects, without the data that waits in it, bytes. */
export const SOCKET_BYTES = 8 * 1024

/** What the system keeps of a stalled connection at the most, bytes: both ends' buffers, as it sizes them itself. */
const KERNEL_MOST = 4 * 1024 * 1024

/** Whom a socket is counted for. */
export interface SocketOwner {
  readonly clock: Clock
  readonly memory: Budget
  /** The memory has been charged. */
  charged(): void
  /** A socket begins to close. */
  ending(): void
  /** It is closed. */
  closed(socket: SocketUsage): void
}

/** What one socket of a flow uses. */
export class SocketUsage {
  /** Bytes that wait for the socket to take them. */
  bytes = 0
  /** When the socket last took something, or began. */
  movedAt: number
  isEnding = false
  #taken = 0

  constructor(
    readonly key: SocketOwner,
    readonly end: () => void
  ) {
    this.movedAt = key.clock.now()
  }

  /** What the system may keep of what it took. */
  get kernelBytes(): number {
    return Math.min(this.#taken, KERNEL_MOST)
  }

  /** Bytes wait for the socket. */
  add(bytes: number): void {
    if (this.bytes === 0) this.movedAt = this.key.clock.now()
    this.bytes += bytes
    this.key.memory.charge(bytes)
    this.key.charged()
  }

  /** The system has taken bytes. */
  remove(bytes: number): void {
    this.#taken += bytes
    this.movedAt = this.key.clock.now()
    this.#giveBack(bytes)
  }

  /** The flow is ended for want of room. */
  finish(): void {
    this.#ending()
    this.end()
    // Its buffers go with the socket; the descriptor is closed a moment later.
    this.#giveBack(this.bytes)
  }

  /** The descriptor is closed. */
  close(): void {
    this.#ending()
    this.#giveBack(this.bytes)
    this.key.closed(this)
  }

  #giveBack(bytes: number): void {
    const part = Math.min(bytes, this.bytes)
    this.bytes -= part
    this.key.memory.giveBack(part)
  }

  #ending(): void {
    if (this.isEnding) return
    this.isEnding = true
    this.key.ending()
  }
}
