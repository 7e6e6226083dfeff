/** An Arq with the machinery that a session would give it: a timer, a link, a local socket's twin. */

import { Arq, type ArqHost, type ArqOptions, openPayload, strayReply } from '../../../src/flows/arq/index.js'
import type { Timer } from '../../../src/util/clock.js'
import type { Link } from './link.js'
import type { Random } from './random.js'
import type { VirtualClock } from './virtual-clock.js'

const NEVER = Number.POSITIVE_INFINITY

export interface PeerOptions extends Partial<ArqOptions> {
  /** Timers fire this late at most, as Node's do: they are rounded up to a multiple of it. Default 1 ms. */
  granularity?: number
  /** Bytes per ms that the reader takes; default all at once. */
  onRead?: (bytes: Uint8Array) => void
}

/** One end of a flow. The acceptor's Arq is made by the first segment that opens it, as in a session. */
export class ArqPeer implements ArqHost {
  arq: Arq | null = null
  other: ArqPeer | null = null
  forgotten = false
  resetCode = -1
  endSeen = false
  bytesRead = 0
  segmentsOut = 0
  bytesOut = 0
  /** Called when the acceptor's Arq has been made. */
  onOpen: (() => void) | null = null
  /** While true nothing is read. */
  stalled = false
  private ending = false
  private timer: Timer | null = null
  private timerAt = NEVER
  private queued: Uint8Array[] = []

  constructor(
    readonly clock: VirtualClock,
    readonly link: Link,
    readonly random: Random,
    readonly options: PeerOptions
  ) {}

  start(open?: Uint8Array): Arq {
    const { granularity: _g, onRead: _r, ...rest } = this.options
    this.arq = new Arq(this, {
      mtu: 1200,
      random: this.random.next,
      now: this.clock.now(),
      ...rest,
      ...(open ? { open } : {})
    })
    this.schedule()
    return this.arq
  }

  output(segment: Uint8Array): void {
    this.transmit(segment.slice())
  }

  /** A datagram arrived. */
  receive(segment: Uint8Array): void {
    if (this.arq === null && openPayload(segment)) {
      this.start()
      this.onOpen?.()
    }
    if (this.arq === null || this.forgotten) {
      const answer = strayReply(segment)
      if (answer) this.transmit(answer)
      return
    }
    this.arq.input(segment, this.clock.now())
    this.arq.update(this.clock.now())
    this.schedule()
  }

  /** Sends all of `bytes`, as a socket under backpressure would. */
  send(bytes: Uint8Array): void {
    this.queued.push(bytes)
    this.writable()
  }

  get unsent(): number {
    return this.queued.length
  }

  /** Ends the stream once everything given to send() was taken. */
  end(): void {
    this.ending = true
    this.writable()
  }

  reset(code: number): void {
    this.resetCode = code
    this.queued = []
  }

  abort(code: number): void {
    this.queued = []
    this.arq!.reset(code, this.clock.now())
    this.schedule()
  }

  rebind(): void {
    this.arq?.rebind(this.clock.now())
    this.schedule()
  }

  writable(): void {
    while (this.queued.length > 0) {
      const bytes = this.queued[0]!
      const taken = this.arq!.write(bytes, this.clock.now())
      if (taken < bytes.length) {
        this.queued[0] = bytes.subarray(taken)
        break
      }
      this.queued.shift()
    }
    if (this.ending && this.queued.length === 0) this.arq!.end(this.clock.now())
    this.schedule()
  }

  readable(): void {
    if (this.stalled) return
    for (;;) {
      const bytes = this.arq!.read()
      if (!bytes) break
      this.bytesRead += bytes.length
      this.options.onRead?.(bytes)
      this.arq!.consumed(bytes.length, this.clock.now())
    }
    if (this.arq!.ended) this.endSeen = true
    this.schedule()
  }

  forget(): void {
    this.forgotten = true
    if (this.arq!.ended) this.endSeen = true
  }

  /** Sets the timer to what the Arq asks for. */
  schedule(): void {
    if (!this.arq) return
    const wanted = this.arq.nextUpdate()
    if (wanted === NEVER) {
      this.timer?.cancel()
      this.timerAt = NEVER
      return
    }
    const step = this.options.granularity ?? 1
    const due = Math.max(wanted, this.clock.now())
    const at = Math.max(due, Math.ceil(due / step) * step)
    if (at === this.timerAt) return
    this.timer?.cancel()
    this.timerAt = at
    this.timer = this.clock.at(at, () => {
      this.timerAt = NEVER
      this.arq!.update(this.clock.now())
      this.schedule()
    })
  }

  private transmit(segment: Uint8Array): void {
    this.segmentsOut++
    this.bytesOut += segment.length
    this.link.send(segment.length, () => this.other!.receive(segment))
  }
}

/** Joins two ends. */
export function join(a: ArqPeer, b: ArqPeer): void {
  a.other = b
  b.other = a
}
