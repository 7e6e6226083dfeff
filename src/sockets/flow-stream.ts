/** Flows without a local socket: a TCP flow as a stream of this process, and a UDP flow as an object that sends and receives. */
import { EventEmitter } from 'node:events'
import { addAbortSignal, Duplex } from 'node:stream'
import b4a from 'b4a'
import { type ErrorCode, HyperNatError, OptionsError } from '../errors.js'
import type { PathKind } from '../events.js'
import { type ByteFlow, ignoreEvents } from '../flows/byte-flow.js'
import { quote } from '../text/quote.js'
import { allowListeners } from '../util/abort-listeners.js'
import { callOut } from '../util/call-out.js'
import { LONGEST_TIMER_MS } from '../util/clock.js'
import { MAX_UDP_PAYLOAD } from '../wire/constants.js'
import type { SocketUsage } from './socket-usage.js'

/** Who is at the other end of a flow, and how its packets travel. */
export interface FlowRemote {
  /** Its public key, in base58. */
  readonly publicKey: string
  /** What the server's owner calls the guest; undefined for one without a name, and for a server. */
  readonly name: string | undefined
  /** The path now; null while there is no connection. */
  readonly path: PathKind | null
}

/** Bytes that wait to be read. */
interface Piece {
  readonly bytes: Uint8Array
  /** Whether they stay valid after the flow was told that they are consumed. */
  readonly isCopy: boolean
}

/** Small pieces are gathered into blocks of this size while nobody reads. */
const BLOCK = 16 * 1024

/** How long a stream that is over waits for its reader to go on with what the other side has ended, ms. */
const READ_PATIENCE_MS = 10_000

const RESET_MESSAGES: Partial<Record<ErrorCode, string>> = {
  FLOW_RESET: 'The other side reset the connection.',
  MAP_NOT_SHARED: 'The server does not share this port: ask the host, or choose another one.',
  TARGET_REFUSED: 'The port is closed at the server: is the program running there?',
  TARGET_TIMEOUT: 'The program did not answer the server: is it running?',
  TARGET_UNREACHABLE:
    'The server has no route to the computer whose port it shares: the host can see why in the log.',
  TOO_MANY_FLOWS: 'There are too many connections: close some, or try again later.',
  SESSION_EXPIRED: 'The other side was away for too long.',
  CONNECTION_LOST: 'The other side was away for too long.',
  GOODBYE: 'The other side was stopped.',
  NOT_INVITED: 'The server does not let this computer in any more: ask the host for an invite.',
  INVITE_EXPIRED: 'This invite has expired: ask the host for a new one.'
}

/** Closes a UDP flow when the signal is aborted; at once where it has been, but after its user can listen. */
export function closeOnAbort(flow: DatagramFlow, { signal }: DatagramOptions): DatagramFlow {
  const close = (): void => flow.close()
  if (signal?.aborted) queueMicrotask(close)
  else if (signal) {
    allowListeners(signal)
    signal.addEventListener('abort', close)
    flow.once('close', () => signal.removeEventListener('abort', close))
  }
  return flow
}

/** Why a flow ended, as an error. */
export function flowError(code: ErrorCode): HyperNatError {
  return new HyperNatError(code, RESET_MESSAGES[code] ?? `The connection was closed (${code}).`)
}

export interface FlowStreamOptions {
  /** Ends it with an `AbortError`. */
  readonly signal?: AbortSignal | undefined
}

export interface DatagramOptions {
  /** Closes the flow. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A TCP flow as a `Duplex`: half-close, backpressure both ways, and `destroy()` as a reset. It outlives changes of the path, and has
 * finished when the other side has all that was written. It fails with a {@link HyperNatError}: FLOW_RESET when the other side resets it, a code that says why it could not be opened, or why the session
 * ended. When this side closes the connection or the node, it ends without an error, as a socket of Node.js that is destroyed.
 */
export class FlowStream extends Duplex {
  readonly #remote: () => FlowRemote
  #flow: ByteFlow | null = null
  #usage: SocketUsage | null = null
  /** What was written, or ended, and is not done: there is no flow yet, it has no room, or the other side has not acknowledged the end. */
  #held: Uint8Array | null = null
  #ending = false
  #done: ((err?: Error | null) => void) | null = null
  /** What came while nobody read, and the block that small pieces are gathered in. */
  #unread: Piece[] = []
  #block: Uint8Array | null = null
  #filled = 0
  #wanted = true
  #giving = false
  /** The end of the other side: it has come when all has arrived, and is given behind the last byte that is read. */
  #theirEnd: 'open' | 'come' | 'given' = 'open'
  #timer: NodeJS.Timeout | null = null
  /** Armed when the flow is over and its end is still to be read. */
  #patience: NodeJS.Timeout | null = null

