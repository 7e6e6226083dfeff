/** What the ordered stream carries next, seen on the wire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMessage } from '../../../src/wire/frames.js'
import { FlowEnd } from '../../support/flow-end.js'
import { connected } from '../../support/session-peers.js'
import { type Call, frameRecorder } from '../wire/sinks.js'

function bulk(seed: number) {
  const stage = connected(seed, { delay: 10, bytesPerMs: 200, room: 64 * 1024 })
  const { world, client, server } = stage
  server.open = flow => {
    new FlowEnd(flow, flow.id + 1, flow.id, world.clock, { total: 0, chunk: () => 1 })
    return null
  }
  const open = (total: number): FlowEnd => {
    const flow = client.session!.openFlow(1)
    return new FlowEnd(flow, flow.id, flow.id + 1, world.clock, { total, chunk: () => 65_536 })
  }
  const frames = (): Call[] => {
    const calls: Call[] = []
    for (const message of client.connection!.client.written) readMessage(message, frameRecorder(calls))
    return calls
  }
  client.connection!.client.record = true
  return { ...stage, open, frames }
}

test('a small write waits for what the link holds and one turn of the others, not for their queues', () => {
  const { world, open, frames } = bulk(1)
  const downloads = Array.from({ length: 4 }, () => open(4_000_000))
  const small = open(0)
  for (const download of downloads) download.go()
  // Each has had its first turn.
  world.pass(2000)
  const before = frames().length
  small.flow.write(new Uint8Array(1))
  world.pass(2000)
  const after = frames().slice(before)
  const at = after.findIndex(([name, flow]) => name === 'data' && flow === small.flow.id)
  assert.ok(at >= 0)
  let others = 0
  for (const [name, , , bytes] of after.slice(0, at)) {
    if (name === 'data') others += (bytes as Uint8Array).byteLength
  }
  assert.ok(others <= 16 * 1024, `${others} bytes of the others went first`)
})

test('many bulk flows get equal shares', () => {
  const { world, open, frames } = bulk(2)
  const ends = Array.from({ length: 5 }, () => open(4_000_000))
  for (const end of ends) end.go()
  world.pass(6000)
  const shares = new Map<number, number>()
  for (const [name, flow, , bytes] of frames()) {
    if (name !== 'data') continue
    shares.set(flow as number, (shares.get(flow as number) ?? 0) + (bytes as Uint8Array).byteLength)
  }
  const counts = [...shares.values()]
  assert.equal(counts.length, 5)
  assert.ok(Math.min(...counts) > 100_000)
  assert.ok(Math.max(...counts) / Math.min(...counts) < 1.3, `${counts}`)
})

test('control frames go before data', () => {
  const { world, open, frames, client } = bulk(3)
  open(4_000_000).go()
  world.pass(100)
  const before = frames().length
  client.session!.openFlow(1)
  world.pass(400)
  const after = frames().slice(before)
  const at = after.findIndex(([name]) => name === 'open')
  const data = after.slice(0, at).filter(([name]) => name === 'data').length
  assert.ok(at >= 0 && data <= 1, `${data} frames of data went first`)
})

test('a program that ends the session from within its drain does so between messages', () => {
  const { world, client, open } = bulk(5)
  const ends = [open(3_000_000), open(3_000_000), open(3_000_000)]
  const { flow } = ends[0]!
  flow.events = { ...flow.events, drain: () => client.session!.close('GOODBYE') }
  for (const end of ends) end.go()
  world.pass(10_000)
  assert.equal(client.session!.state, 'ended')
  assert.deepEqual(client.told, ['up', 'ended GOODBYE'])
  assert.equal(client.session!.flows.tcp.kept.used, 0)
})

test('a program that writes from within its drain does not disturb the message that is being built', () => {
  const { world, client, server } = connected(4, { delay: 5, bytesPerMs: 500, room: 64 * 1024 })
  let there: FlowEnd | undefined
  server.open = flow => {
    there = new FlowEnd(flow, 2, 1, world.clock, { total: 0, chunk: () => 1 })
    return null
  }
  const flow = client.session!.openFlow(1)
  const end = new FlowEnd(flow, 1, 2, world.clock, { total: 3_000_000, fin: true, chunk: () => 50_000 })
  flow.events = { ...flow.events, drain: () => end.go() }
  end.go()
  world.pass(30_000)
  assert.deepEqual([client.told, server.told], [['up'], ['up']])
  assert.equal(there!.read, 3_000_000)
})

test('a program that opens a flow when another is closed does not disturb the message that is being built', () => {
  const { world, client, server } = connected(5, { delay: 5 })
  let opened = 0
  server.open = flow => {
    opened++
    const end = new FlowEnd(flow, 2, 1, world.clock, { total: 0, fin: true, chunk: () => 1 })
    world.clock.after(0, () => end.go())
    return null
  }
  const open = (depth: number): void => {
    const flow = client.session!.openFlow(1)
    flow.events = {
      ...flow.events,
      end: () => {
        if (depth > 0) open(depth - 1)
      },
      close: () => {
        if (depth > 0) open(depth - 1)
      }
    }
    flow.end()
  }
  for (let i = 0; i < 5; i++) open(3)
  world.pass(2000)
  assert.deepEqual([client.told, server.told], [['up'], ['up']])
  assert.equal(opened, 5 * 15)
})
