/** tcpudp flows of a session whose connections come and go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ByteFlow, ignoreEvents } from '../../src/flows/byte-flow.js'
import { LIMITS } from '../../src/limits.js'
import { assertWhole, FlowEnd } from '../support/flow-end.js'
import { connected } from '../support/session-peers.js'

interface Pair {
  readonly up: FlowEnd
  down: FlowEnd | null
}

/** Flows that send both ways at once, and a client that dials again. */
function run(seed: number, path: object, flows: number, deaths: readonly number[]): void {
  const { world, server, client } = connected(seed, { delay: 15, ...path })
  const pairs = new Map<number, Pair>()
  const options = () => ({
    total: world.random.int(0, 150_000),
    fin: true,
    chunk: () => world.random.int(1, 20_000),
    reads: world.random.int(0, 10)
  })
  server.open = flow => {
    const pair = pairs.get(flow.id)!
    assert.equal(pair.down, null, 'opened twice')
    const end = new FlowEnd(flow, flow.id * 2 + 1, flow.id * 2, world.clock, options())
    pair.down = end
    world.clock.after(0, () => end.go())
    return null
  }
  for (let i = 0; i < flows; i++) {
    const flow = client.session!.flows.tcpudp.open(1)
    const end = new FlowEnd(flow, flow.id * 2, flow.id * 2 + 1, world.clock, options())
    pairs.set(flow.id, { up: end, down: null })
    end.go()
  }
  let at = 0
  for (const after of deaths) {
    at += after
    world.clock.after(at, () => client.connection!.die())
  }
  const look = (): void => {
    if (client.session!.state === 'ended') return
    if (client.connection!.dead) client.dial()
    world.clock.after(50, look)
  }
  look()
  const finished = (): boolean => [...pairs.values()].every(({ up, down }) => up.closed && down?.closed)
  world.pass(5 * 60_000, finished)
  for (const [id, { up, down }] of pairs) {
    assert.ok(down, `flow ${id} never reached the server`)
    const where = `flow ${id}: ${down.read} of ${up.options.total}, ${up.read} of ${down.options.total}; ${up.heard}; ${down.heard}`
    assertWhole(up, down, where)
  }
  // Flows linger for late segments, not for ever.
  world.pass(
    5 * 60_000,
    () => client.session!.flows.tcpudp.flows.size + server.session.flows.tcpudp.flows.size === 0
  )
  assert.equal(
    client.session!.flows.tcpudp.flows.size + server.session.flows.tcpudp.flows.size,
    0,
    'flows left behind'
  )
}

test('bytes are exact over connections that die', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.record({
        loss: fc.constantFrom(0, 0.02, 0.2),
        duplicate: fc.constantFrom(0, 0.05),
        jitter: fc.nat(20)
      }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 8 }),
      run
    ),
    { numRuns: 60, includeErrorInReport: true }
  )
})

test('a flow that begins where others fill the queue knows the path without it, until the path is another', () => {
  const path = { delay: 20 }
  const { world, server, client } = connected(3, path)
  server.open = () => null
  world.pass(3500)
  path.delay = 35
  const leastOf = (): number => {
    const flow = client.session!.flows.tcpudp.open(1)
    flow.write(new Uint8Array(5000))
    world.pass(300)
    return flow.stats.minRtt
  }
  assert.equal(leastOf(), 40)
  client.connection!.die()
  client.dial()
  world.pass(1500)
  assert.equal(leastOf(), 70)
})

test('flows that are over are forgotten, however often their connection dies', () => {
  const { world, server, client } = connected(1, { delay: 15 })
  server.open = flow => {
    flow.events = { ...flow.events, end: () => flow.end() }
    return null
  }
  for (let i = 0; i < 20; i++) client.session!.flows.tcpudp.open(1).end()
  world.pass(500)
  const { tcpudp } = client.session!.flows
  assert.deepEqual([tcpudp.flows.size, tcpudp.live], [20, 0])
  for (let i = 0; i < 20; i++) {
    world.pass(2000)
    client.connection!.die()
    world.pass(1000)
    client.dial()
  }
  assert.deepEqual([tcpudp.flows.size, server.session.flows.tcpudp.flows.size], [0, 0])
})

test('a flow that a program opens when another one brings it something is opened at once', () => {
  const { world, client, server } = connected(1, { delay: 10, reach: 'public' })
  const seen: ByteFlow[] = []
  server.open = flow => {
    seen.push(flow)
    return null
  }
  const first = client.session!.flows.tcpudp.open(1)
  let pieces = 0
  first.events = {
    ...ignoreEvents,
    data: () => {
      if (++pieces === 2) client.session!.flows.tcpudp.open(1)
    }
  }
  world.pass(500)
  // Two segments, which one turn brings.
  seen[0]!.write(new Uint8Array(2500))
  world.pass(1000)
  assert.ok(pieces >= 2)
  assert.equal(seen.length, 2)
})

test('flows move as soon as a silent path carries something again, and do not wait for their next probe', () => {
  for (let silence = 3000; silence <= 9000; silence += 500) {
    const { world, server, client } = connected(silence, { delay: 15 })
    const options = { total: 100_000_000, chunk: () => 1000 }
    const up = new FlowEnd(client.session!.flows.tcpudp.open(1), 2, 3, world.clock, options)
    const ends = [up]
    server.open = flow => {
      const down = new FlowEnd(flow, 3, 2, world.clock, options)
      ends.push(down)
      world.clock.after(0, () => down.go())
      return null
    }
    up.go()
    world.pass(200)
    const { connection } = client
    connection!.fallSilent()
    world.pass(silence)
    const before = ends.map(end => end.read)
    connection!.speakAgain()
    const from = world.clock.now()
    world.pass(5000, () => ends.every((end, i) => end.read > before[i]!))
    const ms = world.clock.now() - from
    // Both sides ping every 400 ms; then it takes a round trip.
    assert.ok(ms <= LIMITS.pingUrgentMs + 3 * 15, `${ms} ms after a silence of ${silence} ms`)
  }
})
