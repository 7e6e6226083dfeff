/** A guest that asks for more than its ration: it waits, or is dropped, and what it sends stays whole and in order. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openFrame, resetFrame } from '../../src/wire/frames.js'
import { FlowEnd } from '../support/flow-end.js'
import { say } from '../support/say.js'
import { connected } from '../support/session-peers.js'

/** A pair whose server keeps to these limits. */
function stage(limits: Parameters<typeof connected>[2]) {
  const pair = connected(1, { delay: 5 }, limits)
  pair.world.pass(200)
  return { ...pair, say: (...frames: Uint8Array[]) => say(pair.client.connection!.client, ...frames) }
}

test('frames beyond the rate wait, and come in their order', () => {
  const { world, server, say } = stage({ framesPerSecond: 1000, openFrames: 0, flowsPerSecond: 0 })
  const opened: number[] = []
  server.open = flow => {
    opened.push(flow.id)
    return null
  }
  const frames = Array.from({ length: 1500 }, (_, i) => openFrame(i + 1, 1, 0))
  // In one message, and in many.
  say(...frames.slice(0, 1000))
  for (const frame of frames.slice(1000)) say(frame)
  world.pass(105)
  assert.ok(opened.length >= 80 && opened.length <= 140, `${opened.length} after 100 ms`)
  world.pass(1500)
  assert.deepEqual(
    opened,
    Array.from({ length: 1500 }, (_, i) => i + 1)
  )
  assert.equal(server.session.state, 'up')
})

test('a connection that is dropped while frames wait leaves nothing behind, and the session goes on over the next', () => {
  const { world, server, client } = stage({ framesPerSecond: 200, openFrames: 0, flowsPerSecond: 0 })
  const ends: FlowEnd[] = []
  server.open = flow => {
    const end = new FlowEnd(flow, 2, 1, world.clock, { total: 0, chunk: () => 1 })
    ends.push(end)
    return null
  }
  const sent: FlowEnd[] = []
  for (let i = 0; i < 50; i++) {
    const end = new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, {
      total: 3000,
      fin: true,
      chunk: () => 100
    })
    sent.push(end)
    end.go()
  }
  world.pass(100)
  assert.ok(
    ends.some(end => end.read < 3000),
    'some of it waits'
  )
  client.connection!.die()
  world.pass(50)
  client.dial()
  world.pass(5000)
  assert.equal(ends.length, 50)
  for (const end of ends) assert.equal(end.read, 3000)
})

test('a CLOSE that waits behind frames ends the session, though its connection is gone', () => {
  const { world, server, client, say } = stage({ framesPerSecond: 10, openFrames: 0 })
  say(openFrame(1, 1, 0))
  for (let i = 0; i < 400; i++) say(resetFrame(1, 'FLOW_RESET'))
  client.session!.close('GOODBYE', 'The client was stopped.')
  world.pass(1000)
  assert.deepEqual(server.told, ['up', 'ended GOODBYE'])
})

test('a guest that is held to its frames is not taken for dead', () => {
  const { world, server, client, say } = stage({ framesPerSecond: 10, openFrames: 0 })
  say(openFrame(1, 1, 0))
  for (let i = 0; i < 400; i++) say(resetFrame(1, 'FLOW_RESET'))
  world.pass(30_000)
  assert.deepEqual([server.told, client.told], [['up'], ['up']])
})

test('datagrams and UDP payloads beyond the rate are dropped, and the session lives', () => {
  const { world, server, client } = stage({ udpPerSecond: 100 })
  for (let ms = 0; ms < 2000; ms++) {
    for (let i = 0; i < 3; i++) client.session!.sendUdp(2, 1, Buffer.from('x'))
    world.pass(1)
  }
  assert.ok(server.udp.length >= 195 && server.udp.length <= 205, `${server.udp.length}`)
  for (let ms = 0; ms < 2000; ms++) {
    for (let i = 0; i < 3; i++) server.session.sendUdp(2, 1, Buffer.from('x'))
    world.pass(1)
  }
  assert.ok(client.udp.length >= 195 && client.udp.length <= 205, `${client.udp.length}`)
  assert.deepEqual([server.told, client.told], [['up'], ['up']])
})

