import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INITIAL_WINDOW } from '../../../../src/flows/arq/constants.js'
import { Receiver } from '../../../../src/flows/arq/receiver.js'
import { BLOCKED, DATA, FIN, PN, Segment } from '../../../../src/flows/arq/segment.js'
import { Budget } from '../../../../src/util/budget.js'

const MB = 1024 * 1024
const bytes = new Uint8Array(1000)

/** A segment of `bytes` that starts at `offset`. */
function data(offset: number, flags = 0): Segment {
  const segment = new Segment()
  segment.flags = PN | DATA | flags
  segment.number = offset
  segment.offset = offset
  segment.dataStart = 0
  segment.dataLength = bytes.length
  return segment
}

/** Takes `count` segments of a sender that is held up by the window, with a reader that keeps up. */
function carry(receiver: Receiver, count: number): void {
  for (let i = 0; i < count; i++) {
    const { next } = receiver.inbox
    receiver.take(data(next, BLOCKED), bytes, i)
    while (receiver.inbox.read(Number.POSITIVE_INFINITY));
    receiver.consumed(bytes.length)
  }
}

const windowOf = (receiver: Receiver): number => receiver.limit - receiver.inbox.consumed

test('a few flows get the largest window, and one that follows many still gets one', () => {
  const budget = new Budget(64 * MB)
  const few = Array.from({ length: 8 }, () => new Receiver(4 * MB, budget))
  for (const receiver of few) carry(receiver, 12_000)
  assert.deepEqual(few.map(windowOf), Array(8).fill(4 * MB))
  const many = Array.from({ length: 2000 }, () => new Receiver(4 * MB, budget))
  for (const receiver of many) carry(receiver, 600)
  assert.ok(budget.used <= budget.size, `${budget.used} lent`)
  assert.ok(windowOf(many[100]!) > INITIAL_WINDOW, 'the hundredth has more than the least')
  assert.ok(many.every(receiver => windowOf(receiver) >= INITIAL_WINDOW))
})

test('a window is returned when all has arrived and the reader is done with it, not before', () => {
  const budget = new Budget(64 * MB)
  const receiver = new Receiver(4 * MB, budget)
  carry(receiver, 2000)
  const lent = budget.used
  assert.ok(lent > 0)
  receiver.take(data(receiver.inbox.next, FIN), bytes, 0)
  while (receiver.inbox.read(Number.POSITIVE_INFINITY));
  assert.ok(receiver.ended)
  assert.equal(budget.used, lent, 'the socket has not taken it yet')
  receiver.consumed(bytes.length)
  assert.equal(budget.used, 0)
  assert.equal(receiver.inbox.capacity, 0)
  receiver.clear()
  assert.equal(budget.used, 0, 'given back once')
})

test('a reset gives the window back, whatever lies unread', () => {
  const budget = new Budget(64 * MB)
  const receiver = new Receiver(4 * MB, budget)
  receiver.take(data(0), bytes, 0)
  receiver.take(data(5000), bytes, 0)
  receiver.clear()
  assert.equal(budget.used, 0)
  assert.equal(receiver.inbox.capacity, 0)
})

test('the bytes of a flow take no more memory than its window, and gaps little more', () => {
  const receiver = new Receiver(4 * MB, new Budget(0))
  const one = data(0)
  one.dataLength = 1
  let kept = 0
  for (let offset = 1; offset < INITIAL_WINDOW; offset += 2) {
    one.offset = offset
    one.number = offset
    const before = receiver.dropped
    receiver.take(one, bytes, 0)
    if (receiver.dropped === before) kept++
  }
  assert.equal(receiver.inbox.capacity, INITIAL_WINDOW)
  assert.equal(kept, 128)
  one.offset = INITIAL_WINDOW
  receiver.take(one, bytes, 0)
  assert.equal(receiver.inbox.capacity, INITIAL_WINDOW, 'what lies beyond the window is dropped')
})

test('bytes behind a gap are kept as far as there is a budget for them, those in order always', () => {
  const windows = new Budget(0)
  const gaps = new Budget(2 * INITIAL_WINDOW)
  const receivers = Array.from({ length: 3 }, () => new Receiver(4 * MB, windows, gaps))
  for (const receiver of receivers) receiver.take(data(2000), bytes, 0)
  assert.deepEqual(
    receivers.map(({ inbox, dropped }) => [inbox.hasGap, dropped]),
    [
      [true, 0],
      [true, 0],
      [false, 1]
    ]
  )
  const [first, second, third] = receivers
  assert.equal(third!.take(data(0), bytes, 1), true)
  // The gap closes; another one may open elsewhere.
  first!.take(data(1000), bytes, 1)
  first!.take(data(0), bytes, 1)
  assert.equal(first!.inbox.next, 3000)
  assert.equal(gaps.used, INITIAL_WINDOW)
  third!.take(data(2000), bytes, 2)
  assert.equal(third!.inbox.hasGap, true)
  second!.clear()
  third!.clear()
  assert.equal(gaps.used, 0)
})
