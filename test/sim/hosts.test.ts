// A client and the hosts of one secret, on a virtual clock: who is found, kept, waited for, and never used.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { closedMap } from '../../src/client/open-map.js'
import { UdpFlowTable } from '../../src/client/udp-flows.js'
import { LIMITS } from '../../src/limits.js'
import { silentLog } from '../../src/log/log.js'
import type { ClientSession } from '../../src/session/client-session.js'
import { reject } from '../../src/session/handshake.js'
import type { ServerSession } from '../../src/session/server-session.js'
import { MAPS } from '../support/session-peers.js'
import { TestDht, type TestHost } from './support/test-dht.js'

/** How long programs may have to wait when a host dies, ms. */
const FAILOVER_MS = 5000

function up(...hosts: TestHost[]): boolean {
  return hosts.every(host => host.server.sessions.size === 1 && host.server.session.state === 'up')
}

/** A DHT with hosts of these delays, and a client that has found them all. */
async function found<Delays extends readonly number[]>(...delays: Delays) {
  const dht = new TestDht()
  const hosts = delays.map(delay => dht.host(delay))
  dht.hosts.start()
  await dht.pass(20_000)
  return [dht, ...hosts] as unknown as [TestDht, ...{ [K in keyof Delays]: TestHost }]
}

/** Opens a flow as the client does; tells when it is reset. */
function openFlow(session: ClientSession): { over: () => boolean } {
  const flow = session.openFlow(1)
  let over = false
  flow.events = { ...flow.events, reset: () => (over = true) }
  return { over: () => over }
}

test('all hosts are found, each is greeted once, and the nearest is used', async () => {
  const dht = new TestDht()
  const hosts = [dht.host(60), dht.host(15), dht.host(80)]
  dht.hosts.start()
  await dht.pass(20_000)
  assert.ok(up(...hosts))
  for (const { server } of hosts) assert.deepEqual(server.told, ['up'])
  assert.equal(dht.picked, hosts[1])
  assert.equal(new Set(dht.told('connected').map(e => e.host)).size, 3)
  assert.equal(dht.told('waiting').length, 0)
  assert.equal(dht.hosts.chosen, dht.hosts.pick(0))
  const connections = dht.hosts.connected.map(host => host.connection!)
  assert.deepEqual(
    new Set(connections.map(({ host }) => host)),
    new Set(dht.told('connected').map(({ host }) => host))
  )
  for (const { path, shared, quality } of connections) {
    assert.deepEqual([path, shared.length, quality.loss], ['direct', MAPS.length, 0])
  }
  const near = connections.find(({ host }) => host === dht.hosts.chosen!.name)!
  assert.equal(Math.min(...connections.map(({ quality }) => quality.rtt!)), near.quality.rtt)
  // While all is well, there is next to nothing to do.
  const [dials, lookUps] = [dht.dials.length, dht.lookUps]
  await dht.pass(10 * 60_000)
  assert.equal(dht.dials.length, dials)
  assert.ok(dht.lookUps - lookUps <= 11, `${dht.lookUps - lookUps} look-ups in 10 minutes`)
  dht.hosts.close()
})

test("what a client lends the hosts of one server is within that server's bound, and the process's", async () => {
  const dht = new TestDht({ keyWindow: 1000, sessionWindow: 800 })
  dht.host(15)
  dht.host(20)
  dht.hosts.start()
  await dht.pass(20_000)
  const [first, second] = dht.hosts.connected.map(host => host.session!.flows.windows)
  assert.equal(first!.borrow(800), true)
  assert.equal(second!.borrow(201), false)
  assert.equal(second!.borrow(200), true)
  assert.equal(dht.resources.windows.used, 1000)
  dht.hosts.close()
})

for (const awayMs of [4000, 10_000, 50_000]) {
  test(`one host of two is away for ${awayMs} ms: new flows go to the other, old ones go on`, async () => {
    const [dht, near, far] = await found(10, 60)
    assert.equal(dht.picked, near)
    const flow = openFlow(dht.hosts.pick(0)!.session!)
    await dht.pass(1000)
    const { session } = near.server
    dht.cut(near)
    const other = await dht.pass(awayMs, () => dht.picked === far)
    assert.ok(other <= LIMITS.unsteadyMs + 50, `${other} ms`)
    await dht.pass(awayMs - other)
    dht.cut(near, false)
    const back = await dht.pass(60_000, () => near.server.session.state === 'up' && dht.picked === near)
    assert.ok(back <= LIMITS.hostDwellMs + FAILOVER_MS, `back after ${back} ms`)
    assert.equal(near.server.session, session)
    assert.equal(flow.over(), false)
    assert.equal(session.flows.open().length, 1)
    assert.equal(dht.told('waiting').length, 0)
    dht.hosts.close()
  })
}

