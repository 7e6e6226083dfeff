/** A session on a path whose MTU changes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { FlowEnd } from '../support/flow-end.js'
import type { MemoryLinkOptions } from '../support/memory-link.js'
import { connected } from '../support/session-peers.js'

/** Both ends send 3 MB over one ARQ flow, and UDP payloads of 1400 bytes every 20 ms. */
function busy(path: MemoryLinkOptions) {
  const peers = connected(1, path)
  const { world, server, client } = peers
  const options = { total: 3_000_000, fin: true, chunk: () => 20_000 }
  const ends: FlowEnd[] = []
  server.open = flow => {
    ends.push(new FlowEnd(flow, 2, 1, world.clock, options))
    world.clock.after(0, () => ends[1]!.go())
    return null
  }
  ends.push(new FlowEnd(client.session!.flows.tcpudp.open(1), 1, 2, world.clock, options))
  ends[0]!.go()
  const tick = (): void => {
    client.session!.sendUdp(2, 1, b4a.alloc(1400))
    server.session.sendUdp(2, 1, b4a.alloc(1400))
    world.clock.after(20, tick)
  }
  tick()
  return { ...peers, ends }
}

for (const delay of [1, 20, 75]) {
  test(`a path of ${2 * delay} ms that shrinks while it is in use carries everything again within 2 s`, () => {
    const path: MemoryLinkOptions = { delay, datagramSize: 5000, mtu: 1500 }
    const { world, server, client, ends } = busy(path)
    world.pass(10 * delay + 100)
    const sizes = (): number =>
      client.connection!.client.sent.reduce((most, { length }) => Math.max(most, length), 0)
    client.connection!.client.record = true
    world.pass(100)
    assert.ok(sizes() > 1400, `${sizes()}: the larger size is in use`)
    path.mtu = 1280
    const before = [client, server].map(({ udp }) => udp.length)
    const read = ends.map(end => end.read)
    world.pass(2000)
    for (const [i, { udp }] of [client, server].entries()) {
      assert.ok(udp.length - before[i]! >= 40, `${udp.length - before[i]!} of 100 payloads`)
    }
    for (const [i, end] of ends.entries()) {
      assert.ok(end.read > read[i]! + 100_000 || end.closed, `${end.read - read[i]!} bytes`)
    }
    assert.ok(client.session!.quality.loss > 0, 'what was lost is told')
    world.pass(60_000, () => ends.every(end => end.closed))
    assert.deepEqual(
      ends.map(({ read, heard }) => [read, ...heard]),
      [
        [3_000_000, 'end', 'close'],
        [3_000_000, 'end', 'close']
      ]
    )
    assert.deepEqual([client.told, server.told], [['up'], ['up']])
  })
}

test('a path of the smallest MTU from the start carries everything', () => {
  const { world, client, ends } = busy({ delay: 20, datagramSize: 5000, mtu: 1200 })
  world.pass(60_000, () => ends.every(end => end.closed))
  assert.deepEqual(
    ends.map(({ read }) => read),
    [3_000_000, 3_000_000]
  )
  assert.ok(client.udp.length > 0)
})

test('a link that moves to another path measures everything again', () => {
  const path: MemoryLinkOptions = { delay: 5, datagramSize: 5000, mtu: 1500 }
  const { world, server, client, ends } = busy(path)
  world.pass(200)
  const { client: link } = client.connection!
  const [flow] = client.session!.flows.tcpudp.flows.values()
  assert.deepEqual([flow!.stats.state, flow!.stats.minRtt < 15], ['open', true])
  path.delay = 60
  path.mtu = 1280
  link.events.path()
  client.connection!.server.events.path()
  world.pass(3000)
  assert.ok(client.session!.quality.rtt! >= 120, `${client.session!.quality.rtt} ms`)
  const { minRtt } = flow!.stats
  assert.ok(minRtt >= 119, `${minRtt} ms`)
  link.record = true
  world.pass(500)
  // But for probes, whose sizes are tried a few times a second.
  const larger = link.sent.filter(({ length }) => length > 1280).length
  assert.ok(link.sent.length >= 50 && larger <= 5, `${larger} of ${link.sent.length} datagrams`)
  world.pass(60_000, () => ends.every(end => end.closed))
  assert.deepEqual(
    ends.map(({ read }) => read),
    [3_000_000, 3_000_000]
  )
  assert.deepEqual([client.told, server.told], [['up'], ['up']])
})

/** Datagrams of more than 1400 bytes that both ends send in `ms`: probes, since nothing else is so large. */
function probes({ world, client }: ReturnType<typeof connected>, ms: number): number[] {
  const ends = [client.connection!.client, client.connection!.server]
  for (const end of ends) {
    end.sent.length = 0
    end.record = true
  }
  world.pass(ms)
  return ends.map(({ sent }) => sent.filter(({ length }) => length > 1400).length)
}

test('a stream of large packets is watched while it sends, and left alone while it does not', () => {
  const peers = connected(1, { delay: 20, datagramSize: 5000, mtu: 1500, streamMtu: 1500, bytesPerMs: 1000 })
  const { world, server, client } = peers
  world.pass(5000)
  assert.deepEqual(probes(peers, 10_000), [0, 0], 'an idle session')
  server.open = flow => {
    new FlowEnd(flow, 2, 1, world.clock, { total: 0, fin: true, chunk: () => 1 }).go()
    return null
  }
  const upload = { total: 20_000_000, fin: true, chunk: () => 20_000 }
  new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, upload).go()
  const [up] = probes(peers, 3000)
  assert.ok(up! >= 5, `${up} probes in 3 s`)
})

test('a stream of large packets on a path that shrinks is given up, and the session resumed', () => {
  const path = { delay: 20, datagramSize: 5000, mtu: 1500, streamMtu: 1500, bytesPerMs: 1000 }
  const { world, server, client } = connected(1, path)
  world.pass(5000)
  const total = 5_000_000
  server.open = flow => {
    ends.push(new FlowEnd(flow, 2, 1, world.clock, { total: 0, fin: true, chunk: () => 1 }))
    ends[1]!.go()
    return null
  }
  const ends = [
    new FlowEnd(client.session!.openFlow(1), 1, 2, world.clock, { total, fin: true, chunk: () => 20_000 })
  ]
  ends[0]!.go()
  world.pass(500)
  path.mtu = 1280
  world.pass(2000)
  assert.deepEqual(client.told, ['up', 'lost CONNECTION_LOST'])
  client.dial({ delay: 20 })
  world.pass(60_000, () => ends.every(end => end.closed))
  assert.deepEqual(
    ends.map(({ read }) => read),
    [0, total]
  )
})
