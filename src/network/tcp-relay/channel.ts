/**
 * One WebSocket with frames on it, at either side: what cannot go at once waits for a moment, and the oldest packet is dropped
 * first. See "Late packets" in SPEC.md.
 *
 *     packet -> queue (50 ms, 256 kB) -> window (what is under way) -> message -> WebSocket
 */
import type WebSocket from 'ws'
import type { Budget } from '../../util/budget.js'
import type { Clock, Timer } from '../../util/clock.js'
import type { TokenBucket } from '../../util/token-bucket.js'
import { DelayWindow } from './delay-window.js'
import {
  CLOSE,
  FRAME_HEAD,
  FrameFault,
  type FrameHandler,
  PACKET_HEAD,
  readMessage,
  received
} from './frames.js'

/** How long a packet may wait, ms, and how much in all, bytes. */
const WAIT_MS = 50
const WAIT_BYTES = 256 * 1024

/** What one connection may always have of the budget of all, bytes. */
const OWN_BYTES = 64 * 1024

/**
 * What Node may hold of a connection besides packets, bytes: beyond it the other side has stopped reading, and makes us answer all the
 * same.
 */
const UNREAD_BYTES = 256 * 1024

/**
 * A message is made of frames up to about so many bytes, and to this share of the window: what is in it arrives when all of it has,
 * which on a slow path takes a while.
 */
const MESSAGE_BYTES = 16 * 1024
const MESSAGE_SHARE = 1 / 32

/** What a PACKET frame adds to its packet, bytes. */
const PACKET_OVERHEAD = FRAME_HEAD + PACKET_HEAD

/** How long the other side may take to close, ms. */
const CLOSING_MS = 1000

/** RECEIVED is sent after so many bytes and milliseconds. */
const RECEIVED_BYTES = 16 * 1024
const RECEIVED_MS = 10

interface Waiting {
  readonly frame: Buffer
  readonly at: number
}

export interface ChannelEvents extends FrameHandler {
  /** Called once, with the code that the other side closed with, 1006 for none. */
  closed(code: number): void
}

export class Channel {
  /** When anything came last, by the clock. */
  lastReceived: number
  dropped = 0
  readonly #ws: WebSocket
  readonly #clock: Clock
  readonly #window = new DelayWindow()
  readonly #held: Budget | null
  readonly #rate: TokenBucket | null
  /** Armed while reading is paused to keep the rate of frames. */
  #resting: Timer | null = null
  #events: ChannelEvents | null
  readonly #handler: FrameHandler
  #control: Buffer[] = []
  #packets: Waiting[] = []
  #first = 0
  #packetBytes = 0
  #flushing = false
  #receivedBytes = 0
  #reportedBytes = 0
  #reporting: Timer | null = null