test('a host is killed: new flows go to the other, old ones end when their time is over', async () => {
  const [dht, near, far] = await found(10, 60)
  const flow = openFlow(dht.hosts.pick(0)!.session!)
  await dht.pass(1000)
  dht.kill(near)
  const lost = await dht.pass(60_000, () => dht.told('disconnected').length > 0)
  assert.ok(lost <= LIMITS.deadMs + 1000, `${lost} ms`)
  assert.equal(dht.picked, far)
  const reset = await dht.pass(120_000, flow.over)
  assert.ok(Math.abs(reset - LIMITS.resumeSeconds * 1000) < 15_000, `reset after ${reset} ms more`)
  assert.equal(dht.told('waiting').length, 0)
  dht.hosts.close()
})

test('what was opened while nobody knew that its host is silent does not wait for it', async () => {
  const [dht, near, far] = await found(10, 60)
  const old = openFlow(dht.hosts.pick(0)!.session!)
  near.server.open = flow => {
    dht.world.clock.after(0, () => flow.write(b4a.from('it is heard')))
    return null
  }
  // Its answer comes after that to the last ping.
  await dht.pass(200)
  const heard = openFlow(dht.hosts.pick(0)!.session!)
  await dht.pass(50)
  dht.cut(near)
  await dht.pass(LIMITS.unsteadyMs / 2)
  assert.equal(dht.picked, near)
  const { session } = dht.hosts.pick(0)!
  const [fresh, arq] = [openFlow(session!), session!.flows.tcpudp.open(1)]
  let code = ''
  arq.events = { ...arq.events, reset: why => (code = why) }
  const reset = await dht.pass(60_000, fresh.over)
  assert.ok(reset <= LIMITS.silentMs, `reset after ${reset} ms`)
  assert.equal(code, 'CONNECTION_LOST')
  assert.equal(dht.picked, far)
  assert.equal(old.over(), false)
  // Longer than the connection lives: here, what it carries is not sent again.
  await dht.pass(20_000)
  assert.deepEqual([old.over(), heard.over()], [false, false])
  dht.cut(near, false)
  await dht.pass(10_000, () => near.server.session.state === 'up')
  await dht.pass(1000)
  assert.equal(near.server.session.flows.open().length, 2)
  assert.deepEqual([old.over(), heard.over()], [false, false])
  dht.hosts.close()
})

test('a lone host that is silent keeps what was opened since', async () => {
  const [dht, host] = await found(10)
  dht.cut(host)
  await dht.pass(500)
  const flow = openFlow(dht.hosts.pick(0)!.session!)
  await dht.pass(40_000)
  dht.cut(host, false)
  await dht.pass(10_000, () => host.server.session.flows.open().length > 0)
  assert.equal(host.server.session.flows.open().length, 1)
  assert.equal(flow.over(), false)
  dht.hosts.close()
})

test('a host of two is killed and started again: its flows are reset at once', async () => {
  const [dht, near, far] = await found(10, 60)
  const flow = openFlow(dht.hosts.pick(0)!.session!)
  await dht.pass(1000)
  dht.kill(near)
  await dht.pass(1000)
  const added = dht.host(10)
  dht.announcer = far
  const reset = await dht.pass(120_000, flow.over)
  assert.ok(up(added, far))
  assert.ok(reset <= FAILOVER_MS + LIMITS.lookUpMs, `reset after ${reset} ms`)
  dht.hosts.close()
})

