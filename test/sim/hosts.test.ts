// A client and the hosts of one secret, on a virtual clock: who is found, kept, waited for, and never used.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import b4a from 'b4a'
import { LIMITS } from '../../src/limits.js'
import type { ClientSession } from '../../src/session/client-session.js'
import { MAPS } from '../support/session-peers.js'
import { type TestHost, Town } from './support/town.js'

/** How long programs may have to wait when a host dies, ms. */
const FAILOVER_MS = 5000

function up(...hosts: TestHost[]): boolean {
  return hosts.every(host => host.server.sessions.size === 1 && host.server.session.state === 'up')
}

/** A town with hosts of these delays, and a client that has found them all. */
async function found<Delays extends readonly number[]>(...delays: Delays) {
  const town = new Town()
  const hosts = delays.map(delay => town.host(delay))
  town.hosts.start()
  await town.pass(20_000)
  return [town, ...hosts] as unknown as [Town, ...{ [K in keyof Delays]: TestHost }]
}

/** Opens a flow as the client does; tells when it is reset. */
function openFlow(session: ClientSession): { over: () => boolean } {
  const flow = session.openFlow(1)
  let over = false
  flow.events = { ...flow.events, reset: () => (over = true) }
  return { over: () => over }
}

test('all hosts are found, each is greeted once, and the nearest is used', async () => {
  const town = new Town()
  const hosts = [town.host(60), town.host(15), town.host(80)]
  town.hosts.start()
  await town.pass(20_000)
  assert.ok(up(...hosts))
  for (const { server } of hosts) assert.deepEqual(server.told, ['up'])
  assert.equal(town.picked, hosts[1])
  assert.equal(new Set(town.told('connected').map(e => e.host)).size, 3)
  assert.equal(town.told('waiting').length, 0)
  assert.equal(town.hosts.chosen, town.hosts.pick(0))
  const connections = town.hosts.connected.map(host => host.connection!)
  assert.deepEqual(
    new Set(connections.map(({ host }) => host)),
    new Set(town.told('connected').map(({ host }) => host))
  )
  for (const { path, shared, quality } of connections) {
    assert.deepEqual([path, shared.length, quality.loss], ['direct', MAPS.length, 0])
  }
  const near = connections.find(({ host }) => host === town.hosts.chosen!.name)!
  assert.equal(Math.min(...connections.map(({ quality }) => quality.rtt!)), near.quality.rtt)
  // While all is well, there is next to nothing to do.
  const [dials, lookUps] = [town.dials.length, town.lookUps]
  await town.pass(10 * 60_000)
  assert.equal(town.dials.length, dials)
  assert.ok(town.lookUps - lookUps <= 11, `${town.lookUps - lookUps} look-ups in 10 minutes`)
  town.hosts.close()
})

test("what a client lends the hosts of one server is within that server's bound, and the process's", async () => {
  const town = new Town({ keyWindow: 1000, sessionWindow: 800 })
  town.host(15)
  town.host(20)
  town.hosts.start()
  await town.pass(20_000)
  const [first, second] = town.hosts.connected.map(host => host.session!.flows.windows)
  assert.equal(first!.borrow(800), true)
  assert.equal(second!.borrow(201), false)
  assert.equal(second!.borrow(200), true)
  assert.equal(town.resources.windows.used, 1000)
  town.hosts.close()
})

for (const awayMs of [4000, 10_000, 50_000]) {
  test(`one host of two is away for ${awayMs} ms: new flows go to the other, old ones go on`, async () => {
    const [town, near, far] = await found(10, 60)
    assert.equal(town.picked, near)
    const flow = openFlow(town.hosts.pick(0)!.session!)
    await town.pass(1000)
    const { session } = near.server
    town.cut(near)
    const other = await town.pass(awayMs, () => town.picked === far)
    assert.ok(other <= LIMITS.unsteadyMs + 50, `${other} ms`)
    await town.pass(awayMs - other)
    town.cut(near, false)
    const back = await town.pass(60_000, () => near.server.session.state === 'up' && town.picked === near)
    assert.ok(back <= LIMITS.hostDwellMs + FAILOVER_MS, `back after ${back} ms`)
    assert.equal(near.server.session, session)
    assert.equal(flow.over(), false)
    assert.equal(session.flows.open().length, 1)
    assert.equal(town.told('waiting').length, 0)
    town.hosts.close()
  })
}

