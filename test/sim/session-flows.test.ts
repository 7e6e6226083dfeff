/** TCP flows of a session that stays up: bytes exact, ends as ends, and no flow in another's way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HyperNatError } from '../../src/errors.js'
import { INITIAL_WINDOW } from '../../src/wire/constants.js'
import { FlowEnd } from '../support/flow-end.js'
import { connected } from '../support/session-peers.js'
import { Traffic } from '../support/session-traffic.js'

test('bytes are exact both ways, whatever the chunks, the path and the readers', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.record({
        delay: fc.nat(200),
        bytesPerMs: fc.integer({ min: 50, max: 20_000 }),
        room: fc.integer({ min: 1000, max: 200_000 })
      }),
      fc.integer({ min: 1, max: 6 }),
      (seed, path, flows) => {
        const { world, server, client } = connected(seed, path)
        const { random } = world
        const options = () => ({
          total: random.chance(0.1) ? 0 : random.int(1, 600_000),
          fin: true,
          chunk: () => random.int(1, random.chance(0.5) ? 100 : 65_536),
          reads: random.int(0, 30)
        })
        const traffic = new Traffic(world, server, client, options)
        for (let i = 0; i < flows; i++) traffic.open(options())
        world.pass(10 * 60_000, () => traffic.finished)
        world.pass(1000)
        traffic.assertFinished()
        assert.deepEqual([client.told, server.told], [['up'], ['up']])
      }
    ),
    { numRuns: 120, includeErrorInReport: true }
  )
})

for (const first of ['client', 'server'] as const) {
  test(`half-close: the ${first} ends, the answer still arrives`, () => {
    const { world, server, client } = connected(1)
    let down!: FlowEnd
    server.open = flow => {
      down = new FlowEnd(flow, 2, 1, world.clock, { total: 100_000, fin: true, chunk: () => 5000 })
      return null
    }
    const up = new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, {
      total: 100_000,
      fin: true,
      chunk: () => 5000
    })
    world.pass(100)
    const [early, late] = first === 'client' ? [up, down] : [down, up]
    early.go()
    world.pass(5000)
    assert.deepEqual([late.read, late.heard], [100_000, ['end']])
    assert.deepEqual([early.read, early.heard], [0, []])
    late.go()
    world.pass(5000)
    assert.deepEqual([early.read, early.heard], [100_000, ['end', 'close']])
    assert.deepEqual(late.heard, ['end', 'close'])
    assert.equal(client.session!.flows.tcp.flows.size + server.session.flows.tcp.flows.size, 0)
  })

  test(`a reset by the ${first} reaches the other side as such, once`, () => {
    const { world, server, client } = connected(1)
    let down!: FlowEnd
    server.open = flow => {
      down = new FlowEnd(flow, 2, 1, world.clock, { total: 100_000, chunk: () => 5000 })
      return null
    }
    const up = new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, {
      total: 100_000,
      chunk: () => 5000
    })
    up.go()
    world.pass(25)
    down.go()
    const [here, there] = first === 'client' ? [up, down] : [down, up]
    here.flow.reset('TARGET_TIMEOUT')
    world.pass(1000)
    assert.deepEqual(here.heard, [])
    assert.deepEqual([there.heard, there.resetBy], [['reset'], 'TARGET_TIMEOUT'])
    assert.equal(client.session!.flows.tcp.flows.size + server.session.flows.tcp.flows.size, 0)
    assert.deepEqual([client.told, server.told], [['up'], ['up']])
  })
}

test('a stalled reader bounds what sender and receiver keep, and holds up no other flow', () => {
  const { world, server, client } = connected(1, { delay: 10, bytesPerMs: 5000 })
  const chunk = () => 65_536
  const traffic = new Traffic(world, server, client, id => ({
    total: 0,
    fin: true,
    chunk,
    reads: id === 1 ? null : 0
  }))
  const stalled = traffic.open({ total: 20_000_000, fin: true, chunk })
  const other = traffic.open({ total: 20_000_000, fin: true, chunk })
  const [sender] = [...client.session!.flows.tcp.flows.values()]
  let most = 0
  for (let i = 0; i < 300; i++) {
    world.pass(100)
    most = Math.max(most, sender!.retained)
  }
  assert.equal(other.down!.read, 20_000_000)
  assert.ok(other.up.closed, 'the other flow did not finish')
  assert.ok(stalled.down!.mostUnread <= INITIAL_WINDOW, `${stalled.down!.mostUnread} bytes held`)
  assert.ok(most <= INITIAL_WINDOW + client.limits.flowQueue + 65_536, `${most} bytes kept`)
  // Everything that it had not read is still there.
  const wake = (): void => {
    stalled.down!.readAll()
    world.clock.after(50, wake)
  }
  wake()
  world.pass(60_000, () => stalled.up.closed && stalled.down!.closed)
  traffic.assertFinished()
})

test('no flow gets more than its window, and the session lends no more than its budget', () => {
  const limits = { sessionWindow: 2 * 1024 * 1024, flowWindow: 1024 * 1024 }
  const { world, server, client } = connected(1, { delay: 50, bytesPerMs: 20_000 }, limits)
  const chunk = () => 65_536
  const traffic = new Traffic(world, server, client, () => ({ total: 0, fin: true, chunk, reads: 5 }))
  for (let i = 0; i < 10; i++) traffic.open({ total: 5_000_000, fin: true, chunk })
  let most = 0
  const look = (): void => {
    let unread = 0
    for (const { down } of traffic.pairs.values()) {
      if (!down) continue
      assert.ok(down.unread <= limits.flowWindow)
      unread += down.unread
    }
    most = Math.max(most, unread)
    world.clock.after(5, look)
  }
  look()
  world.pass(120_000, () => traffic.finished)
  traffic.assertFinished()
  assert.ok(most <= 10 * INITIAL_WINDOW + limits.sessionWindow, `${most} bytes`)
})

test('500 flows at once', () => {
  const { world, server, client } = connected(1, { delay: 10, bytesPerMs: 20_000 })
  const options = () => ({
    total: world.random.int(0, 20_000),
    fin: true,
    chunk: () => world.random.int(1, 8000)
  })
  const traffic = new Traffic(world, server, client, options)
  for (let i = 0; i < 500; i++) traffic.open(options())
  world.pass(60_000, () => traffic.finished)
  world.pass(1000)
  traffic.assertFinished()
})

test('opening a flow and its first bytes take one way, not a round trip', () => {
  const { world, server, client } = connected(1, { delay: 50 })
  world.pass(2000)
  let opened = 0
  let read = 0
  server.open = flow => {
    opened = world.clock.now()
    flow.events = {
      ...flow.events,
      data: () => {
        read = world.clock.now()
      }
    }
    return null
  }
  const started = world.clock.now()
  client.session!.openFlow(1).write(new Uint8Array(10))
  world.pass(200)
  assert.deepEqual([opened - started, read - started], [50, 50])
})

test('one flow too many is refused, at the client and at the server', () => {
  const { world, server, client } = connected(1, {}, { tcpFlows: 5 })
  for (let i = 0; i < 5; i++) client.session!.openFlow(1)
  assert.throws(
    () => client.session!.openFlow(1),
    (err: unknown) => err instanceof HyperNatError && err.code === 'TOO_MANY_FLOWS'
  )
  world.pass(100)
  assert.equal(server.session.flows.tcp.flows.size, 5)

  const greedy = world.client(server, { tcpFlows: 100 })
  greedy.dial()
  world.pass(100)
  const ends = Array.from({ length: 6 }, () => {
    const flow = greedy.session!.openFlow(1)
    return new FlowEnd(flow, 1, 2, world.clock, { total: 10, chunk: () => 10 })
  })
  world.pass(100)
  assert.deepEqual(
    ends.map(end => end.resetBy),
    [null, null, null, null, null, 'TOO_MANY_FLOWS']
  )
})

test('a session that is closed resets its flows at both ends, and says why', () => {
  const { world, server, client } = connected(1)
  const chunk = () => 1000
  const traffic = new Traffic(world, server, client, () => ({ total: 10_000, chunk }))
  const pair = traffic.open({ total: 10_000, chunk })
  world.pass(500)
  server.session.close('GOODBYE', 'The server was stopped.')
  assert.deepEqual(pair.down!.heard, ['reset'])
  world.pass(100)
  assert.deepEqual(pair.up.heard, ['reset'])
  assert.deepEqual(
    [client.told, server.told],
    [
      ['up', 'ended GOODBYE'],
      ['up', 'ended GOODBYE']
    ]
  )
})

test('a flow cannot be opened on a session that is over', () => {
  const { client } = connected(1)
  client.session!.close('GOODBYE')
  assert.throws(() => client.session!.openFlow(1), HyperNatError)
  assert.equal(client.session!.flows.tcp.flows.size, 0)
})
