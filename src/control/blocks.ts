/**
 * What follows on a control connection once `connect` was answered: blocks both ways, which carry the bytes of a stream or the payloads
 * of a UDP flow. A block is a header of 4 bytes, its kind and the length of what follows in 24 bits, big-endian, and that many bytes.
 */
import { EventEmitter } from 'node:events'
import type net from 'node:net'
import { Duplex } from 'node:stream'
import { codeOf, type ErrorCode, HyperNatError } from '../errors.js'
import { type DatagramFlow, type FlowStream, flowError } from '../sockets/flow-stream.js'
import { MAX_UDP_PAYLOAD } from '../wire/constants.js'
import { hangUp } from './hang-up.js'

/** The first byte of a block: bytes of the stream, or one payload; the end of this direction; why the stream or flow is over. */
const DATA = 0
const END = 1
/** JSON with `code` and `message`. */
const FAILURE = 2

const HEADER = 4
const MAX_LENGTH = 0xffffff

/** Bytes of a failure at the most. */
const MAX_FAILURE = 4096

/** Bytes that may wait for a reader of payloads; those beyond are dropped, as a network does. */
const UNREAD_PAYLOADS = 1 << 20

interface BlockEvents {
  /** Bytes of a data block, the rest of it still to come unless `last`. */
  data(bytes: Uint8Array, last: boolean): void
  end(): void
  /** The other side failed, broke the rules, or hung up. */
  failure(err: HyperNatError): void
}

/** One side of such a connection. */
class Blocks {
  readonly socket: net.Socket
  readonly #events: BlockEvents
  readonly #header = Buffer.alloc(HEADER)
  #filled = 0
  /** Bytes of the block that are to come. */
  #left = 0
  #kind = DATA
  #failure: Uint8Array[] = []
  #over = false
  /** Whether the end of each direction was said. */
  #ended = false
  #endReceived = false

