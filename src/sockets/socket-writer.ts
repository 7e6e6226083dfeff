import type net from 'node:net'
import b4a from 'b4a'
import { codeOf } from '../errors.js'

/** Small pieces are gathered into blocks of this size while a socket does not take them. */
const BLOCK = 16 * 1024

/** How long a socket that is to be reset may take for what was written to it, ms. */
const RESET_PATIENCE_MS = 2000

/** How long its program then has to read that, ms: a reset takes along what it has not read. */
const LAST_WORDS_MS = 50

/**
 * Writes to a socket that may stall. While it does, small pieces are copied together: each is a view that may pin a network
 * buffer many times its size, and each write waiting in the socket has a cost of its own, so that a flow's window of single
 * bytes would take a hundred times its size.
 */
export class SocketWriter {
  #block: Uint8Array | null = null
  #filled = 0
  #ending = false
  #resetting = false
  /** When bytes were last given to the system, or taken by it. */
  #movedAt = Number.NEGATIVE_INFINITY
  /** What waits for the preface; a flow sends no more than its window before any of it is taken. */
  #held: Uint8Array[] | null = null

  /**
   * @param ontaken called with the number of bytes that the system has accepted
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
      socket.write(preface(), () => this.#finish())
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
   * Resets the socket when the system has taken what was written, or after `RESET_PATIENCE_MS`; and, where the last of it has only
   * just been taken, a moment later.
   */
  reset(): void {
    const { socket } = this
    if (this.#resetting || socket.destroyed) return
    this.#resetting = true
    this.#flush()
    if (socket.connecting) return reset(socket)
    if (socket.writableLength > 0) this.#resetIn(RESET_PATIENCE_MS)
    else this.#resetIn(this.#movedAt + LAST_WORDS_MS - performance.now())
  }

  #resetIn(ms: number): void {
    const { socket } = this
    if (ms <= 0) return reset(socket)
    const timer = setTimeout(() => reset(socket), ms)
    socket.once('close', () => clearTimeout(timer))
  }

  #flush(): void {
    if (this.#filled > 0) {
      const block = this.#block!.subarray(0, this.#filled)
      this.#block = null
      this.#filled = 0
      this.#send(block)
    }
    this.#finish()
  }

  /** Says the end once the system has all that was written: until it is said, nothing can be reset ({@link reset}). */
  #finish(): void {
    const { socket } = this
    if (!this.#ending || this.#held || this.#resetting || socket.writableEnded || socket.destroyed) return
    if (socket.writableLength === 0) socket.end()
  }

  #send(bytes: Uint8Array): void {
    if (this.#held) {
      this.#held.push(bytes)
      return
    }
    if (this.socket.destroyed) return
    const size = bytes.byteLength
    this.#movedAt = performance.now()
    this.socket.write(bytes, () => {
      this.ontaken(size)
      this.#movedAt = performance.now()
      if (!this.#resetting) this.#finish()
      else if (this.socket.writableLength === 0) this.#resetIn(LAST_WORDS_MS)
    })
  }
}

/**
 * Ends a connection so that the program at its other end sees a reset, also where the connection is still under way. Unix sockets and
 * pipes know no reset: there it sees an end.
 */
export function reset(socket: net.Socket): void {
  if (socket.destroyed) return
  if (socket.connecting) socket.destroy()
  // While an end is being said, libuv resets nothing, and Node lets go of the socket without having closed it.
  else if (socket.writableEnded && !socket.writableFinished)
    socket.once('finish', () => !socket.destroyed && resetNow(socket))
  else resetNow(socket)
}

function resetNow(socket: net.Socket): void {
  try {
    socket.resetAndDestroy()
  } catch (err) {
    if (codeOf(err) !== 'ERR_INVALID_HANDLE_TYPE') throw err
    socket.destroy()
  }
}
