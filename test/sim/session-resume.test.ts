/** Sessions outlive connections: nothing lost, nothing doubled, wherever a connection dies. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { connected, type World } from '../support/session-peers.js'
import { Traffic } from '../support/session-traffic.js'

/** Runs until all flows are finished; virtual minutes at the most. */
function finish(world: World, traffic: Traffic): void {
  world.pass(5 * 60_000, () => traffic.finished && traffic.server.session.flows.tcp.flows.size === 0)
  traffic.assertFinished()
}

test('a connection that dies after every message, one after the other', () => {
  // A run without deaths tells how many messages there are; then each of them is the last one of its connection.
  for (let last = 1; last < 60; last++) {
    const { world, server, client } = connected(last, { delay: 5, room: 8000, bytesPerMs: 100 })
    const chunk = () => world.random.int(1, 5000)
    const traffic = new Traffic(world, server, client, () => ({ total: 40_000, fin: true, chunk }))
    for (let i = 0; i < 3; i++) traffic.open({ total: 30_000, fin: true, chunk, reads: 3 })
    client.connection!.messagesLeft = last
    traffic.keepConnected()
    finish(world, traffic)
  }
})

test('every connection dies after its n-th message', () => {
  // The greeting takes two messages, an end of a flow two more.
  for (let each = 6; each < 24; each++) {
    const { world, server, client } = connected(each, { delay: 5, room: 8000, bytesPerMs: 100 })
    const chunk = () => world.random.int(1, 5000)
    const traffic = new Traffic(world, server, client, () => ({ total: 40_000, fin: true, chunk }))
    for (let i = 0; i < 3; i++) traffic.open({ total: 30_000, fin: true, chunk })
    client.connection!.messagesLeft = each
    const { dial } = client
    client.dial = (...args) => {
      const connection = dial.apply(client, args)
      connection.messagesLeft = each
      return connection
    }
    traffic.keepConnected()
    finish(world, traffic)
    assert.ok(traffic.dials > 0)
  }
})

test('a connection that dies 1 to 20 times at random moments', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 6 }),
      fc.array(
        fc.record({ after: fc.integer({ min: 0, max: 400 }), client: fc.nat(300), server: fc.nat(300) }),
        {
          minLength: 1,
          maxLength: 20
        }
      ),
      (seed, flows, deaths) => {
        const { world, server, client } = connected(seed, {
          delay: world0(seed),
          room: 32_000,
          bytesPerMs: 400
        })
        const chunk = () => world.random.int(1, 20_000)
        const total = () => world.random.int(0, 300_000)
        const traffic = new Traffic(world, server, client, () => ({
          total: total(),
          fin: true,
          chunk,
          reads: world.random.int(0, 20)
        }))
        for (let i = 0; i < flows; i++)
          traffic.open({ total: total(), fin: true, chunk, reads: world.random.int(0, 20) })
        let at = 0
        for (const { after, client: c, server: s } of deaths) {
          at += after
          world.clock.after(at, () => client.connection!.die({ client: c, server: s }))
        }
        traffic.keepConnected()
        finish(world, traffic)
      }
    ),
    { numRuns: 150, includeErrorInReport: true }
  )
})

test('a new connection while one works, again and again', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(
        fc.record({ after: fc.integer({ min: 0, max: 200 }), delay: fc.integer({ min: 1, max: 100 }) }),
        {
          minLength: 1,
          maxLength: 12
        }
      ),
      (seed, dials) => {
        const { world, server, client } = connected(seed, { delay: 20, room: 32_000, bytesPerMs: 500 })
        const chunk = () => world.random.int(1, 20_000)
        const total = () => world.random.int(0, 100_000)
        const options = () => ({ total: total(), fin: true, chunk, reads: world.random.int(0, 20) })
        const traffic = new Traffic(world, server, client, options)
        for (let i = 0; i < 3; i++) traffic.open(options())
        let at = 0
        for (const { after, delay } of dials) {
          at += after
          world.clock.after(at, () => client.dial({ delay, room: 32_000, bytesPerMs: 500 }))
          // Flows are opened all the time, also between HELLO and WELCOME.
          for (let i = 0; i < 4; i++)
            world.clock.after(at + world.random.int(0, 100), () => void traffic.open(options()))
        }
        world.pass(at + 150)
        traffic.keepConnected()
        finish(world, traffic)
        assert.ok(!client.told.some(told => told.startsWith('ended')), `${client.told}`)
      }
    ),
    { numRuns: 80, includeErrorInReport: true }
  )
})

function world0(seed: number): number {
  return 1 + (Math.abs(seed) % 40)
}

test('datagrams that are on their way when another connection takes over arrive, and the old one ends a second later', () => {
  const { world, server, client } = connected(7, { delay: 40 })
  const old = client.connection!
  let sent = 0
  const tick = (): void => {
    for (const { session } of [client, server]) session!.sendUdp(2, 1, new Uint8Array([sent]))
    sent++
    world.clock.after(10, tick)
  }
  tick()
  world.pass(500)
  client.dial({ delay: 5 })
  assert.ok(world.pass(200, () => client.told.includes('resumed')))
  assert.equal(old.server.gone, false, 'the old connection is still there')
  const last = sent
  world.pass(900)
  for (const { udp } of [client, server]) {
    const numbers = new Set(udp.map(({ payload }) => payload[0]))
    const lost = Array.from({ length: last }, (_, i) => i).filter(i => !numbers.has(i))
    assert.deepEqual(lost, [])
  }
  world.pass(200)
  assert.ok(old.server.gone && old.client.gone)
  assert.equal(client.session!.datagramCounts.dropped.forged, 0)
})

test('datagrams that are packed when another connection takes over are sent over the old one', () => {
  const { world, server, client } = connected(9, { delay: 40 })
  world.pass(300)
  for (const session of [client.session!, server.session]) {
    const attach = session.attach.bind(session)
    session.attach = attachment => {
      // The second of a turn of the event loop waits for its end, and the other connection takes over before.
      for (const byte of [1, 2]) session.sendUdp(2, 1, new Uint8Array([byte]))
      attach(attachment)
    }
  }
  client.dial({ delay: 5 })
  assert.ok(world.pass(200, () => client.told.includes('resumed')))
  world.pass(200)
  for (const { udp } of [client, server])
    assert.deepEqual(
      udp.map(({ payload }) => payload[0]),
      [1, 2]
    )
})

test('only one old connection is kept, however many take over, and none when the session ends', () => {
  const { world, server, client } = connected(8, { delay: 5 })
  const connections = [client.connection!]
  for (let i = 0; i < 5; i++) {
    connections.push(client.dial())
    assert.ok(world.pass(100, () => client.told.filter(what => what === 'resumed').length === i + 1))
  }
  assert.deepEqual(
    connections.map(({ server }) => server.gone),
    [true, true, true, true, false, false]
  )
  server.session.close('GOODBYE')
  world.pass(50)
  assert.ok(connections.every(one => one.server.gone && one.client.gone))
})
