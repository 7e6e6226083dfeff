/** What one guest may use in a second, under a virtual clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../../src/errors.js'
import { type ByteFlow, type ByteFlowEvents, ignoreEvents } from '../../../src/flows/byte-flow.js'
import { PENDING_BYTES } from '../../../src/flows/pending-flow.js'
import { type RateLimit, RateLimiter, type RateLimits } from '../../../src/flows/rate-limiter.js'
import { Budget } from '../../../src/util/budget.js'
import type { Clock } from '../../../src/util/clock.js'
import { MAX_UDP_PAYLOAD } from '../../../src/wire/constants.js'
import { VirtualClock } from '../../sim/support/virtual-clock.js'

const NONE: RateLimits = {
  flowsPerSecond: 0,
  flowBurst: 0,
  framesPerSecond: 0,
  unreadBytes: 0,
  openFrames: 0,
  datagramsPerSecond: 0,
  smallDatagrams: 4,
  smallDatagramBytes: 600,
  arqFlowFactor: 5,
  udpPerSecond: 0,
  guestBytesPerSecond: 0,
  rateBurstMs: 100,
  aloneFactor: 1,
  quantum: 1000
}

/** The side of a flow that leads to the client: takes what it is given, and says what it is told to. */
class Wire implements ByteFlow {
  readonly map = 1
  events: ByteFlowEvents = ignoreEvents
  written = 0
  told = 0
  full = false
  ended = false
  resetBy: ErrorCode | null = null

  constructor(readonly id = 1) {}

  write(bytes: Uint8Array): boolean {
    this.written += bytes.byteLength
    return !this.full
  }

  end(): void {
    this.ended = true
  }

  reset(code: ErrorCode): void {
    this.resetBy = code
  }

  consumed(size: number): void {
    this.told += size
  }
}

/** The local socket of a flow: a source without end, or a sink that takes all. */
class Socket {
  readonly heard: string[] = []
  read = Buffer.alloc(0)
  paused = false

  constructor(
    readonly flow: ByteFlow,
    readonly clock: VirtualClock,
    readonly chunk = 0
  ) {
    flow.events = {
      data: bytes => {
        this.read = Buffer.concat([this.read, bytes])
        flow.consumed(bytes.byteLength)
      },
      end: () => this.heard.push('end'),
      drain: () => {
        this.paused = false
        clock.after(0, () => this.go())
      },
      reset: code => this.heard.push(code),
      close: () => this.heard.push('close')
    }
    if (chunk > 0) clock.after(0, () => this.go())
  }

  go(): void {
    while (!this.paused && this.chunk > 0) this.paused = !this.flow.write(new Uint8Array(this.chunk))
  }
}

function stage(limits: Partial<RateLimits>, isAlone?: () => boolean) {
  const clock = new VirtualClock()
  const told: RateLimit[] = []
  const rateLimiter = new RateLimiter(clock, { ...NONE, ...limits }, limit => told.push(limit), isAlone)
  const pass = (ms: number): void => {
    clock.at(clock.now() + ms, () => {})
    clock.run(clock.now() + ms)
  }
  return { clock, told, rateLimiter, pass }
}

test('a guest who is alone may use a multiple, until others come', () => {
  let alone = true
  const limits = {
    udpPerSecond: 1000,
    flowsPerSecond: 10,
    flowBurst: 10,
    guestBytesPerSecond: 20_000,
    aloneFactor: 4
  }
  const { rateLimiter, pass } = stage(limits, () => alone)
  const passed = (): number => Array.from({ length: 1000 }, () => rateLimiter.udpIn(0)).filter(Boolean).length
  const opened = (): number => {
    let count = 0
    for (let id = 1; id <= 100; id++) {
      rateLimiter.open(new Wire(id), () => {
        count++
        return null
      })
    }
    return count
  }
  assert.equal(passed(), 400, '100 ms of 1000 a second, four times')
  assert.equal(opened(), 40)
  alone = false
  pass(1000)
  assert.equal(passed(), 100)
  assert.equal(
    rateLimiter.udpIn(20_001 + MAX_UDP_PAYLOAD),
    false,
    'bytes are held to their limit in either case'
  )
  alone = true
  assert.equal(rateLimiter.udpIn(20_001 + MAX_UDP_PAYLOAD), false)
})

test('without limits nothing waits, and flows are handed on as they are', () => {
  const { rateLimiter, told } = stage({})
  for (let i = 0; i < 5000; i++) {
    const wire = new Wire(i)
    let got: ByteFlow | null = null
    rateLimiter.open(wire, flow => {
      got = flow
      return null
    })
    assert.equal(got, wire)
    assert.ok(rateLimiter.datagram() && rateLimiter.udpIn(65_507) && rateLimiter.udpOut(65_507))
    rateLimiter.records(1000, 1200)
    assert.ok(rateLimiter.arqFlow())
  }
  assert.deepEqual(told, [])
})

