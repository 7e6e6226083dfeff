import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SENT_SLOTS_MAX } from '../../../../src/flows/arq/constants.js'
import { Receiver } from '../../../../src/flows/arq/receiver.js'
import { ACK, Segment } from '../../../../src/flows/arq/segment.js'
import { Sender } from '../../../../src/flows/arq/sender.js'
import { Budget } from '../../../../src/util/budget.js'

const boundless = () => new Budget(Number.POSITIVE_INFINITY)

/** A sender that has sent as many packets of one byte as it can, on a path with room for more; none is acknowledged. */
function silenced() {
  let packets = 0
  const receiver = new Receiver(65536, boundless())
  const sender = new Sender(
    () => void packets++,
    receiver,
    1200,
    1 << 20,
    boundless(),
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
  assert.ok(taken() > SENT_SLOTS_MAX / 2)
  return { sender, taken }
}

test('a sender with as many packets on their way as it can remember goes on over another path', () => {
  const { sender, taken } = silenced()
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
  // All but the last.
  ack.ranges.set([sent.next - 2, 0])
  sender.onAck(ack, 110)
  assert.ok(sent.bytesInFlight > 0)
  assert.ok(sent.mask + 1 < slots / 100, `${sent.mask + 1} slots`)
  ack.ranges.set([sent.next - 1, 0])
  ack.cumulative = sender.unitsSent
  sender.onAck(ack, 120)
  assert.equal(sent.bytesInFlight, 0)
})