  constructor(socket: net.Socket, events: BlockEvents) {
    this.socket = socket
    this.#events = events
    socket.once('close', () => {
      // A side that has both ends hangs up, whatever the other one still has to read of them.
      if (!this.#ended || !this.#endReceived) this.#fail(hungUp())
    })
  }

  /** Bytes of the other side, however they are cut. */
  receive(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.byteLength && !this.#over) {
      if (this.#filled < HEADER) {
        this.#header[this.#filled++] = bytes[at++]!
        if (this.#filled === HEADER) this.#begin()
        continue
      }
      const part = bytes.subarray(at, at + this.#left)
      at += part.byteLength
      this.#left -= part.byteLength
      this.#take(part)
    }
  }

  #begin(): void {
    this.#kind = this.#header[0]!
    this.#left = this.#header.readUIntBE(1, 3)
    const known = this.#kind === DATA || this.#kind === END || this.#kind === FAILURE
    if (!known || (this.#kind === FAILURE && this.#left > MAX_FAILURE)) return this.#fail(broken())
    // Those without bytes are complete.
    if (this.#left === 0) this.#take(new Uint8Array(0))
  }

  #take(part: Uint8Array): void {
    const last = this.#left === 0
    if (last) this.#filled = 0
    if (this.#kind === DATA) return this.#events.data(part, last)
    if (this.#kind === FAILURE) this.#failure.push(part)
    if (!last) return
    if (this.#kind === END) {
      this.#endReceived = true
      this.#events.end()
    } else this.#fail(failureOf(Buffer.concat(this.#failure)))
  }

  #fail(err: HyperNatError): void {
    if (this.#over) return
    this.#over = true
    this.#events.failure(err)
  }

  /** @param written hears when the system has taken it; when it does not, `failure` tells why */
  write(bytes: Uint8Array, written?: () => void): void {
    const taken = written && ((err?: Error | null) => void (err || written()))
    const { socket } = this
    socket.cork()
    for (let at = 0; at === 0 || at < bytes.byteLength; at += MAX_LENGTH) {
      const part = bytes.subarray(at, at + MAX_LENGTH)
      socket.write(headerOf(DATA, part.byteLength))
      socket.write(part, at + MAX_LENGTH >= bytes.byteLength ? taken : undefined)
    }
    socket.uncork()
  }

  end(written: () => void): void {
    this.socket.write(headerOf(END, 0), err => {
      // When the socket is gone, `close` says so.
      if (err) return
      this.#ended = true
      written()
    })
  }

  /** Says why it is over. */
  fail(err: unknown): void {
    const { socket } = this
    this.#over = true
    const message = err instanceof Error ? err.message : String(err)
    const text = Buffer.from(JSON.stringify({ code: codeOf(err), message: message.slice(0, 1000) }))
    hangUp(socket, Buffer.concat([headerOf(FAILURE, text.byteLength), text]))
  }

  /** Hangs up. */
  close(clean: boolean): void {
    this.#over = true
    if (clean) this.socket.end()
    else this.socket.destroy()
  }
}

/** A stream of the other process. It fails with the {@link HyperNatError} that the stream there failed with. */
export class ControlStream extends Duplex {
  readonly #blocks: Blocks
  #failed = false
  /** Takes what the socket brings. */
  readonly receive: (bytes: Uint8Array) => void

  constructor(socket: net.Socket) {
    super()
    this.#blocks = new Blocks(socket, {
      data: bytes => {
        if (bytes.byteLength > 0 && !this.push(bytes)) socket.pause()
      },
      end: () => void this.push(null),
      failure: err => void this.destroy(err)
    })
    this.receive = bytes => this.#blocks.receive(bytes)
  }

  override _read(): void {
    this.#blocks.socket.resume()
  }

  override _write(chunk: Uint8Array, _encoding: unknown, done: () => void): void {
    this.#blocks.write(chunk, done)
  }

  override _final(done: () => void): void {
    this.#blocks.end(done)
  }

  override _destroy(err: Error | null, done: (err?: Error | null) => void): void {
    if (!this.#failed) this.#blocks.close(err === null && this.readableEnded && this.writableFinished)
    done(err)
  }

  /** Ends it here, and has the other side fail. */
  fail(err: unknown): void {
    if (this.destroyed) return
    this.#failed = true
    this.#blocks.fail(err)
    this.destroy()
  }
}

/** A UDP flow of the other process, as far as its user sees it; `close` gives the error that it ended with, if any. */
export class ControlDatagrams extends EventEmitter<{ message: [payload: Buffer]; close: [HyperNatError?] }> {
  readonly #blocks: Blocks
  readonly receive: (bytes: Uint8Array) => void
  #parts: Uint8Array[] = []
  #size = 0
  #closed = false

  constructor(socket: net.Socket) {
    super()
    this.#blocks = new Blocks(socket, {
      data: (bytes, last) => this.#onData(bytes, last),
      end() {},
      failure: err => this.#close(err)
    })
    this.receive = bytes => this.#blocks.receive(bytes)
  }

  /** Sends one payload, or drops it where too much waits. */
  send(payload: Uint8Array): void {
    const { socket } = this.#blocks
    if (this.#closed || !socket.writable || socket.writableLength > UNREAD_PAYLOADS) return
    this.#blocks.write(payload)
  }

  close(): void {
    this.#close()
  }

  fail(err: unknown): void {
    if (this.#closed) return
    this.#closed = true
    this.#blocks.fail(err)
    this.emit('close')
  }

  #onData(bytes: Uint8Array, last: boolean): void {
    this.#size += bytes.byteLength
    if (this.#size > MAX_UDP_PAYLOAD) return this.#close(broken())
    // They are views of what the socket reads next into.
    this.#parts.push(last && this.#parts.length === 0 ? bytes : Uint8Array.from(bytes))
    if (!last) return
    const payload = Buffer.concat(this.#parts)
    this.#parts = []
    this.#size = 0
    this.emit('message', payload)
  }

  #close(err?: HyperNatError): void {
    if (this.#closed) return
    this.#closed = true
    this.#blocks.close(false)
    this.emit('close', err)
  }
}

/** Joins a flow of this process with the control connection that asked for it. */
export function joinFlow(socket: net.Socket, flow: FlowStream | DatagramFlow): (bytes: Uint8Array) => void {
  if ('send' in flow) {
    const there = new ControlDatagrams(socket)
    flow.on('message', payload => there.send(payload))
    flow.once('close', () => there.fail(hungUp()))
    there.on('message', payload => flow.send(payload))
    there.once('close', () => flow.close())
    return there.receive
  }
  const there = new ControlStream(socket)
  flow.pipe(there)
  there.pipe(flow)
  flow.once('error', err => there.fail(err))
  flow.once('close', () => {
    if (!there.readableEnded || !there.writableEnded) there.fail(flowError('FLOW_RESET'))
  })
  there.on('error', () => flow.destroy())
  there.once('close', () => {
    if (!flow.readableEnded || !flow.writableEnded) flow.destroy()
  })
  return there.receive
}

export function hungUp(): HyperNatError {
  return new HyperNatError('CONTROL_FAILED', 'The running hyper-nat has ended, or has hung up.')
}

function broken(): HyperNatError {
  return new HyperNatError(
    'CONTROL_FAILED',
    'The running hyper-nat has sent what this one does not understand: is it of another version?'
  )
}

function headerOf(kind: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER)
  header[0] = kind
  header.writeUIntBE(length, 1, 3)
  return header
}

function failureOf(text: Buffer): HyperNatError {
  try {
    const { code, message } = JSON.parse(text.toString()) as { code: unknown; message: unknown }
    if (typeof code === 'string' && typeof message === 'string')
      return new HyperNatError(code as ErrorCode, message)
  } catch {
    // As below.
  }
  return broken()
}