test('flows beyond the burst wait for the rate, in their order, and none is lost', () => {
  const { rateLimiter, told, pass } = stage({ flowsPerSecond: 100, flowBurst: 50 })
  const opened: number[] = []
  for (let i = 0; i < 200; i++) {
    const code = rateLimiter.open(new Wire(i), flow => {
      opened.push(flow.id)
      return null
    })
    assert.equal(code, null)
  }
  assert.equal(opened.length, 50)
  pass(1000)
  assert.ok(Math.abs(opened.length - 150) <= 1, `${opened.length}`)
  pass(1000)
  assert.deepEqual(
    opened,
    Array.from({ length: 200 }, (_, i) => i)
  )
  assert.equal(rateLimiter.counts.flowsPerSecond, 150)
  assert.deepEqual(told, ['flowsPerSecond'], 'told once')
})

test('what comes while a flow waits is there when it is opened, then its end', () => {
  const { rateLimiter, clock, pass } = stage({ flowsPerSecond: 10, flowBurst: 1 })
  rateLimiter.open(new Wire(1), () => null)
  const wire = new Wire(2)
  let socket: Socket | undefined
  rateLimiter.open(wire, flow => {
    socket = new Socket(flow, clock)
    return null
  })
  const text = Buffer.from('0123456789'.repeat(1000))
  for (let at = 0; at < text.length; at += 7) wire.events.data(text.subarray(at, at + 7))
  wire.events.end()
  pass(90)
  assert.equal(socket, undefined)
  assert.equal(wire.told, 0, 'nobody was told that it was consumed')
  pass(20)
  assert.deepEqual(socket!.read, text)
  assert.deepEqual(socket!.heard, ['end'])
  assert.equal(wire.told, text.length)
})

test('a flow that is refused after it waited is reset', () => {
  const { rateLimiter, pass } = stage({ flowsPerSecond: 10, flowBurst: 1 })
  assert.equal(
    rateLimiter.open(new Wire(1), () => 'MAP_NOT_SHARED'),
    'MAP_NOT_SHARED'
  )
  const wire = new Wire(2)
  assert.equal(
    rateLimiter.open(wire, () => 'MAP_NOT_SHARED'),
    null
  )
  pass(200)
  assert.equal(wire.resetBy, 'MAP_NOT_SHARED')
})

test('a flow that is over before its turn is never opened, and costs the others no time', () => {
  const { rateLimiter, pass } = stage({ flowsPerSecond: 10, flowBurst: 1 })
  const opened: number[] = []
  const wires = Array.from({ length: 12 }, (_, i) => new Wire(i))
  for (const wire of wires) {
    rateLimiter.open(wire, ({ id }) => {
      opened.push(id)
      return null
    })
  }
  for (const wire of wires.slice(1, 11)) wire.events.reset('FLOW_RESET')
  pass(110)
  assert.deepEqual(opened, [0, 11])
})

test('flows that wait are charged to the guest, with what they buffer, and refused beyond its budget', () => {
  const clock = new VirtualClock()
  const memory = new Budget(10 * PENDING_BYTES)
  const limits = { ...NONE, flowsPerSecond: 10, flowBurst: 1 }
  const rateLimiter = new RateLimiter(
    clock,
    limits,
    () => {},
    () => false,
    memory
  )
  const wires = Array.from({ length: 12 }, (_, i) => new Wire(i))
  const accept = (flow: ByteFlow): null => {
    flow.events = ignoreEvents
    return null
  }
  const answers = wires.map(wire => rateLimiter.open(wire, accept))
  assert.deepEqual(answers, [...Array(11).fill(null), 'TOO_MANY_FLOWS'])
  assert.equal(memory.used, 10 * PENDING_BYTES)
  wires[1]!.events.reset('FLOW_RESET')
  wires[2]!.events.data(Buffer.alloc(PENDING_BYTES / 2))
  assert.equal(memory.used, 9.5 * PENDING_BYTES)
  wires[3]!.events.data(Buffer.alloc(PENDING_BYTES))
  assert.equal(wires[3]!.resetBy, 'TOO_MANY_FLOWS')
  clock.run(2000)
  assert.equal(memory.used, 0)
})

test('a frame that opens a flow costs as much as many others, a flow that waits does not', () => {
  const limits = { framesPerSecond: 10_000, openFrames: 50, flowsPerSecond: 1, flowBurst: 5 }
  const { clock, rateLimiter } = stage(limits)
  let read = 0
  for (let id = 1; rateLimiter.frame(0) === 0; id++) {
    read++
    if (id <= 10) rateLimiter.open(new Wire(id), () => null)
  }
  // 100 ms' worth of frames, less 50 for each of the five that were opened.
  assert.equal(read, 750)
  assert.equal(clock.now(), 0)
})

