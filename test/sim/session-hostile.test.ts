/** A peer that breaks the rules, on purpose or by fault: a coded error, that session ended, nothing else touched. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import b4a from 'b4a'
import { FRAME, INITIAL_WINDOW, MAX_MESSAGE, VERSIONS } from '../../src/wire/constants.js'
import {
  closeFrame,
  finFrame,
  helloFrame,
  openFrame,
  resetFrame,
  windowFrame
} from '../../src/wire/frames.js'
import { dataFrame } from '../support/data-frame.js'
import { FlowEnd } from '../support/flow-end.js'
import type { MemoryLink } from '../support/memory-link.js'
import { say } from '../support/say.js'
import { connected, type TestClient, type TestServer, type World } from '../support/session-peers.js'

setFlagsFromString('--expose-gc')
const collectGarbage: () => void = runInNewContext('gc')

interface Stage {
  world: World
  server: TestServer
  client: TestClient
  /** Sends frames as the client. */
  say(...frames: Uint8Array[]): void
  /** From now on the client ignores what it receives, and only {@link say} sends for it. */
  deafen(): void
}

function stage(limits = {}): Stage {
  const { world, server, client } = connected(1, { delay: 5 }, limits)
  world.pass(200)
  const deafen = (): void => {
    client.connection!.client.events = { message() {}, datagram() {}, drain() {}, path() {}, close() {} }
  }
  return {
    world,
    server,
    client,
    say: (...frames) => say(client.connection!.client, ...frames),
    deafen
  }
}

const KEY = b4a.alloc(32)

const FAULTS: readonly [string, readonly Uint8Array[]][] = [
  ['a frame for a flow that was never opened', [dataFrame(5, 0, b4a.alloc(10))]],
  ['a window for a flow that was never opened', [windowFrame(5, 0, 10)]],
  ['an end of a flow that was never opened', [finFrame(5, 0)]],
  ['a reset of a flow that was never opened', [resetFrame(5, 'FLOW_RESET')]],
  ['a frame for flow 0', [openFrame(1, 1, 0), dataFrame(0, 0, b4a.alloc(10))]],
  ['an open of flow 0', [openFrame(0, 1, 0)]],
  ['a flow opened twice', [openFrame(3, 1, 0), openFrame(3, 1, 0)]],
  ['a flow opened with a lower number', [openFrame(3, 1, 0), openFrame(2, 1, 0)]],
  ['a gap', [openFrame(1, 1, 0), dataFrame(1, 1, b4a.alloc(10))]],
  [
    'bytes beyond the window',
    [
      openFrame(1, 1, 0),
      dataFrame(1, 0, b4a.alloc(INITIAL_WINDOW - 1000)),
      dataFrame(1, INITIAL_WINDOW - 1000, b4a.alloc(1001))
    ]
  ],
  ['bytes behind an end', [openFrame(1, 1, 0), finFrame(1, 0), dataFrame(1, 0, b4a.alloc(1))]],
  ['an end before its bytes', [openFrame(1, 1, 0), finFrame(1, 1)]],
  ['an end inside of what came', [openFrame(1, 1, 0), dataFrame(1, 0, b4a.alloc(10)), finFrame(1, 9)]],
  ['an acknowledgement of what was never sent', [openFrame(1, 1, 0), windowFrame(1, 1, 10)]],
  ['an acknowledgement near 2^53', [openFrame(1, 1, 0), windowFrame(1, 2 ** 53 - 1, 2 ** 53 - 1)]],
  [
    'a greeting again',
    [helloFrame({ versions: VERSIONS, features: 0, proof: KEY, datagramKey: KEY, resume: null })]
  ],
  ['an unknown frame', [b4a.from('017f', 'hex')]],
  ['half a frame', [openFrame(1, 1, 0).subarray(0, 4)]],
  ['a message that is too long', [b4a.alloc(MAX_MESSAGE + 1)]]
]

