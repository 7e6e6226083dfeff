/** The performance scenes: flows of several kinds that share one bottleneck, and what they got. */
import { LIMITS } from '../../../src/limits.js'
import { Budget } from '../../../src/util/budget.js'
import { ArqPeer, join, type PeerOptions } from './arq-peer.js'
import { Link, type LinkOptions } from './link.js'
import { Random } from './random.js'
import { TcpFlow, type TcpKind } from './tcp-flow.js'
import { VirtualClock } from './virtual-clock.js'

/** What a flow may have under way and keep for a reader, as one that is alone in its session and its peer's only one. */
function alone(): PeerOptions {
  return {
    sendBuffer: LIMITS.flowWindow,
    receiveWindow: LIMITS.flowWindow,
    queue: new Budget(LIMITS.sessionQueue),
    windows: new Budget(LIMITS.keyWindow)
  }
}

/** The link of the targets: 100 Mbit/s, 20 ms each way, a queue of 512 kB; 70 bytes of IP, UDP and seal a packet. */
export const TARGET_LINK: LinkOptions = { delay: 20, rate: 100, queue: 512000, overhead: 70 }

export class Scene {
  readonly clock = new VirtualClock()
  readonly random: Random
  readonly there: Link
  readonly back: Link

  constructor(seed: number, link: Partial<LinkOptions> = {}) {
    this.random = new Random(seed)
    this.there = new Link(this.clock, this.random, { ...TARGET_LINK, ...link })
    this.back = new Link(this.clock, this.random, { ...TARGET_LINK, ...link })
  }

  /** A pair of ends; the first has opened the flow. */
  pair(here: PeerOptions = {}, there: PeerOptions = {}): [ArqPeer, ArqPeer] {
    const a = new ArqPeer(this.clock, this.there, this.random, { ...alone(), ...here })
    const b = new ArqPeer(this.clock, this.back, this.random, { ...alone(), ...there })
    join(a, b)
    a.start(Uint8Array.of(1, 2, 3))
    return [a, b]
  }

  /** A flow that sends as much as it can from now on. */
  bulk(options: PeerOptions = {}): Bulk {
    return new Bulk(this, options)
  }

  tcp(kind: TcpKind): TcpFlow {
    return new TcpFlow(this.clock, this.there, this.back, kind)
  }

  /** Messages of `size` bytes every `every` ms, echoed by the other side; call run() first, then read `times`. */
  pings(size = 100, every = 20): Pings {
    return new Pings(this, size, every)
  }

  run(ms: number): void {
    this.clock.run(this.clock.now() + ms)
  }
}

export class Bulk {
  readonly sender: ArqPeer
  readonly reader: ArqPeer
  private markBytes = 0
  private markAt = 0

  constructor(
    private readonly scene: Scene,
    options: PeerOptions
  ) {
    ;[this.sender, this.reader] = scene.pair(options, options)
    const chunk = new Uint8Array(65536)
    for (let i = 0; i < 40000; i++) this.sender.send(chunk)
  }

  /** Starts measuring. */
  mark(): void {
    this.markBytes = this.reader.bytesRead
    this.markAt = this.scene.clock.now()
  }

  /** Mbit/s read since mark(). */
  get rate(): number {
    return ((this.reader.bytesRead - this.markBytes) * 8) / 1000 / (this.scene.clock.now() - this.markAt)
  }
}

export class Pings {
  readonly times: number[] = []
  readonly here: ArqPeer
  readonly there: ArqPeer
  sent = 0

  constructor(scene: Scene, size: number, every: number) {
    const { clock } = scene
    const sentAt: number[] = []
    let got = 0
    let pair: [ArqPeer, ArqPeer] | null = null
    pair = scene.pair(
      {
        onRead: bytes => {
          got += bytes.length
          while (got >= (this.times.length + 1) * size)
            this.times.push(clock.now() - sentAt[this.times.length]!)
        }
      },
      { onRead: bytes => pair![1].send(bytes.slice()) }
    )
    ;[this.here, this.there] = pair
    const tick = () => {
      sentAt.push(clock.now())
      this.sent++
      this.here.send(new Uint8Array(size))
      clock.after(every, tick)
    }
    clock.after(0, tick)
  }

  /** Time in ms within which the share `p` (0 to 1) of the answers came. Those still out count as the worst. */
  percentile(p: number): number {
    const sorted = [...this.times].sort((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!
  }
}
