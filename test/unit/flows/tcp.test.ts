/** One tcp flow on its own, its session played by hand. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { type TcpCarrier, TcpFlow } from '../../../src/flows/tcp.js'
import { LIMITS } from '../../../src/limits.js'
import { Budget } from '../../../src/util/budget.js'
import { INITIAL_WINDOW } from '../../../src/wire/constants.js'
import { isProtocolError } from '../wire/protocol-error.js'
import { hear } from './heard.js'

class Carrier implements TcpCarrier {
  readonly kept = new Budget(1_000_000)
  time = 0
  budget = Infinity
  lent = 0
  readonly asked: string[] = []

  ready(): void {
    this.asked.push('ready')
  }
  windowDue(): void {
    this.asked.push('windowDue')
  }
  windowSoon(): void {
    this.asked.push('windowSoon')
  }
  borrow(bytes: number): boolean {
    if (this.lent + bytes > this.budget) return false
    this.lent += bytes
    return true
  }
  giveBack(bytes: number): void {
    this.lent -= bytes
  }
  done(): void {
    this.asked.push('done')
  }
  thin(): void {
    this.asked.push('thin')
  }
  now(): number {
    return this.time
  }
}

function make() {
  const carrier = new Carrier()
  const flow = new TcpFlow(1, 1, carrier, LIMITS)
  const heard = hear(flow)
  return { carrier, flow, heard }
}

/** Sends what can be sent; returns it as text. */
function sent(flow: TcpFlow, most = Infinity): string {
  const size = Math.max(0, Math.min(flow.sendable, most))
  const out = b4a.alloc(size)
  if (size > 0) flow.fill(out, 0, size)
  flow.filled()
  return b4a.toString(out, 'utf8')
}

const bytes = (text: string): Uint8Array => b4a.from(text)

test('bytes are sent in order, in whatever sizes they are asked for', () => {
  const { flow } = make()
  for (const chunk of ['abc', 'd', 'efgh']) flow.write(bytes(chunk))
  assert.equal(sent(flow, 2), 'ab')
  assert.equal(sent(flow, 4), 'cdef')
  assert.equal(flow.nextOffset, 6)
  assert.equal(sent(flow), 'gh')
  assert.equal(flow.retained, 8)
})

test('where the session keeps all that it may, a flow takes no more than its part, and goes on when that is acknowledged', () => {
  const { carrier, flow, heard } = make()
  const { flowKept } = LIMITS
  carrier.kept.charge(carrier.kept.size)
  assert.equal(flow.write(b4a.alloc(flowKept)), true)
  assert.equal(flow.write(b4a.alloc(1)), false)
  sent(flow)
  assert.deepEqual(heard, [], 'it is sent, but not acknowledged')
  flow.onWindow(flowKept, INITIAL_WINDOW)
  assert.deepEqual(heard, ['DRAIN'])
  // Others have let go of theirs.
  carrier.kept.giveBack(carrier.kept.size)
  assert.equal(flow.write(b4a.alloc(flowKept)), true)
  assert.equal(flow.retained, flowKept + 1)
})

for (const [name, end] of [
  ['acknowledged', flow => flow.onWindow(3, INITIAL_WINDOW)],
  ['over', flow => flow.abandon('FLOW_RESET')],
  [
    'reset by its socket',
    flow => {
      flow.reset('FLOW_RESET')
      flow.tailSent(flow.tailAfter(0))
    }
  ]
] as [string, (flow: TcpFlow) => void][]) {
  test(`nothing is counted as kept for a flow that is ${name}`, () => {
    const { carrier, flow } = make()
    flow.write(bytes('abc'))
    sent(flow)
    assert.equal(carrier.kept.used, 3)
    end(flow)
    assert.equal(carrier.kept.used, 0)
  })
}

test('what is acknowledged is let go, chunk by chunk', () => {
  const { flow } = make()
  for (const chunk of ['abc', 'd', 'efgh']) flow.write(bytes(chunk))
  sent(flow)
  flow.onWindow(3, INITIAL_WINDOW)
  assert.equal(flow.retained, 5)
  flow.onWindow(5, INITIAL_WINDOW)
  assert.equal(flow.retained, 4)
  flow.onWindow(8, INITIAL_WINDOW)
  assert.equal(flow.retained, 0)
})