test('a host is killed: new flows go to the other, old ones end when their time is over', async () => {
  const [town, near, far] = await found(10, 60)
  const flow = openFlow(town.hosts.pick(0)!.session!)
  await town.pass(1000)
  town.kill(near)
  const lost = await town.pass(60_000, () => town.told('disconnected').length > 0)
  assert.ok(lost <= LIMITS.deadMs + 1000, `${lost} ms`)
  assert.equal(town.picked, far)
  const reset = await town.pass(120_000, flow.over)
  assert.ok(Math.abs(reset - LIMITS.resumeSeconds * 1000) < 15_000, `reset after ${reset} ms more`)
  assert.equal(town.told('waiting').length, 0)
  town.hosts.close()
})

test('what was opened while nobody knew that its host is silent does not wait for it', async () => {
  const [town, near, far] = await found(10, 60)
  const old = openFlow(town.hosts.pick(0)!.session!)
  near.server.open = flow => {
    town.world.clock.after(0, () => flow.write(b4a.from('it is heard')))
    return null
  }
  // Its answer comes after that to the last ping.
  await town.pass(200)
  const heard = openFlow(town.hosts.pick(0)!.session!)
  await town.pass(50)
  town.cut(near)
  await town.pass(LIMITS.unsteadyMs / 2)
  assert.equal(town.picked, near)
  const { session } = town.hosts.pick(0)!
  const [fresh, arq] = [openFlow(session!), session!.flows.tcpudp.open(1)]
  let code = ''
  arq.events = { ...arq.events, reset: why => (code = why) }
  const reset = await town.pass(60_000, fresh.over)
  assert.ok(reset <= LIMITS.silentMs, `reset after ${reset} ms`)
  assert.equal(code, 'CONNECTION_LOST')
  assert.equal(town.picked, far)
  assert.equal(old.over(), false)
  // Longer than the connection lives: here, what it carries is not sent again.
  await town.pass(20_000)
  assert.deepEqual([old.over(), heard.over()], [false, false])
  town.cut(near, false)
  await town.pass(10_000, () => near.server.session.state === 'up')
  await town.pass(1000)
  assert.equal(near.server.session.flows.open().length, 2)
  assert.deepEqual([old.over(), heard.over()], [false, false])
  town.hosts.close()
})

test('a lone host that is silent keeps what was opened since', async () => {
  const [town, host] = await found(10)
  town.cut(host)
  await town.pass(500)
  const flow = openFlow(town.hosts.pick(0)!.session!)
  await town.pass(40_000)
  town.cut(host, false)
  await town.pass(10_000, () => host.server.session.flows.open().length > 0)
  assert.equal(host.server.session.flows.open().length, 1)
  assert.equal(flow.over(), false)
  town.hosts.close()
})

test('a host of two is killed and started again: its flows are reset at once', async () => {
  const [town, near, far] = await found(10, 60)
  const flow = openFlow(town.hosts.pick(0)!.session!)
  await town.pass(1000)
  town.kill(near)
  await town.pass(1000)
  const anew = town.host(10)
  town.announcer = far
  const reset = await town.pass(120_000, flow.over)
  assert.ok(up(anew, far))
  assert.ok(reset <= FAILOVER_MS + LIMITS.lookUpMs, `reset after ${reset} ms`)
  town.hosts.close()
})

test('a session that its client has given up ends at its host at the next contact', async () => {
  const town = new Town({ resumeSeconds: 20 })
  const host = town.host(10)
  // The server would keep it for a day.
  Object.assign(host.server, { limits: { ...town.limits, resumeSeconds: 86_400 } })
  town.hosts.start()
  await town.pass(20_000)
  openFlow(town.hosts.pick(0)!.session!)
  await town.pass(1000)
  const { session } = host.server
  town.cut(host)
  await town.pass(60_000)
  assert.deepEqual([session.state, session.flows.open().length], ['lost', 1])
  town.cut(host, false)
  await town.pass(60_000, () => host.server.session.state === 'up')
  assert.deepEqual([session.state, session.flows.open().length], ['ended', 0])
  assert.equal(host.server.sessions.size, 1)
  assert.notEqual(host.server.session, session)
  town.hosts.close()
})

test('new flows avoid a host that has just fallen silent', async () => {
  const [town, near, far] = await found(10, 60)
  town.kill(near)
  const ms = await town.pass(60_000, () => town.picked === far)
  assert.ok(ms <= LIMITS.unsteadyMs + 50, `${ms} ms`)
  town.hosts.close()
})

