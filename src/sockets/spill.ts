import type net from 'node:net'
import b4a from 'b4a'

/** Small pieces are gathered into blocks of this size while a socket does not take them. */
const BLOCK = 16 * 1024

/** How long a socket that is to be reset may take for what was written to it, ms. */
const RESET_PATIENCE_MS = 2000

/**
 * Writes to a socket that may stall. While it does, small pieces are copied together: each is a view that may pin a network
 * buffer many times its size, and each write waiting in the socket has a cost of its own, so that a flow's window of single
 * bytes would take a hundred times its size.
 */
export class Spill {
  #block: Uint8Array | null = null
  #filled = 0
  #ending = false
  #resetting = false
  /** What waits for the preface; a flow sends no more than its window before any of it is taken. */
  #held: Uint8Array[] | null = null

  /**
   * @param ontaken hears how many bytes the system has taken
   * @param preface made once the socket is connected, and written before all else
   */
  constructor(
    readonly socket: net.Socket,
    readonly ontaken: (size: number) => void,
    preface?: () => Uint8Array
  ) {
    socket.on('drain', () => this.#flush())
    if (!preface) return
    this.#held = []
    socket.once('connect', () => {
      const held = this.#held ?? []
      this.#held = null
      socket.write(preface())
      for (const bytes of held) this.#send(bytes)
      this.#flush()
    })
  }

  write(bytes: Uint8Array): void {
    if (!this.#held && this.socket.writableLength === 0 && this.#filled === 0) return this.#send(bytes)
    if (bytes.byteLength >= BLOCK) {
      this.#flush()
      return this.#send(bytes)
    }
    if (this.#filled + bytes.byteLength > BLOCK) this.#flush()
    this.#block ??= b4a.allocUnsafeSlow(BLOCK)
    this.#block.set(bytes, this.#filled)
    this.#filled += bytes.byteLength
    // The socket says `drain` only after it has said that it is full.
    if (!this.#held && !this.socket.writableNeedDrain) this.#flush()
  }

  /** Ends the socket behind what was written. */
  end(): void {
    this.#ending = true
    this.#flush()
  }

  /**
   * Resets the socket when the system has taken what was written, as it would have been over plain TCP, or after
   * `RESET_PATIENCE_MS`.
   */
  reset(): void {
    if (this.#resetting || this.socket.destroyed) return
    this.#resetting = true
    this.#flush()
    if (this.socket.connecting || this.socket.writableLength === 0) return reset(this.socket)
    const late = setTimeout(() => reset(this.socket), RESET_PATIENCE_MS)
    this.socket.once('close', () => clearTimeout(late))
  }

  #flush(): void {
    if (this.#filled > 0) {
      const block = this.#block!.subarray(0, this.#filled)
      this.#block = null
      this.#filled = 0
      this.#send(block)
    }
    if (this.#ending && !this.#held && !this.#resetting && !this.socket.writableEnded) this.socket.end()
  }

  #send(bytes: Uint8Array): void {
    if (this.#held) {
      this.#held.push(bytes)
      return
    }
    if (this.socket.destroyed) return
    const size = bytes.byteLength
    this.socket.write(bytes, () => {
      this.ontaken(size)
      if (this.#resetting && this.socket.writableLength === 0) reset(this.socket)
    })
  }
}

/** Ends a connection so that the program at its other end sees a reset, also where the connection is still under way. */
export function reset(socket: net.Socket): void {
  if (socket.destroyed) return
  if (socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}
