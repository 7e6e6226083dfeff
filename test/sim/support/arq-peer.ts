/** An Arq with the machinery that a session would give it: a timer, a link, a local socket's twin. */

import { Arq, type ArqHost, type ArqOptions, openPayload, strayReply } from '../../../src/flows/arq/index.js'
import type { Timer } from '../../../src/util/clock.js'
import type { Link } from './link.js'
import type { Random } from './random.js'
import type { VirtualClock } from './virtual-clock.js'

const NEVER = Number.POSITIVE_INFINITY

/**
 * Buffers of packets that have arrived, by their size: a buffer for each of a million packets would be most of what a simulation costs.
 */
const arrived = new Map<number, Uint8Array[]>()

function copyOf(segment: Uint8Array): Uint8Array {
  const copy = arrived.get(segment.length)?.pop() ?? new Uint8Array(segment.length)
  copy.set(segment)
  return copy
}

function useAgain(packet: Uint8Array): void {
  const same = arrived.get(packet.length)
  if (same) same.push(packet)
  else arrived.set(packet.length, [packet])
}

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
  /** How many of those have been taken whole. */
  private taken = 0

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
    this.transmit(copyOf(segment))
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
    return this.queued.length - this.taken
  }

  /** Ends the stream once everything given to send() was taken. */
  end(): void {
    this.ending = true
    this.writable()
  }

  reset(code: number): void {
    this.resetCode = code
    this.dropQueued()
  }

  abort(code: number): void {
    this.dropQueued()
    this.arq!.reset(code, this.clock.now())
    this.schedule()
  }

  rebind(): void {
    this.arq?.rebind(this.clock.now())
    this.schedule()
  }

  writable(): void {
    while (this.unsent > 0) {
      const bytes = this.queued[this.taken]!
      const taken = this.arq!.write(bytes, this.clock.now())
      if (taken < bytes.length) {
        this.queued[this.taken] = bytes.subarray(taken)
        break
      }
      this.taken++
    }
    if (this.unsent === 0) this.dropQueued()
    if (this.ending && this.unsent === 0) this.arq!.end(this.clock.now())
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

  private dropQueued(): void {
    this.queued = []
    this.taken = 0
  }

  /** Sends a packet, which belongs to the link from now on. */
  private transmit(packet: Uint8Array): void {
    this.segmentsOut++
    this.bytesOut += packet.length
    let copies = this.link.send(packet.length, () => {
      this.other!.receive(packet)
      if (--copies === 0) useAgain(packet)
    })
    if (copies === 0) useAgain(packet)
  }
}

/** Joins two ends. */
export function join(a: ArqPeer, b: ArqPeer): void {
  a.other = b
  b.other = a
}