for (const awayMs of [4000, 10_000, 40_000]) {
  test(`our own path is away for ${awayMs} ms: every session goes on`, async () => {
    const [town, ...hosts] = await found(10, 60, 30)
    const sessions = hosts.map(({ server }) => server.session)
    const flow = openFlow(town.hosts.pick(0)!.session!)
    await town.pass(1000)
    town.away(true)
    await town.pass(awayMs)
    town.away(false)
    const back = await town.pass(20_000, () => up(...hosts))
    assert.ok(back <= FAILOVER_MS, `back after ${back} ms`)
    await town.pass(20_000)
    assert.ok(up(...hosts))
    assert.deepEqual(
      hosts.map(({ server }) => server.session),
      sessions
    )
    assert.equal(flow.over(), false)
    assert.ok(town.told('waiting').length <= 1)
    town.hosts.close()
  })
}

for (const count of [1, 3]) {
  test(`our address changes: ${count} sessions go on at once`, async () => {
    const [town, ...hosts] = await found(...Array.from({ length: count }, () => 20))
    const sessions = hosts.map(({ server }) => server.session)
    town.move()
    town.change('lost', 'new')
    await town.pass(500)
    for (const { server } of hosts) assert.deepEqual(server.told, ['up', 'resumed'])
    assert.deepEqual(
      hosts.map(({ server }) => server.session),
      sessions
    )
    assert.equal(town.told('disconnected').length, 0)
    await town.pass(20_000)
    assert.ok(up(...hosts))
    town.hosts.close()
  })

  test(`the network changes and ${count} connections live on: none is dialled`, async () => {
    const [town, ...hosts] = await found(...Array.from({ length: count }, () => 20))
    const dials = town.dials.length
    town.change('new')
    await town.pass(20_000)
    assert.equal(town.dials.length, dials)
    for (const { server } of hosts) assert.deepEqual(server.told, ['up'])
    town.hosts.close()
  })
}

test('a lone host that is silent is resumed as ever, however long its path takes', async () => {
  const town = new Town()
  const host = town.host()
  town.hosts.start()
  await town.pass(1000)
  const { session } = host.server
  town.cut(host)
  await town.pass(40_000)
  town.cut(host, false)
  const ms = await town.pass(20_000, () => session.state === 'up' && up(host))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  assert.deepEqual(host.server.told, ['up', 'lost CONNECTION_LOST', 'resumed'])
  town.hosts.close()
})

test('a lone host that is restarted is found, and takes the place of the old one', async () => {
  const town = new Town()
  const old = town.host()
  town.hosts.start()
  await town.pass(30_000)
  const flow = openFlow(town.hosts.pick(0)!.session!)
  town.kill(old)
  await town.pass(1000)
  const anew = town.host()
  const ms = await town.pass(60_000, () => up(anew) && flow.over())
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  assert.equal(town.picked, anew)
  assert.deepEqual(anew.server.told, ['up'])
  town.hosts.close()
})

test('where the shared key leads to one that was killed, another is found by the topic', async () => {
  const town = new Town()
  const alive = town.host()
  town.kill(town.host())
  town.hosts.start()
  const ms = await town.pass(60_000, () => up(alive))
  assert.ok(ms <= LIMITS.hostHoldMs + 1000, `${ms} ms`)
  assert.equal(town.told('waiting').length, 0)
  town.hosts.close()
})

test('a guest that comes when the shared key leads nowhere finds a host by the topic', async () => {
  const town = new Town()
  const host = town.host()
  // Another one that was stopped has taken the announcement with it.
  town.announcer = null
  town.hosts.start()
  const ms = await town.pass(60_000, () => up(host))
  assert.ok(ms <= 1000, `${ms} ms`)
  assert.equal(town.told('waiting').length, 0)
  town.hosts.close()
})

test('when all hosts are killed and one is restarted, it is found within seconds', async () => {
  const town = new Town()
  const old = [town.host(), town.host(), town.host()]
  town.hosts.start()
  await town.pass(30_000)
  for (const host of old) town.kill(host)
  await town.pass(10_000)
  const anew = town.host()
  const ms = await town.pass(60_000, () => up(anew))
  assert.ok(ms <= 15_000, `${ms} ms`)
  // Those that it takes the place of are given up, and nobody dials them for ever.
  await town.pass(20 * 60_000)
  const dials = town.dials.length
  for (const host of old) town.residents.splice(town.residents.indexOf(host), 1)
  await town.pass(20 * 60_000)
  const later = town.dials.length
  await town.pass(20 * 60_000)
  assert.equal(town.dials.length, later, `${later - dials} dials before`)
  town.hosts.close()
})