test('frames that wait are reported when that goes on, not after a burst', () => {
  const limits = { framesPerSecond: 10_000, openFrames: 50, flowsPerSecond: 1, flowBurst: 100 }
  const { clock, told, rateLimiter, pass } = stage(limits)
  /** Reads frames as fast as the rate lets it, some of which open flows. */
  const read = (frames: number, opens = 0): void => {
    for (let i = 0; i < frames; i++) {
      for (let wait = 0; (wait = rateLimiter.frame(clock.now())) > 0; ) pass(wait)
      if (i < opens) rateLimiter.open(new Wire(i + 1), () => null)
    }
  }
  // All that waited for a connection that was away: half a second's worth.
  read(1000, 100)
  assert.ok(rateLimiter.counts.framesPerSecond > 0)
  assert.deepEqual(told, [])
  pass(5000)
  read(8000)
  pass(5000)
  read(8000)
  assert.deepEqual(told, [])
  read(12_000)
  assert.deepEqual(told, ['framesPerSecond'])
  read(50_000)
  assert.equal(told.length, 1)
})

test('flows that came over the ARQ in the course of time hold up no frame', () => {
  const limits = { framesPerSecond: 10_000, openFrames: 50, flowsPerSecond: 100, flowBurst: 5 }
  const { clock, rateLimiter, pass } = stage(limits)
  for (let id = 1; id <= 1000; id++) {
    rateLimiter.open(new Wire(id), () => null)
    pass(100)
  }
  assert.equal(rateLimiter.frame(clock.now()), 0)
})

test('datagrams and the records in them are counted together', () => {
  const { rateLimiter, clock, pass } = stage({ datagramsPerSecond: 1000 })
  let opened = 0
  for (let ms = 0; ms < 1000; ms++) {
    for (let i = 0; i < 10; i++) {
      if (!rateLimiter.datagram()) continue
      opened++
      rateLimiter.records(5, 1200)
    }
    pass(1)
  }
  // 1000 in a second, 100 saved, each datagram 5.
  assert.ok(opened >= 215 && opened <= 225, `${opened}`)
  assert.equal(rateLimiter.counts.datagramsPerSecond, 10_000 - opened)
  assert.equal(clock.now(), 1000)
})

test('a small datagram counts as several full ones', () => {
  const opened = { small: 0, full: 0 }
  for (const [kind, size] of [
    ['small', 50],
    ['full', 1200]
  ] as const) {
    const { rateLimiter, pass } = stage({ datagramsPerSecond: 1000 })
    for (let ms = 0; ms < 1000; ms++) {
      for (let i = 0; i < 10; i++) {
        if (!rateLimiter.datagram()) continue
        opened[kind]++
        rateLimiter.records(1, size)
      }
      pass(1)
    }
  }
  assert.ok(opened.full >= 1000 && opened.full <= 1110, `${opened.full}`)
  assert.ok(opened.small >= 250 && opened.small <= 280, `${opened.small}`)
})

test('flows over the ARQ are begun at several times the rate at which they are opened, and no faster', () => {
  const { rateLimiter, pass } = stage({ flowsPerSecond: 100, flowBurst: 10 })
  const begin = (count: number): number =>
    Array.from({ length: count }, () => rateLimiter.arqFlow()).filter(Boolean).length
  assert.equal(begin(200), 50)
  pass(100)
  assert.equal(begin(200), 50)
})

test('UDP payloads are held to their rate, each way for itself', () => {
  const { rateLimiter, pass, told } = stage({ udpPerSecond: 1000 })
  const passed = { in: 0, out: 0 }
  for (let ms = 0; ms < 1000; ms++) {
    for (let i = 0; i < 4; i++) if (rateLimiter.udpIn(10)) passed.in++
    if (rateLimiter.udpOut(10)) passed.out++
    pass(1)
  }
  assert.ok(passed.in >= 1090 && passed.in <= 1101, `${passed.in}`)
  assert.equal(passed.out, 1000)
  assert.deepEqual(told, ['udpPerSecond'])
})

test('bytes towards the client wait, in turns of all flows, and the rate is held', () => {
  const { rateLimiter, clock, pass } = stage({ guestBytesPerSecond: 100_000 })
  const wires = [new Wire(1), new Wire(2), new Wire(3)]
  for (const wire of wires) {
    rateLimiter.open(wire, flow => {
      new Socket(flow, clock, 5000)
      return null
    })
  }
  pass(10_000)
  const all = wires.reduce((sum, { written }) => sum + written, 0)
  // 10 s of it, what was saved, and a chunk of each that is ahead of its turn.
  assert.ok(all >= 1_000_000 && all <= 1_000_000 + 10_000 + 3 * 5000, `${all}`)
  for (const { written } of wires) assert.ok(Math.abs(written - all / 3) <= 2 * 5000, `${written} of ${all}`)
})

