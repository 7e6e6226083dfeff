import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SENT_SLOTS_MAX } from '../../../../src/flows/arq/constants.js'
import { Receiver } from '../../../../src/flows/arq/receiver.js'
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
