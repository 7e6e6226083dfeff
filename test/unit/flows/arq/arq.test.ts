import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HyperNatError } from '../../../../src/errors.js'
import { Arq, type ArqHost, type ArqOptions, encodeReset } from '../../../../src/flows/arq/index.js'

class Host implements ArqHost {
  segments: Uint8Array[] = []
  events: string[] = []
  output(segment: Uint8Array): void {
    this.segments.push(segment.slice())
  }
  readable(): void {
    this.events.push('readable')
  }
  writable(): void {
    this.events.push('writable')
  }
  reset(code: number): void {
    this.events.push(`reset ${code}`)
  }
  done(): void {
    this.events.push('done')
  }
  forget(): void {
    this.events.push('forget')
  }
  take(): Uint8Array[] {
    return this.segments.splice(0)
  }
}

const OPEN = Uint8Array.of(9)

function make(options: Partial<ArqOptions> = {}): { host: Host; arq: Arq } {
  const host = new Host()
  return { host, arq: new Arq(host, { mtu: 1200, now: 0, random: () => 0.5, ...options }) }
}

/** A pair with a perfect link without delay, both sides open. */
function pair(options: Partial<ArqOptions> = {}) {
  const a = make({ open: OPEN, ...options })
  const b = make(options)
  const settle = (now: number): void => {
    for (let moved = true; moved; ) {
      moved = false
      for (const [from, to] of [
        [a, b],
        [b, a]
      ] as const) {
        from.arq.update(now)
        for (const segment of from.host.take()) {
          to.arq.input(segment, now)
          moved = true
        }
      }
    }
  }
  return { a, b, settle }
}

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex')
const text = (s: string) => new TextEncoder().encode(s)

function refuses(fn: () => void): void {
  assert.throws(fn, (err: unknown) => err instanceof HyperNatError && err.code === 'PROTOCOL_ERROR')
}

test('the first segments, byte for byte', () => {
  const { host, arq } = make({ open: OPEN })
  assert.equal(arq.nextUpdate(), 0)
  arq.write(text('hi'), 0)
  // PN|DATA|OPEN, number 0, open payload of 1 byte, offset 0
  assert.equal(hex(host.take()[0]), '15' + '00' + '0109' + '00' + '6869')

  const b = make()
  b.arq.input(Buffer.from('15000109006869', 'hex'), 10)
  assert.deepEqual(b.host.events, ['readable'])
  assert.equal(hex(b.arq.read() ?? undefined), '6869')
  assert.equal(b.arq.nextUpdate(), 10)
  b.arq.update(10)
  assert.equal(b.arq.nextUpdate(), 14)
  b.arq.update(14)
  // ACK: largest 0, kept back for 32/8 ms, 1 range of 1, all before 2, window to 256 KiB
  assert.equal(hex(b.host.take()[0]), '02' + '00' + '20' + '01' + '00' + '02' + '8003fffe')
})

test('the open payload rides on every segment until the first ack', () => {
  const { host, arq } = make({ open: OPEN })
  for (let i = 0; i < 3; i++) arq.write(text('x'), i)
  for (const segment of host.take()) assert.ok((segment[0]! & 0x10) !== 0)
  arq.input(Buffer.from('0200000100028003ffff', 'hex'), 40)
  arq.write(text('y'), 41)
  assert.ok((host.take()[0]![0]! & 0x10) === 0)
})

test('half-close: one stream ends, the other goes on', () => {
  const { a, b, settle } = pair()
  a.arq.write(text('request'), 0)
  a.arq.end(0)
  settle(1)
  assert.equal(Buffer.from(b.arq.read()!).toString(), 'request')
  assert.ok(b.arq.ended)
  settle(10)
  assert.equal(a.arq.state, 'ended-here')
  assert.equal(b.arq.state, 'ended-there')
  assert.equal(a.arq.write(text('late'), 11), 0)
  b.arq.write(text('answer'), 12)
  b.arq.end(12)
  settle(13)
  settle(30)
  assert.equal(Buffer.from(a.arq.read()!).toString(), 'answer')
  assert.ok(a.arq.ended)
  assert.equal(a.arq.state, 'lingering')
  assert.equal(b.arq.state, 'lingering')
  a.arq.update(a.arq.nextUpdate())
  assert.equal(a.arq.state, 'lingering', 'what the reader has not taken keeps the flow')
  a.arq.consumed('answer'.length, 14_100)
  b.arq.consumed('request'.length, 14_100)
  for (const { arq, host } of [a, b]) {
    arq.update(arq.nextUpdate())
    assert.equal(arq.state, 'closed')
    assert.deepEqual(host.events.slice(-2), ['done', 'forget'])
    assert.equal(arq.nextUpdate(), Number.POSITIVE_INFINITY)
  }
})