test('a session that its client has given up ends at its host at the next contact', async () => {
  const dht = new TestDht({ resumeSeconds: 20 })
  const host = dht.host(10)
  // The server would keep it for a day.
  Object.assign(host.server, { limits: { ...dht.limits, resumeSeconds: 86_400 } })
  dht.hosts.start()
  await dht.pass(20_000)
  openFlow(dht.hosts.pick(0)!.session!)
  await dht.pass(1000)
  const { session } = host.server
  dht.cut(host)
  await dht.pass(60_000)
  assert.deepEqual([session.state, session.flows.open().length], ['lost', 1])
  dht.cut(host, false)
  await dht.pass(60_000, () => host.server.session.state === 'up')
  assert.deepEqual([session.state, session.flows.open().length], ['ended', 0])
  assert.equal(host.server.sessions.size, 1)
  assert.notEqual(host.server.session, session)
  dht.hosts.close()
})

test('new flows avoid a host that has just fallen silent', async () => {
  const [dht, near, far] = await found(10, 60)
  dht.kill(near)
  const ms = await dht.pass(60_000, () => dht.picked === far)
  assert.ok(ms <= LIMITS.unsteadyMs + 50, `${ms} ms`)
  dht.hosts.close()
})

for (const awayMs of [4000, 10_000, 40_000]) {
  test(`our own path is away for ${awayMs} ms: every session goes on`, async () => {
    const [dht, ...hosts] = await found(10, 60, 30)
    const sessions = hosts.map(({ server }) => server.session)
    const flow = openFlow(dht.hosts.pick(0)!.session!)
    await dht.pass(1000)
    dht.away(true)
    await dht.pass(awayMs)
    dht.away(false)
    const back = await dht.pass(20_000, () => up(...hosts))
    assert.ok(back <= FAILOVER_MS, `back after ${back} ms`)
    await dht.pass(20_000)
    assert.ok(up(...hosts))
    assert.deepEqual(
      hosts.map(({ server }) => server.session),
      sessions
    )
    assert.equal(flow.over(), false)
    assert.ok(dht.told('waiting').length <= 1)
    dht.hosts.close()
  })
}

for (const count of [1, 3]) {
  test(`our address changes: ${count} sessions go on at once`, async () => {
    const [dht, ...hosts] = await found(...Array.from({ length: count }, () => 20))
    const sessions = hosts.map(({ server }) => server.session)
    dht.move()
    dht.change('lost', 'new')
    await dht.pass(500)
    for (const { server } of hosts) assert.deepEqual(server.told, ['up', 'resumed'])
    assert.deepEqual(
      hosts.map(({ server }) => server.session),
      sessions
    )
    assert.equal(dht.told('disconnected').length, 0)
    await dht.pass(20_000)
    assert.ok(up(...hosts))
    dht.hosts.close()
  })

  test(`the network changes and ${count} connections live on: none is dialled`, async () => {
    const [dht, ...hosts] = await found(...Array.from({ length: count }, () => 20))
    const dials = dht.dials.length
    dht.change('new')
    await dht.pass(20_000)
    assert.equal(dht.dials.length, dials)
    for (const { server } of hosts) assert.deepEqual(server.told, ['up'])
    dht.hosts.close()
  })
}

test('a lone host that is silent is resumed as ever, however long its path takes', async () => {
  const dht = new TestDht()
  const host = dht.host()
  dht.hosts.start()
  await dht.pass(1000)
  const { session } = host.server
  dht.cut(host)
  await dht.pass(40_000)
  dht.cut(host, false)
  const ms = await dht.pass(20_000, () => session.state === 'up' && up(host))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  assert.deepEqual(host.server.told, ['up', 'lost CONNECTION_LOST', 'resumed'])
  dht.hosts.close()
})

test('a lone host that is restarted is found, and takes the place of the old one', async () => {
  const dht = new TestDht()
  const old = dht.host()
  dht.hosts.start()
  await dht.pass(30_000)
  const flow = openFlow(dht.hosts.pick(0)!.session!)
  dht.kill(old)
  await dht.pass(1000)
  const added = dht.host()
  const ms = await dht.pass(60_000, () => up(added) && flow.over())
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  assert.equal(dht.picked, added)
  assert.deepEqual(added.server.told, ['up'])
  dht.hosts.close()
})

test('where the shared key leads to one that was killed, another is found by the topic', async () => {
  const dht = new TestDht()
  const alive = dht.host()
  dht.kill(dht.host())
  dht.hosts.start()
  const ms = await dht.pass(60_000, () => up(alive))
  assert.ok(ms <= LIMITS.hostHoldMs + 1000, `${ms} ms`)
  assert.equal(dht.told('waiting').length, 0)
  dht.hosts.close()
})