for (const [name, frames] of FAULTS) {
  test(`${name} ends this session, and no other`, () => {
    const { world, server, client, say } = stage()
    const other = world.client(server)
    other.dial()
    world.pass(100)
    assert.equal(other.session?.state, 'up')
    say(...frames)
    world.pass(100)
    assert.deepEqual(server.told, ['up', 'up', 'ended PROTOCOL_ERROR'])
    assert.deepEqual(client.told, ['up', 'ended PROTOCOL_ERROR'])
    assert.equal(other.session?.state, 'up')
    assert.equal(server.sessions.size, 1)
    let opened = 0
    server.open = () => {
      opened++
      return null
    }
    other.session!.openFlow(1)
    world.pass(100)
    assert.equal(opened, 1)
  })
}

test('frames for a flow that is over are ignored', () => {
  const { world, server, client, say } = stage()
  say(openFrame(1, 1, 0), resetFrame(1, 'FLOW_RESET'))
  world.pass(100)
  say(dataFrame(1, 77, b4a.alloc(10)), finFrame(1, 3), windowFrame(1, 9, 9), resetFrame(1, 'FLOW_RESET'))
  world.pass(100)
  assert.deepEqual([server.told, client.told], [['up'], ['up']])
})

test('a server that opens a flow ends the session', () => {
  const { world, client } = stage()
  say(client.connection!.server, openFrame(1, 1, 0))
  world.pass(100)
  assert.deepEqual(client.told, ['up', 'ended PROTOCOL_ERROR'])
})

test('an open of a map that is not shared is reset, and the session goes on', () => {
  const { world, client } = stage()
  const flow = client.session!.openFlow(9)
  const end = new FlowEnd(flow, 1, 2, world.clock, { total: 100, fin: true, chunk: () => 10 })
  end.go()
  world.pass(100)
  assert.deepEqual([end.heard, end.resetBy], [['reset'], 'MAP_NOT_SHARED'])
  assert.equal(client.session!.flows.tcp.flows.size, 0)
  assert.equal(client.session!.state, 'up')
})

test('nothing is done for frames that follow a CLOSE in one message', () => {
  const { world, server, say } = stage()
  let opened = 0
  server.open = () => {
    opened++
    return null
  }
  say(closeFrame('GOODBYE', ''), openFrame(1, 1, 0), openFrame(2, 1, 0))
  world.pass(100)
  assert.deepEqual(server.told, ['up', 'ended GOODBYE'])
  assert.equal(opened, 0, 'flows were opened on a session that had ended')
})

test('an endless window that is never acknowledged does not make the sender keep everything', () => {
  const { world, server, say, deafen } = stage({ flowWindow: 1024 * 1024 })
  deafen()
  let end: FlowEnd | undefined
  server.open = flow => {
    end = new FlowEnd(flow, 1, 2, world.clock, { total: 16 * 1024 * 1024, fin: true, chunk: () => 65_536 })
    world.clock.after(0, () => end!.go())
    return null
  }
  say(openFrame(1, 1, 2 ** 53 - 1))
  world.pass(2000)
  const [flow] = [...server.session.flows.tcp.flows.values()]
  const { flowWindow, flowQueue } = server.limits
  assert.ok(flow!.retained <= flowWindow + flowQueue + 65_536, `${flow!.retained} bytes are kept`)
})

test('many flows with endless windows that are never acknowledged keep no more together than the session may', () => {
  const { world, server, say, deafen } = stage({ flowWindow: 1024 * 1024, sessionWindow: 4 * 1024 * 1024 })
  deafen()
  const chunk = 65_536
  server.open = flow => {
    const end = new FlowEnd(flow, 1, 2, world.clock, { total: 2 * 1024 * 1024, chunk: () => chunk })
    world.clock.after(0, () => end.go())
    return null
  }
  const flows = 40
  say(...Array.from({ length: flows }, (_, i) => openFrame(i + 1, 1, 2 ** 53 - 1)))
  world.pass(3000)
  let kept = 0
  for (const flow of server.session.flows.tcp.flows.values()) kept += flow.retained
  const { sessionWindow, flowKept } = server.limits
  assert.equal(server.session.flows.tcp.flows.size, flows)
  assert.ok(kept >= sessionWindow, `${kept} bytes are kept`)
  assert.ok(kept <= sessionWindow + flows * (flowKept + chunk), `${kept} bytes are kept`)
})

