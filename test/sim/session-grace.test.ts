/** What happens to flows and sessions while there is no connection, and when none comes back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HyperNatError } from '../../src/errors.js'
import { LIMITS } from '../../src/limits.js'
import { FlowEnd } from '../support/flow-end.js'
import { connected, TestClient } from '../support/session-peers.js'
import { Traffic } from '../support/session-traffic.js'

const chunk = () => 10_000

const isExpired = (err: unknown): boolean => (err as HyperNatError).code === 'SESSION_EXPIRED'

function up(seed: number, limits = {}) {
  const stage = connected(seed, { delay: 10, bytesPerMs: 1000 }, limits)
  const traffic = new Traffic(stage.world, stage.server, stage.client, () => ({
    total: 200_000,
    chunk,
    fin: true
  }))
  return { ...stage, traffic }
}

test('a session that does not come back resets its flows when its grace is over, at both ends', () => {
  const { world, server, client, traffic } = up(1)
  const { up: here } = traffic.open({ total: 200_000, chunk })
  world.pass(50)
  const { down: there } = traffic.pairs.get(1)!
  client.connection!.die()
  world.pass(LIMITS.resumeSeconds * 1000 - 10)
  assert.deepEqual([client.session!.state, server.session.state], ['lost', 'lost'])
  assert.deepEqual([here.heard, there!.heard], [[], []])
  world.pass(20)
  assert.equal(client.session!.state, 'ended')
  assert.equal(server.sessions.size, 0)
  assert.deepEqual([here.resetBy, there!.resetBy], ['SESSION_EXPIRED', 'SESSION_EXPIRED'])
  assert.deepEqual([here.heard, there!.heard], [['reset'], ['reset']])
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'ended SESSION_EXPIRED'])
})

test('a session whose time would run out while the server answers goes on', () => {
  const { world, server, client, traffic } = up(1)
  const { up: here } = traffic.open({ total: 200_000, chunk, fin: true })
  world.pass(50)
  client.connection!.die()
  const ends = world.clock.now() + LIMITS.resumeSeconds * 1000
  // The server is asked after 10 ms, and its answer comes after 20.
  world.pass(ends - 15 - world.clock.now())
  client.dial()
  world.pass(12)
  assert.deepEqual([client.session!.state, server.session.state], ['lost', 'up'])
  world.pass(2000)
  assert.equal(here.read, 200_000)
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'resumed'])
})

test('a server that is asked for a session and says nothing keeps it no longer than a greeting may take', () => {
  const { world, client } = up(1)
  client.connection!.die()
  world.pass(LIMITS.resumeSeconds * 1000 - 5)
  client.server.onLink = () => {}
  client.dial()
  world.pass(LIMITS.greetingMs - 100)
  assert.equal(client.session!.state, 'lost')
  world.pass(200)
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'ended SESSION_EXPIRED'])
})

test('with resume 0 the flows are reset at once', () => {
  const { world, client, server, traffic } = up(1, { resumeSeconds: 0 })
  const { up: here } = traffic.open({ total: 200_000, chunk })
  world.pass(50)
  client.connection!.die()
  world.pass(1)
  assert.deepEqual(here.heard, ['reset'])
  assert.equal(server.sessions.size, 0)
  client.dial()
  world.pass(100)
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'ended SESSION_EXPIRED', 'up'])
})

test('grace counts from the last loss, not from the first', () => {
  const { world, client } = up(1)
  for (let i = 0; i < 5; i++) {
    client.connection!.die()
    world.pass(40_000)
    client.dial()
    world.pass(1000)
    assert.equal(client.session!.state, 'up')
  }
  assert.ok(!client.told.some(told => told.startsWith('ended')))
})

test('a server that was restarted does not know the session: flows are reset at once, new ones work', () => {
  const { world, server, client, traffic } = up(1)
  const { up: here } = traffic.open({ total: 200_000, chunk, fin: true })
  world.pass(50)
  client.connection!.die()
  server.sessions.clear()
  world.pass(10)
  client.dial()
  world.pass(100)
  assert.deepEqual(here.heard, ['reset'])
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'ended SESSION_EXPIRED', 'up'])
  traffic.pairs.clear()
  traffic.open({ total: 50_000, chunk, fin: true })
  world.pass(5000, () => traffic.finished)
  traffic.assertFinished()
})

test('a stranger who knows the session gets a new one, and the old one is untouched', () => {
  const { world, server, client, traffic } = up(1)
  traffic.open({ total: 500_000, chunk, fin: true })
  world.pass(50)
  const stranger = new TestClient(world, server, world.bytes(32), client.limits)
  // The stranger has seen everything of the session, its flows too.
  stranger.session = client.session
  stranger.dial()
  stranger.onwelcome = welcome => assert.equal(welcome.resumed, null)
  const { session } = client
  session!.close = () => {}
  world.pass(100)
  assert.equal(server.sessions.size, 2)
  assert.equal(stranger.session!.flows.tcp.flows.size, 0)
  world.pass(5000, () => traffic.finished)
  assert.equal(traffic.pairs.get(1)!.down!.read, 500_000)
})

test('flows opened and written while lost begin when it is back', () => {
  const { world, client, traffic } = up(1)
  client.connection!.die()
  world.pass(10)
  const pairs = Array.from({ length: 5 }, () => traffic.open({ total: 300_000, chunk, fin: true }))
  assert.ok(
    pairs.every(pair => pair.up.written < 300_000),
    'the flow took more than its queue'
  )
  traffic.keepConnected()
  world.pass(10_000, () => traffic.finished)
  traffic.assertFinished()
})

for (const end of ['client', 'server'] as const) {
  test(`flows reset at the ${end} while lost are reset at the other side when it is back`, () => {
    const { world, client, traffic } = up(1)
    const reset = traffic.open({ total: 200_000, chunk })
    const kept = traffic.open({ total: 200_000, chunk, fin: true })
    world.pass(50)
    client.connection!.die()
    world.pass(10)
    const [here, there] = end === 'client' ? [reset.up, reset.down!] : [reset.down!, reset.up]
    here.flow.reset('FLOW_RESET')
    client.dial()
    world.pass(5000, () => kept.up.closed && kept.down!.closed)
    assert.deepEqual([here.heard, there.heard], [[], ['reset']])
    traffic.pairs.delete(1)
    traffic.assertFinished()
  })
}

test('a flow reset between greeting and answer does not stay behind at the server', () => {
  const { world, client, server, traffic } = up(1)
  const reset = traffic.open({ total: 200_000, chunk })
  world.pass(50)
  client.connection!.die()
  world.pass(10)
  client.dial()
  world.pass(5)
  // The HELLO that lists the flow is on its way.
  reset.up.flow.reset('FLOW_RESET')
  world.pass(5000)
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'resumed'])
  assert.equal(server.session.flows.tcp.flows.size, 0, 'a flow is left at the server')
  assert.deepEqual(reset.down!.heard, ['reset'])
})

test('a flow whose last acknowledgement is lost is closed, not reset', () => {
  // The connection dies around each of the last messages; whoever has finished, the other one finishes too.
  for (let last = 3; last < 20; last++) {
    for (const lead of [0, 200]) {
      const { world, server, client } = connected(last, { delay: 10 })
      const options = { total: 100, fin: true, chunk: () => 100 }
      const traffic = new Traffic(world, server, client, () => options)
      world.pass(2000)
      client.connection!.messagesLeft = last
      traffic.open(options)
      traffic.keepConnected()
      world.pass(lead)
      world.pass(30_000)
      traffic.assertFinished()
    }
  }
})

test('what is kept while lost is bounded, however much the programs want to send', () => {
  const { world, server, client } = connected(1, { delay: 100, bytesPerMs: 5000 })
  const traffic = new Traffic(world, server, client, () => ({
    total: 50_000_000,
    chunk: () => 65_536,
    fin: true
  }))
  for (let i = 0; i < 3; i++) traffic.open({ total: 50_000_000, chunk: () => 65_536, fin: true })
  world.pass(3000)
  client.connection!.die()
  world.pass(30_000)
  const { flowWindow, flowQueue } = client.limits
  for (const session of [client.session!, server.session]) {
    for (const flow of session.flows.tcp.flows.values()) {
      assert.ok(flow.retained <= flowWindow + flowQueue + 65_536, `${flow.retained} bytes are kept`)
    }
  }
})

test('a connection that falls silent is given up, and its session goes on over another', () => {
  const { world, server, client, traffic } = up(1)
  traffic.open({ total: 3_000_000, chunk, fin: true })
  const silences: number[] = []
  client.more.silent = ms => {
    silences.push(ms)
    if (ms >= client.limits.silentMs && client.connection === old) client.dial()
  }
  world.pass(100)
  const old = client.connection
  const since = world.clock.now()
  old!.fallSilent()
  world.pass(6000, () => client.told.includes('resumed'))
  const took = world.clock.now() - since
  assert.ok(took < 4500, `${took} ms until it was back`)
  world.pass(60_000, () => traffic.finished)
  traffic.assertFinished()
  assert.deepEqual(server.told, ['up', 'resumed'])
  assert.ok(silences.length > 0)
})

test('a silence that ends leaves the connection as it is; one that does not ends it', () => {
  const { world, server, client } = connected(1, { delay: 10 })
  client.connection!.fallSilent()
  world.pass(10_000)
  client.connection!.speakAgain()
  world.pass(10_000)
  assert.deepEqual([client.told, server.told], [['up'], ['up']])
  client.connection!.fallSilent()
  world.pass(LIMITS.deadMs + LIMITS.pingMs)
  assert.deepEqual(
    [client.told, server.told],
    [
      ['up', 'lost CONNECTION_LOST'],
      ['up', 'lost CONNECTION_LOST']
    ]
  )
})

test('events that call back into the session while it ends do no harm', () => {
  const { world, client, traffic } = up(1)
  const pairs = Array.from({ length: 4 }, () => traffic.open({ total: 200_000, chunk }))
  world.pass(50)
  for (const { up: end } of pairs) {
    const { events } = end.flow
    end.flow.events = {
      ...events,
      reset: code => {
        events.reset(code)
        for (const other of pairs) other.up.flow.reset('FLOW_RESET')
        client.session!.close('GOODBYE')
      }
    }
  }
  client.more.lost = () => client.session!.close('GOODBYE')
  client.connection!.die()
  world.pass(100_000)
  assert.deepEqual(client.told, ['up', 'lost ECONNRESET', 'ended GOODBYE'])
  assert.equal(client.session!.flows.tcp.flows.size, 0)
})

test('every end of a flow is reported once, over any number of lost connections', () => {
  const { world, server, client } = connected(3, { delay: 3, room: 10_000, bytesPerMs: 100 })
  const traffic = new Traffic(world, server, client, () => ({ total: 30_000, fin: true, chunk: () => 999 }))
  for (let i = 0; i < 10; i++) traffic.open({ total: 20_000, fin: true, chunk: () => 777 })
  traffic.keepConnected(5)
  const die = (): void => {
    client.connection!.die({ client: world.random.int(0, 30), server: world.random.int(0, 60) })
    world.clock.after(world.random.int(60, 200), die)
  }
  die()
  world.pass(120_000, () => traffic.finished && server.session.flows.tcp.flows.size === 0)
  traffic.assertFinished()
  assert.ok(traffic.dials > 5)
})

test('an end program that never reads keeps its window through many connections', () => {
  const { world, server, client } = connected(4, { delay: 5 })
  let there!: FlowEnd
  server.open = flow => {
    there = new FlowEnd(flow, 2, 1, world.clock, { total: 0, chunk, reads: null })
    return null
  }
  const flow = client.session!.openFlow(1)
  new FlowEnd(flow, 1, 2, world.clock, { total: 5_000_000, chunk }).go()
  for (let i = 0; i < 20; i++) {
    world.pass(300)
    client.connection!.die()
    world.pass(20)
    client.dial()
  }
  world.pass(300)
  assert.equal(there.read, 256 * 1024)
})

for (const proto of ['tcp', 'tcpudp'] as const) {
  test(`a session that is closed while ${proto} flows are open takes no flow, and leaves no timer`, () => {
    const { world, server, client } = connected(1, { delay: 10, bytesPerMs: 1000 }, { listMs: 60_000 })
    const { session } = client
    session!.events.maps = () => {}
    server.open = flow => {
      new FlowEnd(flow, 2, 1, world.clock, { total: 10_000_000, chunk }).go()
      return null
    }
    new FlowEnd(session!.connect(1, proto), 1, 2, world.clock, { total: 10_000_000, chunk }).go()
    world.pass(500)
    for (let i = 0; i < 2; i++) server.session.sendMaps([])
    world.pass(15)
    const trips: (number | null)[] = []
    session!.ping(rtt => trips.push(rtt))
    // The first leaves at once, the second would at the end of the turn.
    for (let i = 0; i < 2; i++) session!.sendUdp(2, 1, new Uint8Array(10), true)
    session!.close('GOODBYE')
    assert.deepEqual(trips, [null])
    assert.throws(() => session!.connect(1, proto), isExpired)
    // What was on its way arrives.
    world.pass(500)
    assert.equal(server.told.at(-1), 'ended GOODBYE')
    assert.equal(session!.datagramCounts.dropped.choked, 0)
    assert.equal(world.clock.pending, 0)
  })
}