test('a guest that comes when the shared key leads nowhere finds a host by the topic', async () => {
  const dht = new TestDht()
  const host = dht.host()
  // Another one that was stopped has taken the announcement with it.
  dht.announcer = null
  dht.hosts.start()
  const ms = await dht.pass(60_000, () => up(host))
  assert.ok(ms <= 1000, `${ms} ms`)
  assert.equal(dht.told('waiting').length, 0)
  dht.hosts.close()
})

test('when all hosts are killed and one is restarted, it is found within seconds', async () => {
  const dht = new TestDht()
  const old = [dht.host(), dht.host(), dht.host()]
  dht.hosts.start()
  await dht.pass(30_000)
  for (const host of old) dht.kill(host)
  await dht.pass(10_000)
  const added = dht.host()
  const ms = await dht.pass(60_000, () => up(added))
  assert.ok(ms <= 15_000, `${ms} ms`)
  // Those that it takes the place of are given up, and nobody dials them for ever.
  await dht.pass(20 * 60_000)
  const dials = dht.dials.length
  for (const host of old) dht.peers.splice(dht.peers.indexOf(host), 1)
  await dht.pass(20 * 60_000)
  const later = dht.dials.length
  await dht.pass(20 * 60_000)
  assert.equal(dht.dials.length, later, `${later - dials} dials before`)
  dht.hosts.close()
})

test('while all known hosts are away for long, the shared key is dialled on and on', async () => {
  const dht = new TestDht()
  const hosts = [dht.host(), dht.host()]
  dht.hosts.start()
  await dht.pass(30_000)
  for (const host of hosts) dht.kill(host)
  // The sessions end after a minute.
  await dht.pass(5 * 60_000)
  dht.announcer = null
  const from = dht.dials.length
  await dht.pass(60_000)
  assert.ok(dht.dials.length - from >= 15, `${dht.dials.length - from} dials in a minute`)
  const added = dht.host()
  const ms = await dht.pass(60_000, () => up(added))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  assert.ok(dht.told('waiting').length <= 2, JSON.stringify(dht.told('waiting')))
  dht.hosts.close()
})

test('a session is resumed though the shared key leads nowhere any more', async () => {
  const dht = new TestDht()
  const host = dht.host()
  dht.hosts.start()
  await dht.pass(10_000)
  // Another host that was stopped has taken the announcement with it.
  dht.announcer = null
  dht.away(true)
  await dht.pass(20_000)
  dht.away(false)
  const ms = await dht.pass(20_000, () => host.server.told.includes('resumed'))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  dht.hosts.close()
})

test('a session is resumed though the shared key leads to another host by now', async () => {
  const dht = new TestDht()
  const host = dht.host()
  dht.hosts.start()
  await dht.pass(10_000)
  const flow = openFlow(dht.hosts.pick(0)!.session!)
  await dht.pass(100)
  const other = dht.host()
  host.server.session.link?.destroy()
  const ms = await dht.pass(20_000, () => host.server.told.includes('resumed'))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  await dht.pass(1000)
  assert.ok(up(host, other))
  assert.equal(flow.over(), false)
  dht.hosts.close()
})

test('a guest that is shut out while its host is silent gets to know, and goes on asking', async () => {
  const dht = new TestDht()
  const host = dht.host()
  dht.hosts.start()
  await dht.pass(10_000)
  host.onLink = link => {
    link.events = { ...link.events, message: () => reject(link, 'NOT_INVITED', 'no longer') }
  }
  dht.move()
  const ms = await dht.pass(60_000, () => dht.told('waiting').length > 0)
  assert.ok(ms <= FAILOVER_MS + LIMITS.hostHoldMs, `${ms} ms`)
  assert.deepEqual(
    [dht.told('waiting').map(({ code }) => code), dht.hosts.disconnected?.cause?.code],
    [['NOT_INVITED'], 'NOT_INVITED']
  )
  // Let in again by the next process, which is asked without a look at the topic.
  dht.kill(host)
  const again = dht.host()
  const back = await dht.pass(60_000, () => up(again))
  assert.ok(back <= LIMITS.redialMaxMs + 1000, `${back} ms`)
  dht.hosts.close()
})