test('bytes from the client are asked for no sooner than the rate allows', () => {
  const { rateLimiter, clock, pass } = stage({ guestBytesPerSecond: 100_000 })
  const wire = new Wire()
  rateLimiter.open(wire, flow => {
    new Socket(flow, clock)
    return null
  })
  // A client with a window of 50 kB, which it uses up whenever it can.
  const WINDOW = 50_000
  let sent = 0
  for (let ms = 0; ms < 10_000; ms += 10) {
    const size = WINDOW - (sent - wire.told)
    if (size > 0) wire.events.data(new Uint8Array(size))
    sent += size
    pass(10)
  }
  assert.ok(sent >= 1_000_000 && sent <= 1_000_000 + 10_000 + WINDOW + 1000, `${sent}`)
})

test('a flow that is full stays paused though its turn has come, and the other way round', () => {
  const { rateLimiter, clock, pass } = stage({ guestBytesPerSecond: 10_000 })
  const wire = new Wire()
  let socket: Socket | undefined
  rateLimiter.open(wire, flow => {
    socket = new Socket(flow, clock, 5000)
    return null
  })
  wire.full = true
  pass(2000)
  assert.equal(wire.written, 5000)
  assert.ok(socket!.paused)
  wire.full = false
  wire.events.drain()
  pass(1)
  assert.equal(wire.written, 10_000, 'it had saved a turn')
  wire.full = true
  pass(100)
  wire.events.drain()
  assert.ok(socket!.paused, 'it waits for the rate')
})

test('UDP is not kept out by TCP that waits, and TCP does without what UDP uses', () => {
  const { rateLimiter, clock, pass } = stage({ guestBytesPerSecond: 100_000 })
  const wire = new Wire()
  rateLimiter.open(wire, flow => {
    new Socket(flow, clock, 5000)
    return null
  })
  let udp = 0
  for (let ms = 0; ms < 10_000; ms += 10) {
    if (rateLimiter.udpIn(500)) udp += 500
    pass(10)
  }
  assert.equal(udp, 500_000, 'half of the rate, all of it')
  const all = udp + wire.written
  assert.ok(all >= 980_000 && all <= 1_020_000, `${all}`)
})

test('UDP beyond the rate is dropped and counted; the largest payload passes at any rate', () => {
  const { rateLimiter, pass } = stage({ guestBytesPerSecond: 10_000 })
  assert.ok(rateLimiter.udpIn(65_507))
  assert.equal(rateLimiter.udpIn(65_507), false)
  assert.equal(rateLimiter.counts.guestBytesPerSecond, 1)
  pass(6600)
  assert.ok(rateLimiter.udpOut(65_507))
})

test('a flow that is reset leaves its place to others', () => {
  const { rateLimiter, clock, pass } = stage({ guestBytesPerSecond: 10_000 })
  const [first, second] = [new Wire(1), new Wire(2)]
  const sockets: Socket[] = []
  for (const wire of [first, second]) {
    rateLimiter.open(wire, flow => {
      sockets.push(new Socket(flow, clock, 5000))
      return null
    })
  }
  pass(1)
  sockets[0]!.flow.reset('FLOW_RESET')
  assert.equal(first.resetBy, 'FLOW_RESET')
  const [before, other] = [first.written, second.written]
  sockets[0]!.paused = true
  pass(10_000)
  assert.equal(first.written, before)
  assert.ok(second.written - other >= 90_000, `${second.written}`)
})

test('a guest without a session leaves no timer behind', () => {
  const { clock } = stage({})
  let timers = 0
  const counting: Clock = {
    now: () => clock.now(),
    after(ms, fn) {
      timers++
      const timer = clock.after(ms, () => {
        timers--
        fn()
      })
      return {
        cancel: () => {
          timers--
          timer.cancel()
        }
      }
    }
  }
  const limits = { ...NONE, flowsPerSecond: 1, flowBurst: 1, guestBytesPerSecond: 10 }
  const rateLimiter = new RateLimiter(counting, limits, () => {})
  const wires = [1, 2, 3].map(id => new Wire(id))
  for (const wire of wires) {
    rateLimiter.open(wire, flow => {
      flow.write(new Uint8Array(5000))
      return null
    })
  }
  assert.equal(timers, 2, 'flows wait, and bytes')
  for (const wire of wires) wire.events.reset('SESSION_EXPIRED')
  assert.equal(timers, 0)
})