test('a reset is repeated until it is confirmed', () => {
  const { a, b, settle } = pair()
  a.arq.write(text('x'), 0)
  settle(1)
  a.arq.reset(20, 2)
  assert.equal(hex(a.host.take()[0]), '2014')
  a.arq.update(a.arq.nextUpdate())
  const again = a.host.take()[0]!
  assert.equal(hex(again), '2014')
  b.arq.input(again, 50)
  assert.deepEqual(b.host.events.slice(-2), ['reset 20', 'forget'])
  assert.equal(b.arq.state, 'closed')
  const answer = b.host.take()[0]!
  assert.equal(hex(answer), '40')
  a.arq.input(answer, 60)
  assert.equal(a.arq.state, 'closed')
  assert.deepEqual(a.host.events.slice(-1), ['forget'])
})

test('a reset that nobody confirms ends after some repeats', () => {
  const { host, arq } = make({ open: OPEN })
  arq.update(0)
  arq.reset(20, 0)
  for (let i = 0; i < 20 && arq.state !== 'closed'; i++) arq.update(arq.nextUpdate())
  assert.equal(arq.state, 'closed')
  assert.ok(host.segments.length < 10)
})

test('a hostile peer gets a protocol error', () => {
  const { host, arq } = make({ open: OPEN })
  arq.write(text('hello'), 0)
  host.take()
  refuses(() => arq.input(Buffer.from('02' + '05' + '00' + '01' + '00' + '00' + '00', 'hex'), 1)) // packet 5 was never sent
  refuses(() => arq.input(Buffer.from('02' + '00' + '00' + '01' + '00' + '09' + '00', 'hex'), 1)) // nor was byte 8
  refuses(() => arq.input(Buffer.from('11' + '00' + '00', 'hex'), 1)) // both open
  const b = make()
  b.arq.input(Buffer.from('0d' + '00' + '05' + '', 'hex'), 1) // the stream ends at 5
  refuses(() => b.arq.input(Buffer.from('0d' + '01' + '06', 'hex'), 1)) // no, at 6
  refuses(() => b.arq.input(Buffer.from('05' + '02' + '05' + '41', 'hex'), 1)) // a byte beyond the end
  const c = make()
  c.arq.input(Buffer.from('05' + '00' + '05' + '4141', 'hex'), 1)
  refuses(() => c.arq.input(Buffer.from('0d' + '01' + '06', 'hex'), 1)) // ends before what came
})

test('data outside the window is dropped, and takes no memory', () => {
  const { host, arq } = make({ receiveWindow: 16384 })
  for (let i = 0; i < 100; i++) {
    // PN|DATA, number i, offset 2^20 + i
    const segment = Buffer.concat([
      Buffer.from([5, i & 63]),
      Buffer.from([0x80, 0x10, 0, i]),
      Buffer.alloc(1000)
    ])
    arq.input(segment, i)
    arq.update(i)
  }
  assert.equal(host.take().length, 0)
  assert.equal(arq.stats.bytesReceived, 0)
})

test('a window that shrinks is taken for an old one', () => {
  const { host, arq } = make({ open: OPEN })
  arq.write(new Uint8Array(100), 0)
  host.take()
  arq.input(Buffer.from('02' + '00' + '00' + '01' + '00' + '4064' + '80010000', 'hex'), 10)
  arq.input(Buffer.from('02' + '00' + '00' + '01' + '00' + '00' + '00', 'hex'), 11)
  arq.write(new Uint8Array(1000), 12)
  assert.equal(host.take().length, 1)
})

test('a window that opens again is told of at once, whatever else is on its way, and again if that is lost', () => {
  for (const lost of [false, true]) {
    const { a, b, settle } = pair({ receiveWindow: 16384 })
    a.arq.write(text('x'), 0)
    settle(1)
    b.arq.write(new Uint8Array(40_000), 2)
    let now = 2
    for (; now < 100; now++) settle(now)
    assert.equal(a.arq.stats.bytesReceived, 16384, 'the window is closed')
    a.arq.write(new Uint8Array(10_000), now)
    a.host.take() // lost, or late
    for (let bytes = a.arq.read(); bytes; bytes = a.arq.read()) a.arq.consumed(bytes.length, now)
    let [told] = a.host.take()
    if (lost) {
      a.arq.write(new Uint8Array(1000), ++now)
      for (const segment of a.host.take()) b.arq.input(segment, now)
      b.arq.update(now)
      // Without its questions, of which each answer tells of the window.
      const acks = b.host.take().filter(segment => (segment[0]! & 1) === 0)
      assert.equal(acks.length, 1)
      now += 500
      a.arq.input(acks[0]!, now)
      a.arq.update(now)
      told = a.host.take()[0]
    }
    const before = b.arq.stats.bytesSent
    assert.equal(before, 16384)
    b.arq.input(told!, now)
    b.arq.update(now)
    assert.ok(b.arq.stats.bytesSent > before, lost ? 'the second time' : 'at once')
  }
})