test('a host that closes its session is not missed, and not dialled again though the topic still names it', async () => {
  const dht = new TestDht()
  const [one, other] = [dht.host(10), dht.host(60)]
  dht.hosts.start()
  await dht.pass(10_000)
  one.server.session.close('GOODBYE', '')
  await dht.pass(200)
  dht.kill(one)
  assert.equal(dht.picked, other)
  const dials = dht.dialled(one)
  await dht.pass(5 * 60_000)
  assert.equal(dht.dialled(one), dials)
  dht.hosts.close()
})

for (const [what, end] of [
  ['drops each connection', session => session.link?.destroy()],
  ['ends each session', session => session.close('PROTOCOL_ERROR', '')],
  ['says goodbye each time', session => session.close('GOODBYE', '')]
] as [string, (session: ServerSession) => void][]) {
  test(`a host that ${what} as soon as it is up is not dialled all the time`, async () => {
    const dht = new TestDht()
    const { server } = dht.host()
    const { clock } = dht.world
    const look = (): void => {
      for (const { session } of [...server.sessions.values()]) if (session.state === 'up') end(session)
      clock.after(1, look)
    }
    look()
    dht.hosts.start()
    const dialsIn = async (ms: number): Promise<number> => {
      const before = dht.dials.length
      await dht.pass(ms)
      return dht.dials.length - before
    }
    await dialsIn(10_000)
    const later = await dialsIn(60_000)
    // One a second at once, and those of the backoff.
    assert.ok(later <= 60 + 60_000 / LIMITS.redialMaxMs + 1, `${later} dials in a minute`)
    dht.hosts.close()
  })
}

test('a host that keeps changing whether it shares a port is reported once', async () => {
  const [dht, host] = await found(5)
  const wanted = Array.from({ length: 50 }, (_, i) => ({ proto: 'tcp' as const, port: 1000 + i }))
  const others = Array.from({ length: 900 }, (_, i) => ({ proto: 'udp' as const, port: 2000 + 2 * i }))
  let id = 100
  const share = async (maps: readonly { proto: 'tcp' | 'udp'; port: number }[]): Promise<void> => {
    host.server.session.sendMaps(maps.map(map => ({ ...map, id: id++ })))
    await dht.pass(200)
  }
  await share(wanted)
  dht.hosts.setMaps(wanted)
  for (let i = 0; i < 10; i++) await share(i % 2 ? wanted : others)
  const messages = dht
    .told('warning')
    .flatMap(({ message }) => (/tcp 10\d\d;/.test(message) ? [message] : []))
  assert.equal(messages.length, wanted.length)
  assert.match(
    messages[0]!,
    /^The server does not share tcp 1000; it shares udp 2000,2002,.*\.\. Ask the host/
  )
  assert.ok(messages.every(message => message.length < 320))
  dht.hosts.close()
})

test('a UDP conversation leaves a host that no longer shares its port', async () => {
  const [dht, near, far] = await found(10, 60)
  const { clock } = dht.world
  const table = new UdpFlowTable({ clock, limits: LIMITS, log: silentLog }, dht.hosts)
  const place = MAPS.findIndex(({ proto }) => proto === 'udp')
  const { proto, port } = MAPS[place]!
  const map = closedMap({ path: '', proto, port, localHost: '127.0.0.1', localPort: 5000 }, place, false)
  const says = async (word: string): Promise<void> => {
    table.payload(map, b4a.from(word), { address: '127.0.0.1', port: 4000 })
    await dht.pass(200)
  }
  const got = ({ server }: TestHost): string[] => server.udp.map(({ payload }) => b4a.toString(payload))
  await says('hello')
  near.server.session.sendMaps(MAPS.filter(one => one.proto !== proto))
  await dht.pass(200)
  await says('again')
  assert.deepEqual([got(near), got(far)], [['hello'], ['again']])
  // It has its state at the other one now.
  near.server.session.sendMaps(MAPS)
  await dht.pass(200)
  await says('still')
  assert.deepEqual([got(near), got(far)], [['hello'], ['again', 'still']])
  dht.hosts.close()
})

