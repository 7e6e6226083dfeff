import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SENT_SLOTS_MAX } from '../../../../src/flows/arq/constants.js'
import { Receiver } from '../../../../src/flows/arq/receiver.js'
import { ACK, Segment } from '../../../../src/flows/arq/segment.js'
import { Sender } from '../../../../src/flows/arq/sender.js'
import { Budget } from '../../../../src/util/budget.js'

const boundless = () => new Budget(Number.POSITIVE_INFINITY)

/** A sender that has sent as many packets of one byte as it can, on a path with room for more; none is acknowledged. */
function silenced(budget = boundless()) {
  let packets = 0
  const receiver = new Receiver(65536, boundless())
  const sender = new Sender(
    () => void packets++,
    receiver,
    1200,
    1 << 20,
    budget,
    () => 0,
    null,
    0
  )
  sender.congestion.window = sender.limit = Number.MAX_SAFE_INTEGER
  for (let i = 0; i < SENT_SLOTS_MAX + 10; i++) {
    sender.push(Uint8Array.of(1))
    sender.flush(1)
  }
  const taken = (): number => {
    const count = packets
    packets = 0
    return count
  }
  return { sender, taken, sent: taken() }
}

test('a sender with as many packets on their way as it can remember goes on over another path', () => {
  const { sender, taken, sent } = silenced()
  assert.ok(sent > SENT_SLOTS_MAX / 2)
  sender.rebind(1000)
  sender.flush(1000)
  assert.ok(taken() > 0)
  // All had come over the first one.
  const ack = new Segment()
  ack.flags = ACK
  ack.ranges.set([sender.recovery.sent.next - 1, 0])
  ack.rangeCount = 1
  ack.cumulative = sender.unitsSent
  sender.onAck(ack, 1100)
  // The next packet and its ack, after a while.
  sender.push(Uint8Array.of(1))
  sender.flush(2200)
  ack.ranges.set([sender.recovery.sent.next - 1, 0])
  ack.cumulative = sender.unitsSent
  sender.onAck(ack, 2200)
  const { queue } = sender.recovery as unknown as { readonly queue: Float64Array }
  assert.ok(queue.length < 100, `memory for ${queue.length} lost packets is kept`)
})

test('a sender whose many packets nobody acknowledges probes at times, for as long as it takes', () => {
  const { sender, taken } = silenced()
  let now = 1
  for (let i = 0; i < 2000; i++) {
    now = Math.max(now, sender.nextDue())
    sender.run(now)
  }
  assert.ok(taken() > 200)
  assert.ok(now > 1_000_000, `2000 times in ${now} ms`)
})

test('what remembers the packets of a burst is given back when few are on their way, and none that is lost is forgotten', () => {
  const { sender, taken } = silenced()
  const { sent } = sender.recovery
  const slots = sent.mask + 1
  // All but the first packet have come.
  const ack = new Segment()
  ack.flags = ACK
  ack.ranges.set([sent.next - 1, 1])
  ack.rangeCount = 1
  ack.limit = sender.limit
  sender.onAck(ack, 100)
  assert.equal(sent.mask + 1, slots, 'the first one is to be sent again')
  sender.flush(100)
  assert.ok(taken() > 0)
  // All but the last, with the next packet after a while.
  ack.ranges.set([sent.next - 2, 0])
  sender.onAck(ack, 110)
  sender.push(Uint8Array.of(1))
  sender.flush(1200)
  ack.ranges.set([sent.next - 2, 0])
  sender.onAck(ack, 1200)
  assert.ok(sent.bytesInFlight > 0)
  assert.ok(sent.mask + 1 < slots / 100, `${sent.mask + 1} slots`)
  ack.ranges.set([sent.next - 1, 0])
  ack.cumulative = sender.unitsSent
  sender.onAck(ack, 1210)
  assert.equal(sent.bytesInFlight, 0)
})

test('a sender of bursts keeps what remembers their packets, as long as one follows the other', () => {
  const { sender } = silenced()
  const { sent } = sender.recovery
  const ack = new Segment()
  ack.flags = ACK
  ack.rangeCount = 1
  ack.limit = sender.limit
  const allHasCome = (now: number): void => {
    ack.ranges.set([sent.next - 1, 0])
    ack.cumulative = sender.unitsSent
    sender.onAck(ack, now)
  }
  allHasCome(100)
  const { state } = sent
  for (let now = 200; now < 10_000; now += 900) {
    for (let i = 0; i < 100; i++) {
      sender.push(Uint8Array.of(1))
      sender.flush(now)
    }
    allHasCome(now + 10)
    assert.equal(sent.state, state)
  }
})

test('what remembers packets of a byte each is counted, and waits for the ack of others where there is no more', () => {
  const budget = new Budget(200_000)
  const { sender, taken, sent } = silenced(budget)
  assert.ok(sent > 1000 && sent < 2500, `${sent} packets`)
  assert.ok(budget.used > 86 * sent, `${budget.used} bytes for ${sent} packets`)
  const { recovery } = sender
  const ack = new Segment()
  ack.flags = ACK
  ack.rangeCount = 1
  ack.limit = sender.limit
  // All but the first half, which is lost, and sent again in spite of that.
  ack.ranges.set([recovery.sent.next - 1, sent >> 1])
  sender.onAck(ack, 1000)
  sender.flush(1000)
  assert.ok(taken() > 0)
  assert.equal(recovery.oldestQueued, -1)
  assert.ok(budget.used < budget.size + 200_000, `${budget.used} bytes`)
  ack.ranges.set([recovery.sent.next - 1, 0])
  ack.cumulative = sender.unitsSent
  sender.onAck(ack, 1100)
  const before = sender.unitsSent
  sender.flush(1100)
  assert.ok(sender.unitsSent > before, 'the others leave')
  sender.clear()
  assert.equal(budget.used, 0)
})
