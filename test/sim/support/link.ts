/** One direction of a lossy link under a virtual clock: a drop-tail queue, a rate, a delay, and misfortunes. */
import type { Random } from './random.js'
import type { VirtualClock } from './virtual-clock.js'

export interface LinkOptions {
  /** Propagation delay in ms. */
  delay: number
  /** Share of packets lost at random, 0 to 1. */
  loss?: number
  /** Rate in Mbit/s; default without limit. */
  rate?: number
  /** Bytes that may wait for the rate; default 512 kB. */
  queue?: number
  /** A token bucket in front of the queue: what exceeds it is dropped, not delayed. */
  policer?: Policer
  /** Extra delay in ms, evenly spread from 0: reorders. */
  jitter?: number
  /** Share of packets that arrive twice. */
  duplicate?: number
  /** Share of packets that are damaged: they arrive as garbage. A sealed path has none. */
  garbage?: number
  /** Bytes that each packet takes on the wire besides its own: IP, UDP, seal. */
  overhead?: number
}

export interface Policer {
  /** In Mbit/s. */
  rate: number
  /** Depth of the bucket in bytes. */
  burst: number
}

export class Link {
  /** Nothing passes before this time. */
  blackoutUntil = 0
  packets = 0
  drops = 0
  /** Largest wait in the queue so far, in ms. */
  worstWait = 0
  private freeAt = 0
  private tokens = 0
  private tokensAt = 0

  constructor(
    private readonly clock: VirtualClock,
    private readonly random: Random,
    readonly options: LinkOptions
  ) {
    this.tokens = options.policer?.burst ?? 0
  }

  /**
   * `deliver` is called when and if the packet of `size` bytes arrives.
   * @returns how often it will be
   */
  send(size: number, deliver: () => void): number {
    const { options, clock, random } = this
    const now = clock.now()
    this.packets++
    const wire = size + (options.overhead ?? 0)
    if (options.policer && !this.conforms(options.policer, wire)) {
      this.drops++
      return 0
    }
    let leaves = now
    if (options.rate !== undefined) {
      const bytesPerMs = options.rate * 125
      const wait = Math.max(0, this.freeAt - now)
      if (wait * bytesPerMs + wire > (options.queue ?? 512000)) {
        this.drops++
        return 0
      }
      if (wait > this.worstWait) this.worstWait = wait
      leaves = now + wait + wire / bytesPerMs
      this.freeAt = leaves
    }
    if (now < this.blackoutUntil || random.chance(options.loss ?? 0)) return 0
    const copies = random.chance(options.duplicate ?? 0) ? 2 : 1
    for (let i = 0; i < copies; i++) {
      clock.at(leaves + options.delay + random.next() * (options.jitter ?? 0), deliver)
    }
    return copies
  }

  private conforms({ rate, burst }: Policer, wire: number): boolean {
    const now = this.clock.now()
    this.tokens = Math.min(burst, this.tokens + (now - this.tokensAt) * rate * 125)
    this.tokensAt = now
    if (this.tokens < wire) return false
    this.tokens -= wire
    return true
  }
}