test('what a UDP conversation sends while its host is away grows old, however often another host is heard of', async () => {
  const [dht, near] = await found(10, 60)
  const { clock } = dht.world
  const table = new UdpFlowTable({ clock, limits: LIMITS, log: silentLog }, dht.hosts)
  const place = MAPS.findIndex(({ proto }) => proto === 'udp')
  const { proto, port } = MAPS[place]!
  const map = closedMap({ path: '', proto, port, localHost: '127.0.0.1', localPort: 5000 }, place, false)
  const says = (word: string): void =>
    table.payload(map, b4a.from(word), { address: '127.0.0.1', port: 4000 })
  says('hello')
  await dht.pass(200)
  dht.cut(near)
  await dht.pass(20_000, () => dht.told('disconnected').length > 0)
  says('old')
  for (let i = 0; i < 5; i++) {
    await dht.pass(LIMITS.udpPendingMs / 2)
    table.release()
  }
  dht.cut(near, false)
  // Another host is heard of until the last moment.
  const isBack = (): boolean => dht.hosts.connected.length === 2
  await dht.pass(20_000, () => {
    if (!isBack()) table.release()
    return isBack()
  })
  table.release()
  says('new')
  await dht.pass(200)
  assert.deepEqual(
    near.server.udp.map(({ payload }) => b4a.toString(payload)),
    ['hello', 'new']
  )
  dht.hosts.close()
})

test('while there is no host, each cause is reported once', async () => {
  const dht = new TestDht()
  dht.hosts.start()
  await dht.pass(5 * 60_000)
  assert.deepEqual(
    dht.told('waiting').map(e => e.code),
    ['SERVER_NOT_FOUND']
  )
  const host = dht.host()
  const ms = await dht.pass(30_000, () => up(host))
  assert.ok(ms <= LIMITS.redialMaxMs + 1000, `${ms} ms`)
  dht.hosts.close()
})

test('hosts beyond the limit are left alone', async () => {
  const dht = new TestDht({ hosts: 3 })
  const hosts = [1, 2, 3, 4, 5].map(() => dht.host())
  dht.hosts.start()
  await dht.pass(60_000)
  assert.equal(hosts.filter(host => up(host)).length, 3)
  const left = hosts.find(host => !up(host))!
  assert.deepEqual(left.server.told, [])
  // One of them is needed when another dies.
  dht.kill(hosts.find(host => up(host))!)
  await dht.pass(60_000, () => hosts.filter(host => host.running && up(host)).length === 3)
  assert.equal(hosts.filter(host => host.running && up(host)).length, 3)
  dht.hosts.close()
})

test('a flood of strangers: few are dialled, each once, none is used, and the hosts are reached all the same', async () => {
  const dht = new TestDht()
  const strangers = Array.from({ length: 300 }, () => dht.stranger())
  const hosts = [dht.host(20), dht.host(30)]
  dht.hosts.start()
  const first = await dht.pass(60_000, () => hosts.some(host => up(host)))
  assert.ok(first <= 1000, `the first host after ${first} ms`)
  await dht.pass(60_000)
  const perMinute = dht.dials.length
  assert.ok(perMinute <= 2 * LIMITS.hostDialsPerMinute + 5, `${perMinute} dials in the first minute`)
  await dht.pass(8 * 60_000)
  for (const stranger of strangers) assert.ok(dht.dialled(stranger) <= 1)
  const names = new Set(dht.told('connected').map(e => e.host))
  assert.ok(names.size <= hosts.length)
  // A new host is found by the shared key, flood or not.
  for (const host of hosts) dht.kill(host)
  await dht.pass(1000)
  const added = dht.host()
  const ms = await dht.pass(120_000, () => up(added))
  assert.ok(ms <= 20_000, `${ms} ms`)
  dht.hosts.close()
})

test('a stranger gets a HELLO, and no key in it', async () => {
  const dht = new TestDht()
  const heard: Uint8Array[] = []
  const stranger = dht.stranger()
  const { onLink } = stranger
  stranger.onLink = link => {
    onLink(link)
    const { events } = link
    link.events = {
      ...events,
      message: bytes => {
        heard.push(b4a.from(bytes))
        events.message(bytes)
      },
      datagram: bytes => heard.push(b4a.from(bytes))
    }
  }
  const host = dht.host()
  dht.hosts.start()
  await dht.pass(60_000)
  assert.ok(up(host))
  assert.equal(heard.length, 1)
  assert.equal(heard[0]![1], 1, 'a HELLO')
  assert.equal(b4a.indexOf(heard[0]!, dht.publicKey), -1)
  assert.equal(heard[0]!.at(-1), 0, 'no session is named')
  dht.hosts.close()
})