test('from any position it goes on from there', () => {
  for (let received = 0; received <= 8; received++) {
    const { flow } = make()
    for (const chunk of ['abc', 'd', 'efgh']) flow.write(bytes(chunk))
    sent(flow)
    flow.rewind(received)
    assert.equal(sent(flow), 'abcdefgh'.slice(received))
    flow.write(bytes('ij'))
    assert.equal(sent(flow), 'ij')
  }
})

test('a position that never was is refused', () => {
  const { flow } = make()
  flow.write(bytes('abcdef'))
  sent(flow, 3)
  assert.throws(() => flow.rewind(4), isProtocolError)
  flow.end()
  assert.throws(() => flow.rewind(7), isProtocolError)
})

test('a position from before what was acknowledged meanwhile is no fault', () => {
  // The client said how far it was, then more came over the old connection, and its acknowledgement was faster.
  const { flow } = make()
  flow.write(bytes('abc'))
  flow.write(bytes('def'))
  sent(flow)
  flow.onWindow(3, INITIAL_WINDOW)
  flow.rewind(1)
  assert.equal(sent(flow), 'def')
})

test('bytes that were sent before a new connection may be acknowledged before they are sent again', () => {
  const { flow } = make()
  flow.write(bytes('abcdef'))
  sent(flow)
  flow.rewind(1)
  assert.equal(sent(flow, 2), 'bc')
  flow.onWindow(5, INITIAL_WINDOW)
  assert.equal(sent(flow), 'f')
  flow.onWindow(6, INITIAL_WINDOW)
  assert.equal(flow.retained, 0)
  assert.throws(() => flow.onWindow(7, INITIAL_WINDOW), isProtocolError)
})

test('an end that was sent before a new connection may be acknowledged before it is sent again', () => {
  const { flow, heard } = make()
  flow.write(bytes('ab'))
  flow.end()
  sent(flow)
  flow.tailSent('fin')
  flow.rewind(0)
  flow.onWindow(3, INITIAL_WINDOW)
  assert.equal(flow.retained, 0)
  assert.equal(flow.tailAfter(0), 'none')
  flow.onFin(0)
  flow.takeWindow()
  assert.deepEqual(heard, ['END', 'CLOSE'])
})

test('an end counts as one byte, and comes after the last', () => {
  const { flow } = make()
  flow.write(bytes('ab'))
  flow.end()
  assert.equal(flow.tailAfter(0), 'none')
  assert.equal(flow.tailAfter(1), 'none')
  assert.equal(flow.tailAfter(2), 'fin')
  sent(flow)
  flow.tailSent(flow.tailAfter(0))
  assert.equal(flow.tailAfter(0), 'none')
  flow.onWindow(3, INITIAL_WINDOW)
  assert.throws(() => flow.onWindow(4, INITIAL_WINDOW), isProtocolError)
})

test('nothing is written behind an end', () => {
  const { flow } = make()
  flow.end()
  assert.equal(flow.write(bytes('x')), true)
  assert.equal(flow.sendable, 0)
})

test('an end is sent again when it did not arrive', () => {
  const { flow } = make()
  flow.write(bytes('ab'))
  flow.end()
  sent(flow)
  flow.tailSent('fin')
  flow.rewind(2)
  assert.equal(flow.tailAfter(0), 'fin')
  flow.tailSent('fin')
  flow.rewind(3)
  assert.equal(flow.tailAfter(0), 'none')
})

test('a reset follows the bytes that were written before it', () => {
  const { carrier, flow } = make()
  flow.write(bytes('last words'))
  flow.reset('FLOW_RESET')
  assert.equal(flow.write(bytes('and more')), true)
  flow.end()
  assert.equal(flow.tailAfter(4), 'none')
  assert.equal(flow.tailAfter(10), 'FLOW_RESET')
  assert.equal(sent(flow), 'last words')
  flow.tailSent(flow.tailAfter(0))
  assert.ok(flow.done)
  assert.equal(carrier.asked.at(-1), 'done')
})