test('while all known hosts are away for long, the shared key is dialled on and on', async () => {
  const town = new Town()
  const hosts = [town.host(), town.host()]
  town.hosts.start()
  await town.pass(30_000)
  for (const host of hosts) town.kill(host)
  // The sessions end after a minute.
  await town.pass(5 * 60_000)
  town.announcer = null
  const from = town.dials.length
  await town.pass(60_000)
  assert.ok(town.dials.length - from >= 15, `${town.dials.length - from} dials in a minute`)
  const anew = town.host()
  const ms = await town.pass(60_000, () => up(anew))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  assert.ok(town.told('waiting').length <= 2, JSON.stringify(town.told('waiting')))
  town.hosts.close()
})

test('a session is resumed though the shared key leads nowhere any more', async () => {
  const town = new Town()
  const host = town.host()
  town.hosts.start()
  await town.pass(10_000)
  // Another host that was stopped has taken the announcement with it.
  town.announcer = null
  town.away(true)
  await town.pass(20_000)
  town.away(false)
  const ms = await town.pass(20_000, () => host.server.told.includes('resumed'))
  assert.ok(ms <= FAILOVER_MS, `${ms} ms`)
  town.hosts.close()
})

test('a host that closes its session is not missed, and not dialled again though the topic still names it', async () => {
  const town = new Town()
  const [one, other] = [town.host(10), town.host(60)]
  town.hosts.start()
  await town.pass(10_000)
  one.server.session.close('GOODBYE', '')
  await town.pass(200)
  town.kill(one)
  assert.equal(town.picked, other)
  const dials = town.dialled(one)
  await town.pass(5 * 60_000)
  assert.equal(town.dialled(one), dials)
  town.hosts.close()
})

test('while there is no host, each cause is reported once', async () => {
  const town = new Town()
  town.hosts.start()
  await town.pass(5 * 60_000)
  assert.deepEqual(
    town.told('waiting').map(e => e.code),
    ['SERVER_NOT_FOUND']
  )
  const host = town.host()
  const ms = await town.pass(30_000, () => up(host))
  assert.ok(ms <= LIMITS.redialMaxMs + 1000, `${ms} ms`)
  town.hosts.close()
})

test('hosts beyond the limit are left alone', async () => {
  const town = new Town({ hosts: 3 })
  const hosts = [1, 2, 3, 4, 5].map(() => town.host())
  town.hosts.start()
  await town.pass(60_000)
  assert.equal(hosts.filter(host => up(host)).length, 3)
  const left = hosts.find(host => !up(host))!
  assert.deepEqual(left.server.told, [])
  // One of them is needed when another dies.
  town.kill(hosts.find(host => up(host))!)
  await town.pass(60_000, () => hosts.filter(host => host.running && up(host)).length === 3)
  assert.equal(hosts.filter(host => host.running && up(host)).length, 3)
  town.hosts.close()
})

test('a flood of strangers: few are dialled, each once, none is used, and the hosts are reached all the same', async () => {
  const town = new Town()
  const strangers = Array.from({ length: 300 }, () => town.stranger())
  const hosts = [town.host(20), town.host(30)]
  town.hosts.start()
  const first = await town.pass(60_000, () => hosts.some(host => up(host)))
  assert.ok(first <= 1000, `the first host after ${first} ms`)
  await town.pass(60_000)
  const perMinute = town.dials.length
  assert.ok(perMinute <= 2 * LIMITS.hostDialsPerMinute + 5, `${perMinute} dials in the first minute`)
  await town.pass(8 * 60_000)
  for (const stranger of strangers) assert.ok(town.dialled(stranger) <= 1)
  const names = new Set(town.told('connected').map(e => e.host))
  assert.ok(names.size <= hosts.length)
  // A host that is started anew is found by the shared key, flood or not.
  for (const host of hosts) town.kill(host)
  await town.pass(1000)
  const anew = town.host()
  const ms = await town.pass(120_000, () => up(anew))
  assert.ok(ms <= 20_000, `${ms} ms`)
  town.hosts.close()
})

test('a stranger gets a HELLO, and no key in it', async () => {
  const town = new Town()
  const heard: Uint8Array[] = []
  const stranger = town.stranger()
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
  const host = town.host()
  town.hosts.start()
  await town.pass(60_000)
  assert.ok(up(host))
  assert.equal(heard.length, 1)
  assert.equal(heard[0]![1], 1, 'a HELLO')
  assert.equal(b4a.indexOf(heard[0]!, town.publicKey), -1)
  assert.equal(heard[0]!.at(-1), 0, 'no session is named')
  town.hosts.close()
})
