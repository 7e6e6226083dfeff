/** One seeded story of a flow: what is sent, over what link, and what goes wrong. Told in virtual time. */
import assert from 'node:assert/strict'
import { ArqPeer, join, type PeerOptions } from './arq-peer.js'
import { Link, type LinkOptions } from './link.js'
import { Random } from './random.js'
import { VirtualClock } from './virtual-clock.js'

/** The naive oracle: byte `i` of stream `key` is this, whatever happens. */
function byteAt(key: number, i: number): number {
  return (Math.imul(i + 1, 0x9e3779b1) >>> (key + (i & 7))) & 0xff
}

function makeStream(key: number, length: number): Uint8Array {
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) out[i] = byteAt(key, i)
  return out
}

class Stream {
  received = 0

  constructor(
    readonly key: number,
    readonly length: number
  ) {}

  /** Compares what came with what must come. */
  readonly check = (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== byteAt(this.key, this.received + i)) {
        assert.fail(`byte ${this.received + i} of stream ${this.key} is wrong`)
      }
    }
    this.received += bytes.length
    assert.ok(this.received <= this.length, 'more bytes came than were sent')
  }
}

export interface Story {
  seed: number
  link: LinkOptions
  sizes: [number, number]
  resets: boolean
  /** Virtual ms that it took. */
  took: number
  segments: number
}

function drawLink(random: Random): LinkOptions {
  return {
    delay: random.pick([0.5, 5, 20, 20, 80]),
    loss: random.pick([0, 0, 0.02, 0.05, 0.2]),
    jitter: random.pick([0, 0, 2, 20]),
    duplicate: random.pick([0, 0, 0.05]),
    rate: random.pick([1, 10, 100, 100, 1000]),
    queue: random.pick([16000, 64000, 512000]),
    overhead: 60
  }
}

function drawSize(random: Random): number {
  const kind = random.int(0, 9)
  if (kind === 0) return 0
  if (kind < 4) return random.int(1, 300)
  if (kind < 9) return random.int(300, 40000)
  return random.int(40000, 1500000)
}

/** Runs the story of `seed` and asserts that each byte arrived once, in order, and that both ends came to an end. */
export function tellStory(seed: number): Story {
  const random = new Random(seed)
  const clock = new VirtualClock()
  const link = drawLink(random)
  const forward = new Link(clock, random, link)
  const backward = new Link(clock, random, link)
  const sizes: [number, number] = [drawSize(random), drawSize(random)]
  const streams: [Stream, Stream] = [new Stream(0, sizes[0]), new Stream(1, sizes[1])]
  const shape = (): PeerOptions => ({
    mtu: random.pick([200, 548, 1200, 1200, 1400]),
    receiveWindow: random.pick([16384, 16384, 65536, 8 << 20]),
    // A tiny send buffer makes a megabyte take for ever: a buffer's worth each round trip.
    sendBuffer: random.pick([sizes[0] + sizes[1] > 50000 ? 50000 : 1000, 20000, 8 << 20]),
    granularity: random.pick([0.1, 1, 1, 4, 15])
  })
  const a = new ArqPeer(clock, forward, random, { ...shape(), onRead: streams[1].check })
  const b = new ArqPeer(clock, backward, random, { ...shape(), onRead: streams[0].check })
  join(a, b)
  const resets = random.chance(0.1)
  const resetCode = 16 + random.int(0, 5)

  a.start(makeStream(7, random.int(1, 64)))
  b.onOpen = () => sendIn(b, 1)
  const sendIn = (peer: ArqPeer, which: 0 | 1): void => {
    const bytes = makeStream(which, sizes[which])
    // In pieces: at once, or with pauses between them, as sockets give them.
    let at = 0
    const paused = random.chance(0.4)
    const next = (): void => {
      if (peer.resetCode >= 0 || peer.forgotten) return
      const size = random.pick(bytes.length > 20000 ? [1000, 5000, 70000] : [1, 100, 1000, 70000])
      do {
        peer.send(bytes.subarray(at, at + size))
        at += size
      } while (!paused && at < bytes.length)
      if (at < bytes.length) clock.after(Math.min(random.int(0, 40), 3e6 / bytes.length), next)
      else peer.end()
    }
    clock.after(random.pick([0, 0, 3, 300]), next)
  }
  sendIn(a, 0)

  // What goes wrong, within the first two seconds.
  if (random.chance(0.3)) {
    const until = random.int(50, 700)
    clock.after(until, () => {
      forward.blackoutUntil = clock.now() + 300
      backward.blackoutUntil = clock.now() + random.pick([0, 300])
    })
  }
  for (const peer of [a, b]) {
    if (random.chance(0.25)) {
      const stall = random.int(0, 500)
      clock.after(stall, () => {
        peer.stalled = true
        clock.after(random.pick([100, 1000, 4000]), () => {
          peer.stalled = false
          if (peer.arq && !peer.forgotten) peer.readable()
        })
      })
    }
    if (random.chance(0.2))
      clock.after(random.int(0, 500), () => peer.arq?.setMtu(random.pick([200, 1000, 1400])))
  }
  const rebinds = random.pick([0, 0, 0, 1, 3])
  for (let i = 0; i < rebinds; i++) {
    clock.after(random.int(0, 1500), () => {
      // What was under way on the old path is gone, and the ends notice at different times.
      forward.blackoutUntil = backward.blackoutUntil = clock.now() + random.int(0, 60)
      if (random.chance(0.5)) {
        a.arq?.suspend(clock.now())
        b.arq?.suspend(clock.now())
      }
      clock.after(random.int(0, 100), () => a.rebind())
      clock.after(random.int(0, 100), () => b.rebind())
    })
  }
  let aborter: ArqPeer | null = null
  if (resets) {
    clock.after(random.int(0, 1000), () => {
      const peer = random.pick([a, b])
      if (!peer.arq || peer.forgotten || peer.arq.state === 'lingering' || peer.resetCode >= 0) return
      aborter = peer
      peer.abort(resetCode)
    })
  }

  const bound = 600000
  const finished = clock.run(bound, () => a.forgotten && (b.forgotten || b.arq === null))
  const where = (): string =>
    `seed ${seed}: ${JSON.stringify({ link, sizes, resets, now: clock.now(), got: streams.map(s => s.received) })} ` +
    `a ${JSON.stringify(a.arq?.stats)} b ${JSON.stringify(b.arq?.stats)}`
  assert.ok(finished, `not finished in time; ${where()}`)
  if (!aborter) {
    assert.equal(streams[0].received, sizes[0], `bytes there; ${where()}`)
    assert.equal(streams[1].received, sizes[1], `bytes back; ${where()}`)
    assert.ok(a.endSeen && b.endSeen, `an end was not seen; ${where()}`)
    assert.equal(a.resetCode, -1, `reset here; ${where()}`)
    assert.equal(b.resetCode, -1, `reset there; ${where()}`)
  } else {
    const other: ArqPeer = aborter === a ? b : a
    // The reset arrived, unless the flow had ended, or never began, on the other side.
    const over = other.endSeen || other.arq === null
    assert.ok(
      other.resetCode === resetCode || other.resetCode === 2 || over,
      `the reset got lost; ${where()}`
    )
  }
  return { seed, link, sizes, resets, took: clock.now(), segments: a.segmentsOut + b.segmentsOut }
}