test('a lost lone segment comes again without a timeout', () => {
  const { a, b, settle } = pair({ rtt: 40 })
  a.arq.write(text('a'), 0)
  settle(1)
  a.arq.write(text('b'), 100)
  a.host.take() // lost
  const copyAt = a.arq.nextUpdate()
  assert.ok(copyAt <= 140, `the copy goes at ${copyAt}`)
  a.arq.update(copyAt)
  for (const segment of a.host.take()) b.arq.input(segment, copyAt + 20)
  assert.equal(Buffer.from(b.arq.read()!).toString(), 'ab')
})

/** Segments with `count` pieces of one open stream that have not arrived yet, and who is to get them. */
function onTheWay(count: number) {
  const { a, b, settle } = pair()
  a.arq.write(text('0'), 0)
  settle(1)
  b.arq.read()
  b.host.events = []
  const segments: Uint8Array[] = []
  for (let i = 1; i <= count; i++) {
    a.arq.write(text(`${i}`), 10 + i)
    segments.push(...a.host.take())
  }
  return { a, b, segments }
}

const readAll = (arq: Arq) => Buffer.from(arq.read() ?? []).toString()

test('of the segments of one turn, the first is told of at once, the others together at its end', () => {
  const { b, segments } = onTheWay(4)
  b.arq.input(segments[0]!, 20)
  assert.deepEqual(b.host.events, ['readable'])
  assert.equal(readAll(b.arq), '1')
  for (const segment of segments.slice(1)) b.arq.input(segment, 20)
  assert.deepEqual(b.host.events, ['readable'])
  b.arq.update(20)
  assert.deepEqual(b.host.events, ['readable', 'readable'])
  assert.equal(readAll(b.arq), '234')
  b.arq.update(21)
  assert.equal(b.host.events.length, 2)
})

test('what comes before a reset in one turn is told of before it', () => {
  const { b, segments } = onTheWay(2)
  for (const segment of segments) b.arq.input(segment, 20)
  b.arq.input(encodeReset(16), 20)
  assert.deepEqual(b.host.events, ['readable', 'readable', 'reset 16', 'forget'])
})

test('what comes before the path is gone, or on a path that is gone, is told of', () => {
  const { b, segments } = onTheWay(4)
  for (const segment of segments.slice(0, 2)) b.arq.input(segment, 20)
  b.arq.suspend(20)
  assert.equal(b.host.events.length, 2)
  for (const segment of segments.slice(2)) b.arq.input(segment, 21)
  assert.equal(b.host.events.length, 4)
})

test('suspended: nothing leaves, and rebind sends what is outstanding', () => {
  const { a, b, settle } = pair()
  a.arq.write(text('one'), 0)
  settle(1)
  a.arq.write(text('two'), 2)
  a.host.take()
  a.arq.suspend(2)
  assert.equal(a.arq.nextUpdate(), Number.POSITIVE_INFINITY)
  assert.equal(a.arq.write(text('three'), 3), 5)
  a.arq.update(10000)
  assert.equal(a.host.take().length, 0)
  a.arq.rebind(20000)
  settle(20001)
  assert.equal(Buffer.from(b.arq.read()!).toString(), 'onetwothree')
})

test('the first packet on another path tells what has come, though bytes wait to be sent again', () => {
  const { a, b, settle } = pair()
  a.arq.write(text('x'), 0)
  settle(1)
  b.arq.write(new Uint8Array(5000), 2)
  for (const segment of b.host.take()) a.arq.input(segment, 2)
  a.arq.update(3)
  a.arq.write(new Uint8Array(5000), 3)
  a.arq.update(10)
  a.host.take() // lost
  a.arq.rebind(20)
  b.arq.input(a.host.take()[0]!, 20)
  assert.equal(b.arq.unacknowledged, 0)
})

test('an idle flow asks whether the peer still knows it, and learns that it does not', () => {
  const { a, settle } = pair({ keepAlive: 1000 })
  a.arq.write(text('x'), 0)
  settle(1)
  for (let i = 0; i < 50 && a.host.segments.length === 0; i++) a.arq.update(a.arq.nextUpdate())
  assert.equal(a.host.take()[0]![0]! & 1, 1)
  a.arq.input(encodeReset(2), 1500)
  assert.ok(a.host.events.includes('reset 2'))
})

test('garbage in any state: a coded error or nothing', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 30 }),
      fc.nat({ max: 5 }),
      (segments, state) => {
        const { a, settle } = pair()
        a.arq.write(text('x'), 0)
        if (state > 0) settle(1)
        if (state === 2) a.arq.end(2)
        if (state === 3) a.arq.reset(17, 2)
        let now = 3
        for (const segment of segments) {
          now += 7
          try {
            a.arq.input(segment, now)
          } catch (err) {
            assert.ok(err instanceof HyperNatError && err.code === 'PROTOCOL_ERROR', String(err))
          }
          a.arq.update(now)
          a.host.take()
        }
        assert.ok(a.arq.nextUpdate() > now - 100)
      }
    ),
    { numRuns: 3000 }
  )
})