  /**
   * @param held pays for each packet until it has arrived or is dropped; what it cannot pay for is dropped
   * @param rate pays for each frame that comes; in debt nothing is read, and in a debt of its size packets are dropped
   */
  constructor(
    ws: WebSocket,
    clock: Clock,
    events: ChannelEvents,
    held: Budget | null = null,
    rate: TokenBucket | null = null
  ) {
    this.#ws = ws
    this.#clock = clock
    this.#held = held
    this.#rate = rate
    this.#events = events
    this.lastReceived = clock.now()
    this.#handler = {
      received: bytes => {
        const before = this.#window.underWay
        if (!this.#window.arrived(bytes, this.#clock.now()))
          throw new FrameFault('RECEIVED beyond what was sent')
        this.#held?.giveBack(before - this.#window.underWay)
        this.#flush()
      }
    }
    this.#expect(events)
    ws.on('message', (data: Buffer, isBinary: boolean) => this.#onMessage(data, isBinary))
    ws.on('ping', () => {
      this.#onAny()
      this.#pay(1)
    })
    ws.on('pong', () => this.#onAny())
    ws.on('error', noop)
    ws.on('close', code => this.#leave(code))
  }

  /** What is expected from now on. */
  set events(events: ChannelEvents) {
    this.#events = events
    this.#expect(events)
  }

  #expect(events: ChannelEvents): void {
    const { hello, welcome, open, bound, close, packet } = events
    Object.assign(this.#handler, { hello, welcome, open, bound, close })
    this.#handler.packet =
      packet &&
      ((socket, host, port, payload) => {
        this.#receivedBytes += PACKET_OVERHEAD + payload.byteLength
        if (this.#rate?.has(-this.#rate.size, this.#clock.now()) === false) {
          this.dropped++
          return
        }
        this.#rate?.take(1)
        packet(socket, host, port, payload)
      })
  }

  get isOpen(): boolean {
    return this.#events !== null
  }

  /** Bytes of packets that wait. */
  get waiting(): number {
    return this.#packetBytes
  }

  /** The least round trip of the connection, ms. */
  get roundTrip(): number {
    return this.#window.base
  }

  /** Sends a frame that is never dropped. */
  send(frame: Buffer): void {
    if (!this.#events) return
    if (this.#ws.bufferedAmount > this.#window.underWay + UNREAD_BYTES) return this.terminate()
    this.#control.push(frame)
    this.#flushSoon()
  }

  /** Sends a PACKET frame, or drops it, or one that has waited for longer. */
  sendPacket(frame: Buffer): void {
    if (!this.#events) return
    const own = this.#packetBytes + this.#window.underWay
    if (this.#held && own >= OWN_BYTES && this.#held.free < frame.byteLength) {
      this.dropped++
      return
    }
    this.#held?.charge(frame.byteLength)
    this.#packets.push({ frame, at: this.#clock.now() })
    this.#packetBytes += frame.byteLength
    this.#dropOld()
    this.#flushSoon()
  }

  ping(): void {
    if (this.#events) this.#ws.ping(noop)
  }

  /** Ends the connection; no event comes any more. */
  close(code: number): void {
    if (!this.#events) return
    this.#leave(code)
    this.#ws.close(code)
    // The other side may not answer.
    this.#clock.after(CLOSING_MS, () => this.#ws.terminate())
  }

  /** Drops the connection without a word. */
  terminate(): void {
    this.#leave(CLOSE.silent)
    this.#ws.terminate()
  }

  #leave(code: number): void {
    const events = this.#events
    this.#events = null
    this.#reporting?.cancel()
    this.#rest(0)
    if (events) this.#held?.giveBack(this.#packetBytes + this.#window.underWay)
    this.#packets = []
    this.#packetBytes = 0
    this.#control = []
    events?.closed(code)
  }

  #onAny(): void {
    this.lastReceived = this.#clock.now()
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (!this.#events) return
    this.#onAny()
    try {
      if (!isBinary) throw new FrameFault('a text message')
      this.#pay(readMessage(data, this.#handler))
    } catch (err) {
      if (!(err instanceof FrameFault)) throw err
      return this.close(CLOSE.fault)
    }
    const unreported = this.#receivedBytes - this.#reportedBytes
    if (unreported >= RECEIVED_BYTES) this.#report()
    else if (unreported > 0)
      this.#reporting ??= this.#clock.after(RECEIVED_MS, () => {
        this.#reporting = null
        this.#report()
      })
  }

  /** Pays for what has come: a relay has one thread for all, and one read of 64 kB may hold thousands of frames. */
  #pay(frames: number): void {
    if (!this.#rate || !this.#events) return
    const now = this.#clock.now()
    const cost = Math.min(frames, this.#rate.size)
    if (!this.#rate.tryTake(cost, now)) this.#rate.take(cost)
    this.#rest(this.#rate.wait(0, now))
  }

  #rest(ms: number): void {
    this.#resting?.cancel()
    if (ms > 0) {
      this.#resting = this.#clock.after(ms, () => this.#rest(0))
      this.#ws.pause()
    } else if (this.#resting) {
      this.#resting = null
      this.#ws.resume()
    }
  }

  #report(): void {
    if (!this.#events || this.#receivedBytes === this.#reportedBytes) return
    this.#reportedBytes = this.#receivedBytes
    this.send(received(this.#receivedBytes))
  }

  /** What comes in one turn of the event loop shares a message. */
  #flushSoon(): void {
    if (this.#flushing) return
    this.#flushing = true
    setImmediate(() => {
      this.#flushing = false
      this.#flush()
    })
  }

  #dropOld(): void {
    const oldest = this.#clock.now() - WAIT_MS
    while (this.#first < this.#packets.length) {
      const { frame, at } = this.#packets[this.#first]!
      if (at >= oldest && this.#packetBytes <= WAIT_BYTES) break
      this.#first++
      this.#packetBytes -= frame.byteLength
      this.#held?.giveBack(frame.byteLength)
      this.dropped++
    }
    // In an array of its own size every so often, as shifting each one would move all.
    if (this.#first > 256 && this.#first * 2 > this.#packets.length) {
      this.#packets = this.#packets.slice(this.#first)
      this.#first = 0
    }
  }

  #flush(): void {
    if (!this.#events) return
    this.#dropOld()
    while (this.#control.length > 0 || (this.#first < this.#packets.length && this.#window.ask())) {
      const frames = this.#control
      this.#control = []
      let bytes = 0
      const most = Math.min(MESSAGE_BYTES, this.#window.bytes * MESSAGE_SHARE)
      while (this.#first < this.#packets.length && bytes < most && this.#window.ask()) {
        const { frame } = this.#packets[this.#first++]!
        frames.push(frame)
        bytes += frame.byteLength
      }
      this.#packetBytes -= bytes
      if (bytes > 0) this.#window.sent(bytes, this.#clock.now())
      this.#ws.send(frames.length === 1 ? frames[0]! : Buffer.concat(frames), noop)
    }
    if (this.#first === this.#packets.length) {
      this.#packets = []
      this.#first = 0
    }
  }
}

function noop(): void {}