test('flows that a session has no room for go on as theirs is acknowledged, whole', () => {
  const { world, server, client } = stage({ sessionWindow: 300_000 })
  const total = 1_000_000
  const ends: FlowEnd[] = []
  server.open = flow => {
    ends.push(new FlowEnd(flow, 2, 1, world.clock, { total, fin: true, chunk: () => 65_536 }))
    const end = ends.at(-1)!
    world.clock.after(0, () => end.go())
    return null
  }
  for (let i = 0; i < 20; i++) {
    ends.push(
      new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, { total, fin: true, chunk: () => 65_536 })
    )
    ends.at(-1)!.go()
  }
  assert.ok(
    world.pass(60_000, () => ends.length === 40 && ends.every(end => end.read === total && end.closed))
  )
})

/** Lets the server's link have no room, as when the client acknowledges nothing, and counts what the server keeps. */
function withoutRoom(link: MemoryLink): void {
  link.room = () => 0
}

/** Bytes in use, without the garbage of building what is said here. */
function memoryKept(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

test('answers that are never taken count against what the guest may keep', () => {
  const { world, server, client, say, deafen } = stage({ tcpFlows: 10 })
  deafen()
  withoutRoom(client.connection!.server)
  say(...Array.from({ length: 1000 }, (_, i) => openFrame(i + 1, 1, 0)))
  world.pass(200)
  assert.ok(server.memory.used > 250_000, `${server.memory.used} bytes`)
  client.connection!.die()
  world.pass(200)
  assert.equal(server.memory.used, 0)
})

test('opens of maps that are not shared, whose answers are never taken, do not fill the memory', () => {
  const { world, server, client, say, deafen } = stage()
  deafen()
  withoutRoom(client.connection!.server)
  const before = memoryKept()
  for (let n = 0; n < 12 && server.sessions.size > 0; n++) {
    say(...Array.from({ length: 30_000 }, (_, i) => openFrame(n * 30_000 + i + 1, 9, 0)))
    // Long enough for the ration to let them in.
    world.pass(200)
  }
  const grown = (memoryKept() - before) / 2 ** 20
  assert.equal(server.told.at(-1), 'ended PROTOCOL_ERROR')
  assert.ok(grown < 64, `grew by ${grown.toFixed(0)} MB`)
})

test('no message is longer than the other side takes', () => {
  const limits = { framesPerSecond: 0, flowsPerSecond: 0, controlBytes: 64 * 1024 * 1024 }
  const { world, client, say, deafen } = stage(limits)
  deafen()
  const { server: link } = client.connection!
  link.record = true
  const { room } = link
  withoutRoom(link)
  const first = 2 ** 40
  for (let n = 0; n < 4; n++) {
    say(...Array.from({ length: 15_000 }, (_, i) => openFrame(first + n * 15_000 + i, 9, 0)))
    world.pass(20)
  }
  link.room = room
  say(openFrame(first + 60_000, 9, 0))
  world.pass(100)
  const sizes = link.written.map(({ byteLength }) => byteLength)
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) > 2 * MAX_MESSAGE, 'more than one message holds')
  for (const size of sizes) assert.ok(size <= MAX_MESSAGE, `${size} bytes`)
})

test('many flows opened and reset leave nothing behind', () => {
  const { world, server, say } = stage()
  let n = 0
  for (let round = 0; round < 20; round++) {
    const frames: Uint8Array[] = []
    for (let i = 0; i < 5000; i++) frames.push(openFrame(++n, 1, 0), resetFrame(n, 'FLOW_RESET'))
    say(...frames)
    world.pass(50)
  }
  // They are read no faster than frames may come, and those that open a flow count as many.
  world.pass(10_000)
  assert.equal(server.session.flows.tcp.flows.size, 0)
  assert.equal(server.session.flows.tcp.highest, n)
  assert.deepEqual(server.told, ['up'])
})

