import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Counted, GapEstimate } from '../../../src/network/gap-estimate.js'

const MB = 1 << 20
const PACKET = 1200
const HEADER = 20

/** A stream whose counters move as a peer makes them. */
class Stream {
  readonly estimate = new GapEstimate()
  readonly counted: { -readonly [K in keyof Counted]: number } = {
    received: 0,
    packets: 0,
    inOrder: 0,
    datagrams: 0,
    sent: 0
  }

  /** So many bytes come, in packets; some of them again. */
  takes(bytes: number, kind: 'inOrder' | 'datagrams' | 'gap', size = PACKET, again = 0): void {
    const packets = (bytes / size) * (1 + again)
    this.counted.packets += packets
    this.counted.received += packets * (size + HEADER)
    if (kind !== 'gap') this.counted[kind] += bytes
  }

  /** So much is sent, and acknowledged with so many bytes for each packet. */
  sends(bytes: number, acknowledgement: number): void {
    this.counted.sent += bytes
    this.counted.packets += bytes / PACKET
    this.counted.received += (bytes / PACKET) * (HEADER + acknowledgement)
  }

  get isTooMuch(): boolean {
    return this.estimate.update(this.counted)
  }
}

test('what a peer may send for as long as it likes is not too much', () => {
  const traffic: Record<string, (stream: Stream) => void> = {
    'a transfer of which a third comes twice': stream => stream.takes(10 * MB, 'inOrder', PACKET, 0.4),
    'tiny messages': stream => stream.takes(MB, 'inOrder', 30),
    datagrams: stream => stream.takes(10 * MB, 'datagrams'),
    'small datagrams': stream => stream.takes(MB, 'datagrams', 40),
    'acknowledgements of a transfer on a line that loses much': stream => stream.sends(10 * MB, 400)
  }
  for (const [what, step] of Object.entries(traffic)) {
    const stream = new Stream()
    for (let i = 0; i < 1000; i++) {
      step(stream)
      assert.ok(!stream.isTooMuch, `${what}, after ${i} steps`)
    }
  }
})

test('a window that waits for one lost packet is not too much, however fast the line', () => {
  const stream = new Stream()
  // The window doubles, and each time its first packet is lost.
  for (let window = 16 * 1024; window <= 16 * MB; window *= 2) {
    stream.takes(window, 'gap')
    assert.ok(!stream.isTooMuch, `a window of ${window}`)
    stream.counted.inOrder += window
    assert.ok(!stream.isTooMuch)
  }
})

test('who has sent nothing in order has little behind a gap', () => {
  const stream = new Stream()
  stream.takes(200 * 1024, 'gap')
  assert.ok(!stream.isTooMuch)
  stream.takes(100 * 1024, 'gap')
  assert.ok(stream.isTooMuch)
})

test('packets behind a gap are too much at 25 MB, also beside others, and after a long good time', () => {
  for (const size of [300, PACKET]) {
    const stream = new Stream()
    for (let i = 0; i < 100; i++) {
      stream.takes(10 * MB, 'inOrder')
      stream.takes(10 * MB, 'datagrams')
      assert.ok(!stream.isTooMuch)
    }
    let sent = 0
    while (!stream.isTooMuch && sent < 100) {
      stream.takes(MB, 'gap', size)
      stream.takes(MB, 'datagrams')
      sent++
    }
    assert.ok(sent <= 32, `${sent} MB in packets of ${size} bytes`)
  }
})