  constructor(remote: () => FlowRemote, { signal }: FlowStreamOptions = {}) {
    super()
    this.#remote = remote
    if (!signal) return
    allowListeners(signal)
    addAbortSignal(signal, this)
  }

  /** Who is at the other end. */
  get remote(): FlowRemote {
    return this.#remote()
  }

  /** Counts what waits to be read. */
  count(usage: SocketUsage): void {
    this.#usage = usage
    this.once('close', () => usage.close())
  }

  /** There is a flow: what was written goes out. */
  join(flow: ByteFlow): void {
    if (this.destroyed) return flow.reset('FLOW_RESET')
    this.#flow = flow
    flow.events = {
      data: bytes => this.#onData(bytes),
      end: () => {
        this.#theirEnd = 'come'
        this.#release()
      },
      drain: () => {
        if (!this.#ending) this.#finish()
      },
      finish: () => this.#finish(),
      reset: code => this.fail(code),
      close: () => this.#finish()
    }
    const held = this.#held
    this.#held = null
    if (held && !flow.write(held)) return
    if (this.#ending) flow.end()
    else this.#finish()
  }

  /**
   * Ends it for that reason. To close the session here is no failure: it ends as by {@link destroy}. What the other side has ended is
   * read before, as from a socket of the system: the other side takes it for delivered, and may have left.
   */
  fail(code: ErrorCode): void {
    const err = code === 'CLOSED' ? undefined : flowError(code)
    if (!err || this.#theirEnd === 'open' || this.readableEnded || this.destroyed)
      return void this.destroy(err)
    const fail = (): void => void this.destroy(err)
    this.#patience = setTimeout(fail, READ_PATIENCE_MS).unref()
    this.once('end', fail)
  }

  override _write(chunk: Uint8Array, _encoding: unknown, done: (err?: Error | null) => void): void {
    this.#timer?.refresh()
    // The flow keeps what it is given, and a caller may reuse its buffer.
    const bytes = b4a.allocUnsafeSlow(chunk.byteLength)
    bytes.set(chunk)
    if (this.#flow?.write(bytes)) return done()
    if (!this.#flow) this.#held = bytes
    this.#done = done
  }

  override _final(done: (err?: Error | null) => void): void {
    // Not before the other side has all of it: a program may close the connection as soon as it is told.
    this.#ending = true
    this.#done = done
    this.#flow?.end()
  }

  override _read(): void {
    this.#patience?.refresh()
    this.#wanted = true
    this.#release()
  }

  override _destroy(err: Error | null, done: (err?: Error | null) => void): void {
    const flow = this.#flow
    if (flow) {
      flow.events = ignoreEvents
      if (!this.readableEnded || !this.writableFinished) flow.reset('FLOW_RESET')
    }
    this.#unread = []
    this.#block = null
    this.#held = null
    clearTimeout(this.#timer ?? undefined)
    clearTimeout(this.#patience ?? undefined)
    const waiting = this.#done
    this.#done = null
    if (waiting) callOut(() => waiting(err ?? flowError('FLOW_RESET')))
    done(err)
  }

  #finish(): void {
    const done = this.#done
    this.#done = null
    if (done) callOut(done)
  }

  #onData(bytes: Uint8Array): void {
    this.#timer?.refresh()
    this.#usage?.add(bytes.byteLength)
    // Each piece is a view that may pin a network buffer many times its size, so small ones are copied where they wait.
    const waits = !this.#wanted || this.#giving
    if (!waits || bytes.byteLength >= BLOCK) {
      this.#closeBlock()
      this.#unread.push({ bytes, isCopy: false })
    } else {
      if (this.#filled + bytes.byteLength > BLOCK) this.#closeBlock()
      this.#block ??= b4a.allocUnsafeSlow(BLOCK)
      this.#block.set(bytes, this.#filled)
      this.#filled += bytes.byteLength
    }
    this.#release()
  }

  #closeBlock(): void {
    if (!this.#block) return
    this.#unread.push({ bytes: this.#block.subarray(0, this.#filled), isCopy: true })
    this.#block = null
    this.#filled = 0
  }

  /** Gives the reader what it wants of what came. The reader may call for more from within. */
  #release(): void {
    if (this.#giving) return
    this.#giving = true
    while (this.#wanted && !this.destroyed) {
      if (this.#unread.length === 0) this.#closeBlock()
      const piece = this.#unread.shift()
      if (!piece) break
      const { buffer, byteOffset, byteLength } = piece.bytes
      const bytes = piece.isCopy ? Buffer.from(buffer, byteOffset, byteLength) : Buffer.from(piece.bytes)
      callOut(() => {
        this.#wanted = this.push(bytes)
      })
      this.#usage?.remove(byteLength)
      this.#flow?.consumed(byteLength)
    }
    this.#giving = false
    if (this.#theirEnd !== 'come' || this.#unread.length > 0 || this.#block || this.destroyed) return
    this.#theirEnd = 'given'
    this.push(null)
  }

  // --- what programs for sockets of Node.js call ---

  /** Ms of silence after which `timeout` is emitted; 0 for none. */
  timeout = 0

  setTimeout(ms: number, ontimeout?: () => void): this {
    clearTimeout(this.#timer ?? undefined)
    this.timeout = ms
    this.#timer =
      ms > 0 ? setTimeout(() => this.emit('timeout'), Math.min(ms, LONGEST_TIMER_MS)).unref() : null
    if (ontimeout && ms > 0) this.once('timeout', ontimeout)
    return this
  }

  /** Nothing to do: the session sees whether the other side is there. */
  setKeepAlive(): this {
    return this
  }

  /** Nothing to do: nothing is held back. */
  setNoDelay(): this {
    return this
  }

  /** Nothing to do: the node keeps the process alive, not its streams. */
  ref(): this {
    return this
  }

  /** Nothing to do, as with {@link ref}. */
  unref(): this {
    return this
  }
}

export interface DatagramFlowDeps {
  readonly remote: () => FlowRemote
  readonly send: (payload: Uint8Array) => void
  readonly close: () => void
}

export interface DatagramFlowEvents {
  message: [payload: Buffer]
  close: []
}

/**
 * A UDP flow: each payload arrives whole, or not at all. `message` brings one from the other side, `close` says that the flow is
 * over: closed here, idle for too long, or with its session.
 */
export class DatagramFlow extends EventEmitter<DatagramFlowEvents> {
  readonly #deps: DatagramFlowDeps
  #closed = false

  constructor(deps: DatagramFlowDeps) {
    super()
    this.#deps = deps
  }

  /** Who is at the other end. */
  get remote(): FlowRemote {
    return this.#deps.remote()
  }

  /** Whether it is over. */
  get closed(): boolean {
    return this.#closed
  }

  /**
   * Sends one payload; it is dropped where a network would drop it, and after `close`.
   * @param payload 0 to 65,507 bytes
   * @throws RangeError for a larger one; OptionsError for what is no Uint8Array
   */
  send(payload: Uint8Array): void {
    // A text, above all, has no length in bytes: it would be dropped without a word.
    if (!(payload instanceof Uint8Array))
      throw new OptionsError([
        { path: 'payload', message: `is ${quote(payload)}; give a Buffer or a Uint8Array` }
      ])
    if (payload.byteLength > MAX_UDP_PAYLOAD)
      throw new RangeError(
        `A payload of ${payload.byteLength} bytes is too large: UDP carries ${MAX_UDP_PAYLOAD}.`
      )
    if (!this.#closed) this.#deps.send(payload)
  }

  /** A payload from the other side; valid during the call only. */
  receive(payload: Uint8Array): void {
    if (!this.#closed) callOut(() => this.emit('message', Buffer.from(payload)))
  }

  /** Ends the flow on this side. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#deps.close()
    callOut(() => this.emit('close'))
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