test('a reset waits for no more than the window lets through', () => {
  const { flow } = make()
  flow.write(new Uint8Array(INITIAL_WINDOW + 1))
  flow.reset('FLOW_RESET')
  assert.equal(flow.tailAfter(INITIAL_WINDOW), 'FLOW_RESET')
})

test('what comes after a reset is passed over, and nobody is asked to send more', () => {
  const { carrier, flow, heard } = make()
  flow.write(bytes('a'))
  flow.reset('FLOW_RESET')
  const asked = carrier.asked.length
  flow.onData(0, bytes('late'))
  flow.consumed(4)
  flow.onFin(4)
  flow.onReset('FLOW_RESET')
  assert.deepEqual(heard, [])
  assert.deepEqual(carrier.asked.slice(asked), ['done'])
})

test('last words that a lost connection took are said again, and then the reset', () => {
  const { flow } = make()
  flow.write(bytes('last words'))
  flow.reset('FLOW_RESET')
  sent(flow)
  flow.rewind(5)
  assert.equal(sent(flow), 'words')
  assert.equal(flow.tailAfter(0), 'FLOW_RESET')
})

test('a flow that was reset before its OPEN was sent is dropped and nothing is sent', () => {
  const { carrier, flow } = make()
  flow.open()
  flow.reset('FLOW_RESET')
  assert.deepEqual(carrier.asked, ['ready', 'done'])
  assert.equal(flow.due, false)
})

for (const order of ['theirs first', 'ours first', 'ours acknowledged last']) {
  test(`a flow is over when both ends are reported and acknowledged: ${order}`, () => {
    const { carrier, flow, heard } = make()
    const ours = (): void => {
      flow.end()
      flow.tailSent('fin')
    }
    const theirs = (): void => flow.onFin(0)
    if (order === 'theirs first') theirs()
    ours()
    if (order !== 'ours acknowledged last') flow.onWindow(1, INITIAL_WINDOW)
    if (order !== 'theirs first') theirs()
    assert.ok(!heard.includes('CLOSE'))
    flow.takeWindow()
    if (order === 'ours acknowledged last') flow.onWindow(1, INITIAL_WINDOW)
    assert.deepEqual(heard, ['END', 'CLOSE'])
    assert.equal(carrier.asked.filter(what => what === 'done').length, 1)
    assert.ok(flow.done)
  })
}

test('bytes that arrive twice are reported once', () => {
  const { flow, heard } = make()
  flow.onData(0, bytes('abc'))
  flow.onData(0, bytes('ab'))
  flow.onData(1, bytes('bcde'))
  flow.onData(5, bytes(''))
  flow.onFin(5)
  flow.onFin(5)
  flow.onData(3, bytes('de'))
  assert.deepEqual(heard, ['abc', 'de', 'END'])
  assert.deepEqual(flow.takeWindow(), { received: 6, limit: INITIAL_WINDOW })
})

test('gaps, excess and bytes behind the end are refused', () => {
  const { flow } = make()
  assert.throws(() => flow.onData(1, bytes('a')), isProtocolError)
  assert.throws(() => flow.onData(0, b4a.alloc(INITIAL_WINDOW + 1)), isProtocolError)
  assert.throws(() => flow.onData(2 ** 53 - 1, bytes('abc')), isProtocolError)
  assert.throws(() => flow.onFin(1), isProtocolError)
  flow.onData(0, b4a.alloc(INITIAL_WINDOW))
  assert.throws(() => flow.onData(INITIAL_WINDOW, bytes('a')), isProtocolError)
  flow.onFin(INITIAL_WINDOW)
  assert.throws(() => flow.onData(INITIAL_WINDOW, bytes('a')), isProtocolError)
})

test('the program is paused when its queue is full, and called again once', () => {
  const { flow, heard } = make()
  flow.onWindow(0, LIMITS.flowWindow)
  assert.equal(flow.write(b4a.alloc(LIMITS.flowQueue)), true)
  assert.equal(flow.write(b4a.alloc(1)), false)
  sent(flow, LIMITS.flowQueue / 2)
  assert.deepEqual(heard, [])
  sent(flow)
  assert.deepEqual(heard, ['DRAIN'])
})

