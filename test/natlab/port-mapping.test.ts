// A home router that maps ports makes a server directly reachable, whatever the NATs are like; and does no harm where it does not.
import assert from 'node:assert/strict'
import { dirname, join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { pause } from '../support/deadline.js'
import { Process, runProgram } from '../support/process.js'
import type { Home, Kind } from './lab.js'
import { MAPPED_MS, mapped, skip, stopsInTime, withRouter } from './mapped-pair.js'
import { Pair } from './pair.js'
import { lab, useLab } from './side.js'

const FALSE_ROUTER = join(dirname(fileURLToPath(import.meta.url)), 'false-router.js')

/** Four requests are given up after 3 s each, and the search is made twice. */
const REFUSED_MS = MAPPED_MS + 12_000

/** Where a server listens by TCP. */
const TCP_PORT = 7443

useLab()

/** The address of a home's router on the public side. */
async function wanAddress({ router }: Home): Promise<string> {
  const { stdout } = await runProgram('ip', ['-n', router!, '-4', '-j', 'address', 'show', 'dev', 'wan'])
  return JSON.parse(stdout)[0].addr_info[0].local
}

/** Starts a part of what looks like a router that maps ports. */
function runFalseRouter(t: TestContext, prefix: readonly string[], ...args: string[]): Process {
  const [program = '', ...before] = prefix
  const one = new Process(program, [...before, process.execPath, FALSE_ROUTER, ...args], { name: args[0]! })
  t.after(() => one.stop())
  return one
}

/** A pair whose server says how it stands with a port mapping. */
async function searching(t: TestContext, home: Home): Promise<Pair> {
  const pair = new Pair(lab, home, await lab.home('open'), { server: ['-v'] })
  t.after(() => pair.close())
  return pair
}

// They wait most of the time, each in homes of its own.
describe('a router that maps ports', { concurrency: 3 }, () => {
  for (const speaks of ['upnp', 'nat-pmp', 'pcp'] as const) {
    test(`two symmetric NATs connect directly, by ${speaks}`, { skip, timeout: 60_000 }, async t => {
      const homes = [await lab.home('symmetric'), await lab.home('symmetric')] as const
      await withRouter(homes, { speaks }, async (pair, router) => {
        const port = await mapped(pair)
        assert.match(pair.server.stderr, new RegExp(`UDP port ${port} \\(${speaks}\\)`))
        const meeting = await pair.meet()
        t.diagnostic(JSON.stringify(meeting))
        assert.equal(meeting.path, 'direct')
        await pair.check()
        const redirects = await router.redirects()
        assert.deepEqual(
          redirects.map(({ externalPort }) => externalPort),
          [port]
        )
        await stopsInTime(pair.server)
        assert.deepEqual(await router.redirects(), [])
        assert.equal(pair.server.stderr.match(/port mapping/g)?.length, 1, 'one line is said of it')
      })
    })
  }

  for (const speaks of ['upnp', 'nat-pmp', 'pcp'] as const) {
    test(`the TCP port of a server that is its own relay is mapped by ${speaks}, and a blocked client comes by it`, {
      skip,
      timeout: 60_000
    }, async () => {
      const homes = [await lab.home('symmetric'), await lab.home('blocked')] as const
      // Another port than the server's, which is the one that tickets tell.
      const address = `ws://${await wanAddress(homes[0])}:${TCP_PORT + 1}/hn`
      const server = ['--tcp', `${TCP_PORT}`, '--tcp-port-mapping', '--tcp-address', address]
      await withRouter(homes, { speaks, server, client: ['--relay', address] }, async (pair, router) => {
        await pair.server.says(new RegExp(`TCP port ${TCP_PORT + 1} \\(${speaks}\\)`), MAPPED_MS)
        const udpPort = await mapped(pair)
        assert.equal((await pair.meet()).path, 'relayed (tcp)', pair.describe())
        await pair.check()
        const ports = (await router.redirects()).map(({ externalPort }) => externalPort)
        assert.deepEqual(new Set(ports), new Set([udpPort, TCP_PORT + 1]))
        await stopsInTime(pair.server)
        assert.deepEqual(await router.redirects(), [])
      })
    })
  }

  test('a TCP port of the router that another program has is a warning', {
    skip,
    timeout: 60_000
  }, async () => {
    const [first, second] = (await lab.lan(2)) as [Home, Home]
    const client = await lab.home('blocked')
    const address = `ws://${await wanAddress(first)}:${TCP_PORT}/hn`
    const server = ['--tcp', `${TCP_PORT}`, '--tcp-port-mapping', '--tcp-address', address]
    await withRouter([first, client], { speaks: 'upnp', server }, async pair => {
      await pair.server.says(/TCP port mapping: others reach this machine/, MAPPED_MS)
      const other = new Pair(lab, second, client, { server })
      try {
        await other.server.says(/"warn".*TCP port mapping: the router refuses it/, MAPPED_MS)
      } finally {
        await other.close()
      }
    })
  })

  for (const client of ['open', 'cone', 'cgn'] satisfies Kind[]) {
    test(`a client behind ${client} reaches a mapped server`, { skip, timeout: 60_000 }, async () => {
      const homes = [await lab.home('symmetric'), await lab.home(client)] as const
      await withRouter(homes, { speaks: 'pcp' }, async pair => {
        await mapped(pair)
        assert.equal((await pair.meet()).path, 'direct')
        await pair.check()
      })
    })
  }

  test('two servers behind one router get a port each', { skip, timeout: 60_000 }, async () => {
    const [first, second] = (await lab.lan(2, 'symmetric')) as [Home, Home]
    const client = await lab.home('symmetric')
    await withRouter([first, client], { speaks: 'pcp' }, async (pair, router) => {
      const other = new Pair(lab, second, client, { server: ['-v'] })
      try {
        const ports = await Promise.all([mapped(pair), mapped(other)])
        assert.notEqual(ports[0], ports[1])
        for (const one of [pair, other]) {
          assert.equal((await one.meet()).path, 'direct', one.describe())
          await one.check()
        }
        await other.server.stop()
        assert.deepEqual(
          (await router.redirects()).map(({ externalPort }) => externalPort),
          [ports[0]]
        )
      } finally {
        await other.close()
      }
    })
  })

  test('a guest in the same LAN does not go through the router', { skip, timeout: 60_000 }, async () => {
    const homes = (await lab.lan(2, 'symmetric')) as [Home, Home]
    await withRouter(homes, { speaks: 'pcp' }, async pair => {
      await mapped(pair)
      assert.equal((await pair.meet()).path, 'lan')
      await pair.check()
    })
  })

  test('a client that waits gets through when the mapping is up', { skip, timeout: 90_000 }, async () => {
    const homes = [await lab.home('symmetric'), await lab.home('symmetric')] as const
    await withRouter(homes, { speaks: 'upnp', held: true }, async (pair, router) => {
      assert.equal((await pair.meet()).path, 'NATS_RANDOM')
      router.release()
      const up = pair.meetLater(2 * MAPPED_MS)
      // The search lasts 6 s, which the client may need to find out. Then another one begins when the network changes.
      const isOver = pair.server.says(/no router here offers it/, MAPPED_MS).then(
        () => true,
        () => false
      )
      if (await Promise.race([isOver, up.then(() => false)])) {
        const [program = '', ...args] = homes[0].prefix
        await runProgram(program, [...args, 'ip', 'addr', 'add', '192.168.99.9/24', 'dev', 'eth0'])
      }
      assert.equal((await up)?.path, 'direct')
      await pair.check()
    })
  })

  test('a router is left alone with --no-port-mapping', { skip, timeout: 60_000 }, async () => {
    const homes = [await lab.home('cone'), await lab.home('cone')] as const
    await withRouter(homes, { speaks: 'upnp', server: ['--no-port-mapping'] }, async (pair, router) => {
      assert.equal((await pair.meet()).path, 'direct')
      await pair.check()
      // As long as a search would take.
      await pause(5000)
      assert.equal(router.asked, false)
      assert.deepEqual(await router.redirects(), [])
    })
  })

  test('behind a second NAT a mapping is of no use, and said to be', { skip, timeout: 60_000 }, async () => {
    const homes = [await lab.home('cgn'), await lab.home('cone')] as const
    // Routers are not always as careful as this one, which would refuse where its own address is a private one.
    const tcp = ['--tcp', `${TCP_PORT}`, '--tcp-port-mapping']
    await withRouter(homes, { speaks: 'pcp', address: '11.0.99.1', server: tcp }, async (pair, router) => {
      const useless = (port: string): RegExp =>
        new RegExp(
          `${port} \\d+.*: its own address is 11\\.0\\.99\\.1, others see 11\\.0\\.\\S+, so another router`
        )
      await pair.server.says(useless('UDP port'), 30_000)
      await pair.server.says(useless('"warn".*TCP port mapping: the router maps TCP port'), 30_000)
      // The client is not sent there.
      const meeting = await pair.meet()
      assert.ok(meeting.path === 'direct' || (await pair.meetLater(40_000))?.path === 'direct', meeting.path)
      await pair.server.stop()
      assert.deepEqual(await router.redirects(), [])
    })
  })

  test('a mapping that has stopped working keeps nobody out', { skip, timeout: 90_000 }, async () => {
    const homes = [await lab.home('cone'), await lab.home('cone')] as const
    await withRouter(homes, { speaks: 'pcp' }, async (pair, router) => {
      await mapped(pair)
      await router.forget()
      const meeting = await pair.meet()
      assert.ok(meeting.path === 'direct' || (await pair.meetLater(40_000))?.path === 'direct', meeting.path)
      await pair.check()
    })
  })

  test('a device of the LAN has nothing sent to services of this computer', {
    skip,
    timeout: 60_000
  }, async t => {
    const [home, device] = (await lab.lan(2)) as [Home, Home]
    const service = runFalseRouter(t, home.prefix, 'serve')
    const [, port] = await service.says(/port (\d+)/)
    const location = `http://192.168.7.1:80@127.0.0.1:${port}/`
    const liar = runFalseRouter(t, device.prefix, 'answer', location, '192.168.7.11')
    await liar.says(/listens/)
    const { server } = await searching(t, home)
    await server.says(/no router here offers it/, MAPPED_MS)
    assert.match(liar.stdout, /asked/)
    assert.doesNotMatch(service.stdout, /asked/)
  })

  test('a router whose answer never ends is given up', { skip, timeout: 60_000 }, async t => {
    const home = await lab.home('cone')
    const router = ['ip', 'netns', 'exec', home.router!]
    const service = runFalseRouter(t, router, 'serve')
    const [, port] = await service.says(/port (\d+)/)
    await runFalseRouter(t, router, 'answer', `http://192.168.7.1:${port}/`, '192.168.7.1').says(/listens/)
    const { server } = await searching(t, home)
    await server.says(/port mapping: the router refuses it/, REFUSED_MS)
    assert.match(service.stdout, /asked POST/)
  })

  test('without such a router one line says so', { skip, timeout: 60_000 }, async () => {
    const pair = new Pair(lab, await lab.home('cone'), await lab.home('cone'), {
      server: ['-v'],
      client: ['-vv']
    })
    try {
      await pair.server.says(/no router here offers it/, MAPPED_MS)
      const { path } = await pair.meet()
      assert.equal(path, 'direct', pair.describe())
      assert.equal(pair.server.stderr.match(/port mapping/g)?.length, 1)
    } finally {
      await pair.close()
    }
  })
})