for (const proto of ['tcp', 'tcpudp'] as const) {
  test(`${proto} bytes are held to the rate both ways, whole and in order`, () => {
    const { world, server, client } = stage({ guestBytesPerSecond: 1_000_000 })
    let there: FlowEnd | undefined
    const total = 1_500_000
    const accept = (flow: Parameters<typeof server.open>[0]): null => {
      there = new FlowEnd(flow, 2, 1, world.clock, { total, fin: true, chunk: () => 5000 })
      world.clock.after(0, () => there!.go())
      return null
    }
    server.open = accept
    const flow = proto === 'tcp' ? client.session!.openFlow(1) : client.session!.flows.tcpudp.open(1)
    const here = new FlowEnd(flow, 1, 2, world.clock, { total, fin: true, chunk: () => 5000 })
    here.go()
    const started = world.clock.now()
    assert.ok(world.pass(20_000, () => here.read === total && there?.read === total))
    const seconds = (world.clock.now() - started) / 1000
    // 3 MB at 1 MB/s; what the client's first windows hold is there before it is charged.
    assert.ok(seconds > 2.3 && seconds < 4, `${seconds} s`)
  })
}

test('tcpudp flows that are held to a rate are forgotten when they are over, and their windows are free for others', () => {
  const { world, server, client } = stage({ guestBytesPerSecond: 2_000_000 })
  const ends: FlowEnd[] = []
  server.open = flow => {
    ends.push(new FlowEnd(flow, 2, 1, world.clock, { total: 0, chunk: () => 1 }))
    const end = ends.at(-1)!
    world.clock.after(0, () => end.flow.end())
    return null
  }
  const total = 100_000
  for (let i = 0; i < 40; i++) {
    const flow = client.session!.flows.tcpudp.open(1)
    new FlowEnd(flow, 1, 2, world.clock, { total, chunk: () => 5000 }).go()
    // When the server's socket has all bytes, and most flows there still wait for turns to pay for them with.
    world.clock.after(500, () => flow.end())
  }
  assert.ok(world.pass(20_000, () => ends.length === 40 && ends.every(end => end.read === total)))
  world.pass(60_000)
  assert.equal(server.session.flows.tcpudp.flows.size, 0)
  assert.equal(server.session.flows.windows.used, 0)
})

test('flows over the ARQ that are begun too fast take no memory, and all of them open in the end', () => {
  const { world, server, client } = stage({ flowsPerSecond: 50, flowBurst: 10, arqFlowFactor: 2 })
  const opened = new Set<number>()
  server.open = flow => {
    opened.add(flow.id)
    return null
  }
  for (let i = 0; i < 200; i++) client.session!.flows.tcpudp.open(1)
  world.pass(50)
  const { flows } = server.session.flows.tcpudp
  assert.ok(flows.size >= 20 && flows.size <= 30, `${flows.size} flows`)
  assert.ok(
    world.pass(20_000, () => opened.size === 200),
    `${opened.size} opened`
  )
})

test('each flow over the ARQ counts against what the guest may keep, until it is forgotten', () => {
  const { world, server, client } = stage({})
  server.open = () => null
  const flows = Array.from({ length: 10 }, () => client.session!.flows.tcpudp.open(1))
  world.pass(100)
  const { used } = server.memory
  assert.ok(used >= 10 * 8192, `${used} bytes`)
  for (const flow of flows.slice(0, 5)) flow.reset('FLOW_RESET')
  world.pass(5000)
  assert.equal(server.memory.used, used / 2)
  server.session.close('GOODBYE')
  assert.equal(server.memory.used, 0)
})