test('without credit nothing is sent, with credit it asks for its turn', () => {
  const { carrier, flow } = make()
  flow.write(b4a.alloc(INITIAL_WINDOW + 10))
  sent(flow)
  assert.equal(flow.nextOffset, INITIAL_WINDOW)
  assert.equal(flow.sendable, 0)
  carrier.asked.length = 0
  flow.onWindow(0, INITIAL_WINDOW + 4)
  assert.deepEqual(carrier.asked, ['ready'])
  assert.equal(flow.sendable, 4)
  flow.onWindow(0, INITIAL_WINDOW)
  assert.equal(flow.sendable, 4, 'a window went back')
})

test('a reader that does not read is asked for no more than its window', () => {
  const { flow } = make()
  flow.onData(0, b4a.alloc(INITIAL_WINDOW))
  assert.deepEqual(flow.takeWindow(), { received: INITIAL_WINDOW, limit: INITIAL_WINDOW })
})

test('a fast reader gets a larger window, a slow one does not', () => {
  for (const [wait, larger] of [
    [LIMITS.windowGrowthMs - 1, true],
    [LIMITS.windowGrowthMs, false]
  ] as const) {
    const { carrier, flow } = make()
    flow.onData(0, b4a.alloc(INITIAL_WINDOW))
    carrier.time = wait
    flow.consumed(INITIAL_WINDOW)
    const { limit } = flow.takeWindow()
    assert.equal(limit, INITIAL_WINDOW + (larger ? 2 : 1) * INITIAL_WINDOW)
    assert.equal(carrier.lent, larger ? INITIAL_WINDOW : 0)
    flow.reset('FLOW_RESET')
    assert.equal(carrier.lent, 0)
  }
})

test('a window grows once for each half that is emptied, however long telling it takes', () => {
  const { carrier, flow } = make()
  flow.onData(0, b4a.alloc(INITIAL_WINDOW))
  // The link has no room: nobody calls takeWindow between these.
  for (let i = 0; i < 16; i++) flow.consumed(INITIAL_WINDOW / 16)
  assert.ok(carrier.lent <= INITIAL_WINDOW, `${carrier.lent} borrowed`)
})

test('windows have a largest size, and need the budget of the session', () => {
  const { carrier, flow } = make()
  let at = 0
  for (let i = 0; i < 20; i++) {
    const { limit } = flow.takeWindow()
    assert.ok(limit - at <= LIMITS.flowWindow)
    flow.onData(at, b4a.alloc(limit - at))
    flow.consumed(limit - at)
    at = limit
  }
  assert.equal(carrier.lent, LIMITS.flowWindow - INITIAL_WINDOW)

  const poor = make()
  poor.carrier.budget = INITIAL_WINDOW - 1
  poor.flow.onData(0, b4a.alloc(INITIAL_WINDOW))
  poor.flow.consumed(INITIAL_WINDOW)
  assert.equal(poor.flow.takeWindow().limit, 2 * INITIAL_WINDOW)
})

test('after a reset nothing is delivered, requested or returned twice', () => {
  const { carrier, flow, heard } = make()
  flow.onReset('TARGET_REFUSED')
  flow.onReset('FLOW_RESET')
  flow.reset('FLOW_RESET')
  flow.onData(7, bytes('abc'))
  flow.onFin(99)
  flow.onWindow(99, 99)
  flow.rewind(99)
  flow.settle()
  flow.abandon('SESSION_EXPIRED')
  flow.write(bytes('abc'))
  flow.end()
  flow.consumed(5)
  assert.deepEqual(heard, ['RESET TARGET_REFUSED'])
  assert.deepEqual(carrier.asked, ['done'])
})

test('our own reset is sent to the other side, and not reported to the program', () => {
  const { carrier, flow, heard } = make()
  flow.reset('FLOW_RESET')
  assert.equal(flow.tailAfter(0), 'FLOW_RESET')
  flow.tailSent('FLOW_RESET')
  assert.deepEqual(heard, [])
  assert.deepEqual(carrier.asked, ['ready', 'done'])
})