test('an acknowledgement for each byte is not paid for with a copy of everything that waits', () => {
  // The program wrote byte by byte: 200,000 chunks wait for acknowledgements, which then come one by one.
  const { world, server, say, deafen } = stage()
  deafen()
  let end: FlowEnd | undefined
  server.open = flow => {
    end = new FlowEnd(flow, 1, 2, world.clock, { total: 200_000, chunk: () => 1 })
    world.clock.after(0, () => end!.go())
    return null
  }
  say(openFrame(1, 1, 0))
  world.pass(1000)
  assert.equal(end!.written, 200_000)
  const started = process.cpuUsage()
  for (let at = 1; at <= 60_000; at += 15_000) {
    say(...Array.from({ length: 15_000 }, (_, i) => windowFrame(1, at + i, INITIAL_WINDOW)))
    world.pass(50)
  }
  const { user } = process.cpuUsage(started)
  assert.equal(server.session.state, 'up')
  assert.ok(user < 3_000_000, `${(user / 1e6).toFixed(1)} s of CPU`)
})

test('a client that comes back and claims to have what was never sent loses its session', () => {
  for (const received of [1, 2 ** 40, 2 ** 53 - 1]) {
    const { world, server, client } = stage()
    client.session!.openFlow(1)
    world.pass(100)
    client.session!.flows.tcp.positions = () => [{ flow: 1, received }]
    client.dial()
    world.pass(100)
    assert.equal(server.told.at(-1), 'ended PROTOCOL_ERROR')
    assert.equal(server.sessions.size, 0)
  }
})

test('a client that lists flows that never were is none the wiser', () => {
  const { world, server, client } = stage()
  client.session!.openFlow(1)
  world.pass(100)
  client.session!.flows.tcp.positions = () =>
    Array.from({ length: 5000 }, (_, i) => ({ flow: i + 1, received: 0 }))
  client.dial()
  world.pass(100)
  assert.deepEqual(server.told, ['up', 'resumed'])
  assert.equal(server.session.flows.tcp.flows.size, 1)
})

test('a server that claims not to know a flow that it has answered is not believed', () => {
  const { world, server, client } = stage()
  server.open = flow => {
    flow.write(new Uint8Array(10))
    return null
  }
  client.session!.openFlow(1)
  world.pass(500)
  const { session } = server
  session.flows.tcp.positions = () => []
  Object.defineProperty(session.flows.tcp, 'highest', { get: () => 0 })
  client.dial()
  world.pass(100)
  // Opened anew, bytes of the new stream would be taken for the old one's.
  assert.equal(client.told.at(-1), 'ended PROTOCOL_ERROR')
})

test('a server that lists a flow that was never opened is at fault', () => {
  const { world, server, client } = stage()
  server.session.flows.tcp.positions = () => [{ flow: 7, received: 0 }]
  client.dial()
  world.pass(100)
  assert.equal(client.told.at(-1), 'ended PROTOCOL_ERROR')
})

test('a server that lists one flow many times is answered once', () => {
  const { world, server, client } = stage()
  const flow = client.session!.openFlow(1)
  world.pass(100)
  flow.reset('FLOW_RESET')
  world.pass(100)
  assert.equal(client.session!.flows.tcp.flows.size, 0)
  server.session.flows.tcp.positions = () =>
    Array.from({ length: 100_000 }, () => ({ flow: flow.id, received: 0 }))
  client.dial()
  world.pass(200)
  assert.equal(client.told.at(-1), 'resumed')
  // Pings that look for the MTU are there, too.
  const heard = (server.session.link as MemoryLink).bytesIn
  assert.ok(heard < 50_000, `${heard} bytes`)
})

test('what the server tells of a fault of its own does not show its insides', () => {
  const { world, server, client, say } = stage()
  let reason = ''
  server.open = () => {
    throw new TypeError('a fault of ours')
  }
  client.session!.events.ended = (_code, why) => {
    reason = why
  }
  let own = ''
  const { ended } = server.session.events
  server.session.events.ended = (code, why, wasUp) => {
    own = why
    ended(code, why, wasUp)
  }
  say(openFrame(1, 1, 0))
  world.pass(100)
  assert.deepEqual(server.told, ['up', 'ended INTERNAL'])
  assert.match(
    own,
    /^A mistake in hyper-nat; please report it: TypeError: a fault of ours at .*$/,
    'one line'
  )
  assert.ok(!reason.includes('session.js'), reason)
})

test('a frame type of the wire has one meaning', () => {
  assert.equal(new Set(Object.values(FRAME)).size, Object.keys(FRAME).length)
})
