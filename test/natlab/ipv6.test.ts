/** Homes with IPv6 behind stateful firewalls. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { pause, until } from '../support/deadline.js'
import { runProgram } from '../support/process.js'
import { type Home, type Kind, noLab } from './lab.js'
import { Pair, type PairOptions } from './pair.js'
import { type Advertised, Radvd } from './radvd.js'
import { lab, side, skip, useLab } from './side.js'

useLab()

/** What one end tells of the path: `relayed`, `direct IPv6 was relayed`. */
function paths({ events }: Pair['server']): string[] {
  return events.flatMap(e =>
    e.event === 'connected'
      ? [`${e.path}${e.family ? ` ${e.family}` : ''}${e.was ? ` was ${e.was}` : ''}`]
      : []
  )
}

/** How long a session takes to leave the relay for IPv6, once it is there. */
const DIRECT_WITHIN_MS = 2000

/** Nothing is silent for so long that it would be noticed, even on a busy machine. */
const SILENT_WITHIN_MS = 2500

/** How long a session takes to be on IPv6 again when one side has other addresses. */
const AGAIN_WITHIN_MS = 9000

/** How long a session that IPv6 has left may be silent: silence is noticed after 3 s. */
const BACK_WITHIN_MS = 4500

type Ends = readonly [Home, Home]

async function homes(kind: Kind): Promise<Ends> {
  return [await lab.home(kind), await lab.home(kind)]
}

/** Homes that only IPv6, or a relay, joins. */
const APART = ['symmetric', 'cgn', 'DS-Lite'] as const

/** Two of them, with IPv6. */
async function ipv6Homes(kind: (typeof APART)[number]): Promise<Ends> {
  if (kind === 'DS-Lite') return [(await lab.dsLite()).home, (await lab.dsLite()).home]
  const ends = await homes(kind)
  for (const home of ends) await lab.giveIpv6(home)
  return ends
}

async function withPair(
  ends: Ends,
  body: (pair: Pair) => Promise<void>,
  options: PairOptions = { server: ['--relay', side.relayKey] }
): Promise<void> {
  const pair = new Pair(lab, ...ends, options)
  try {
    await body(pair)
  } finally {
    await pair.close()
  }
}

/** Both ends tell that packets travel over IPv6. */
async function onIpv6(pair: Pair, ms = 10_000, from?: { server: number; client: number }): Promise<void> {
  await Promise.all(
    (['server', 'client'] as const).map(end =>
      pair[end].event('connected', { ms, ...(from && { from: from[end] }), where: e => e.family === 'IPv6' })
    )
  )
}

function marks(pair: Pair): { server: number; client: number } {
  return { server: pair.server.mark, client: pair.client.mark }
}

for (const kind of APART) {
  test(`${kind} and ${kind} with IPv6 leave the relay for it, flows unharmed`, {
    skip,
    timeout: 90_000
  }, async t => {
    await withPair(await ipv6Homes(kind), async pair => {
      const first = await pair.meet()
      assert.equal(first.path, 'relayed', pair.describe())
      const steady = await pair.steadily(async () => {
        await onIpv6(pair)
        const ms = pair.elapsed - first.ms
        t.diagnostic(`relayed after ${first.ms} ms, direct ${ms} ms later`)
        assert.ok(ms < DIRECT_WITHIN_MS, `${ms} ms`)
        await pause(1500)
      })
      t.diagnostic(JSON.stringify(steady))
      assert.equal(steady.udpLost, 0, 'datagrams that were on their way')
      for (const proto of ['tcp', 'tcpudp', 'udp'] as const)
        assert.ok(steady[proto].ms < SILENT_WITHIN_MS, proto)
      for (const end of [pair.client, pair.server]) {
        assert.deepEqual(paths(end), ['relayed', 'direct IPv6 was relayed'], pair.describe())
      }
      await pair.check()
    })
  })
}

/** Homes that only IPv6 can join must be joined within this time. */
const ALONE_WITHIN_MS = 4000

for (const kind of APART) {
  test(`${kind} and ${kind} with IPv6 need no relay`, { skip, timeout: 60_000 }, async t => {
    await withPair(
      await ipv6Homes(kind),
      async pair => {
        const first = await pair.meet()
        t.diagnostic(`${first.path} after ${first.ms} ms`)
        assert.equal(first.path, 'direct', pair.describe())
        assert.deepEqual(paths(pair.client), ['direct IPv6'], pair.describe())
        assert.ok(first.ms < ALONE_WITHIN_MS, `${first.ms} ms`)
        await pair.check()
      },
      {}
    )
  })
}

test('two computers in one LAN that IPv4 does not join leave the relay for their private IPv6 addresses', {
  skip,
  timeout: 90_000
}, async t => {
  const computers = await lab.lan(2)
  await lab.isolateIpv4(computers)
  await lab.givePrivateIpv6(computers)
  await withPair([computers[0]!, computers[1]!], async pair => {
    const first = await pair.meet()
    assert.equal(first.path, 'relayed', pair.describe())
    await onIpv6(pair)
    t.diagnostic(`relayed after ${first.ms} ms, over IPv6 ${pair.elapsed - first.ms} ms later`)
    for (const end of [pair.client, pair.server]) {
      assert.deepEqual(paths(end), ['relayed', 'lan IPv6 was relayed'], pair.describe())
    }
    await pair.check()
  })
})

test('from a DS-Lite home a server that has IPv4 only is reached through the carrier, packets of every size', {
  skip,
  timeout: 60_000
}, async t => {
  const { home } = await lab.dsLite()
  await withPair(
    [await lab.home('open'), home],
    async pair => {
      const { path, family, ms } = await pair.meet()
      t.diagnostic(`${path} after ${ms} ms`)
      assert.deepEqual([path, family], ['direct', undefined], pair.describe())
      await pair.check()
    },
    {}
  )
})

test('where IPv6 vanishes, and nothing else joins two homes, the client says so', {
  skip,
  timeout: 60_000
}, async t => {
  const ends = await homes('symmetric')
  for (const home of ends) await lab.dropIpv6(await lab.giveIpv6(home), true)
  await withPair(
    ends,
    async pair => {
      const first = await pair.meet()
      t.diagnostic(`${first.path} after ${first.ms} ms`)
      assert.equal(first.path, 'NATS_RANDOM', pair.describe())
    },
    {}
  )
})

test('a home without IPv6, and one that leaves it alone, stay with the relay', {
  skip,
  timeout: 90_000
}, async () => {
  const ends = await homes('symmetric')
  await lab.giveIpv6(ends[0])
  await withPair(ends, async pair => {
    assert.equal((await pair.meet()).path, 'relayed', pair.describe())
    await pause(3000)
    assert.deepEqual(paths(pair.client), ['relayed'], pair.describe())
    await pair.check()
  })
  await lab.giveIpv6(ends[1])
  for (const off of ['server', 'client'] as const) {
    const relay = ['--relay', side.relayKey]
    const options = { server: relay, [off]: [...(off === 'server' ? relay : []), '--no-ipv6'] }
    await withPair(
      ends,
      async pair => {
        assert.equal((await pair.meet()).path, 'relayed', pair.describe())
        await pause(3000)
        assert.deepEqual(paths(pair.client), ['relayed'], pair.describe())
      },
      options
    )
  }
})

test('where IPv6 packets vanish nothing is slower, relayed or direct', {
  skip,
  timeout: 120_000
}, async t => {
  for (const [kind, path] of [
    ['symmetric', 'relayed'],
    ['cone', 'direct']
  ] as const) {
    const ends = await homes(kind)
    const quick: number[] = []
    for (const ipv6 of [false, true]) {
      if (ipv6) for (const home of ends) await lab.dropIpv6(await lab.giveIpv6(home), true)
      const relay = path === 'relayed' ? { server: ['--relay', side.relayKey] } : {}
      await withPair(
        ends,
        async pair => {
          const first = await pair.meet()
          assert.equal(first.path, path, pair.describe())
          quick.push(first.ms - first.readyMs)
          const steady = await pair.steadily(() => pause(5000))
          t.diagnostic(`${path}, IPv6 ${ipv6}: after ${first.ms} ms, ${JSON.stringify(steady)}`)
          assert.equal(steady.udpLost, 0)
          for (const proto of ['tcp', 'tcpudp', 'udp'] as const)
            assert.ok(steady[proto].ms < SILENT_WITHIN_MS, proto)
          assert.deepEqual(paths(pair.client), [path], pair.describe())
        },
        relay
      )
    }
    assert.ok(quick[1]! < quick[0]! + 1000, `${quick}`)
  }
})

test('a direct path that is as good as the other stays', { skip, timeout: 60_000 }, async () => {
  const ends = await homes('cone')
  for (const home of ends) await lab.giveIpv6(home)
  await withPair(
    ends,
    async pair => {
      assert.equal((await pair.meet()).path, 'direct', pair.describe())
      await pause(6000)
      // One that was slow to open is over IPv6 from the start.
      assert.equal(paths(pair.client).length, 1, pair.describe())
    },
    {}
  )
})

test('when IPv6 packets vanish from one moment to the next, the session goes on through the relay', {
  skip,
  timeout: 90_000
}, async t => {
  const ends = await homes('symmetric')
  const [server] = [await lab.giveIpv6(ends[0]), await lab.giveIpv6(ends[1])]
  await withPair(ends, async pair => {
    await pair.meet()
    await onIpv6(pair)
    const steady = await pair.steadily(async () => {
      const from = marks(pair)
      await lab.dropIpv6(server, true)
      await pair.client.event('connected', {
        ms: 20_000,
        from: from.client,
        where: e => e.path === 'relayed'
      })
      await pause(3000)
    })
    t.diagnostic(JSON.stringify(steady))
    for (const proto of ['tcp', 'tcpudp', 'udp'] as const) assert.ok(steady[proto].ms < BACK_WITHIN_MS, proto)
    // It is not tried again at once.
    assert.equal(paths(pair.client).at(-1), 'relayed', pair.describe())
    await pair.check()
  })
})

for (const end of ['client', 'server'] as const) {
  test(`the ${end}'s provider gives another network: the session goes on, over IPv6 again`, {
    skip,
    timeout: 90_000
  }, async t => {
    const ends = await homes('symmetric')
    const ipv6 = { server: await lab.giveIpv6(ends[0]), client: await lab.giveIpv6(ends[1]) }
    await withPair(ends, async pair => {
      await pair.meet()
      await onIpv6(pair)
      const steady = await pair.steadily(async () => {
        const from = marks(pair)
        await lab.removePrefix(await lab.addPrefix(ipv6[end]))
        const started = pair.elapsed
        await onIpv6(pair, 20_000, from)
        const ms = pair.elapsed - started
        t.diagnostic(`on IPv6 again after ${ms} ms`)
        assert.ok(ms < AGAIN_WITHIN_MS, `${ms} ms`)
        await pause(1500)
      })
      t.diagnostic(JSON.stringify(steady))
      for (const proto of ['tcp', 'tcpudp', 'udp'] as const)
        assert.ok(steady[proto].ms < BACK_WITHIN_MS, proto)
      await pair.check()
    })
  })
}

test('homes with two networks each use one that works', { skip, timeout: 90_000 }, async () => {
  const ends = await homes('symmetric')
  for (const home of ends) await lab.giveIpv6(home, 2)
  await withPair(ends, async pair => {
    await pair.meet()
    await onIpv6(pair)
    await pair.check()
  })
})

/** A home whose router advertises these networks. */
async function advertised(
  t: TestContext,
  count: number
): Promise<{ home: Home; networks: string[]; radvd: Radvd }> {
  const home = await lab.home('symmetric')
  await lab.ipv6Uplink(home)
  const networks: string[] = []
  while (networks.length < count) networks.push(await lab.routePrefix(home))
  // As computers of people do, and unlike servers.
  await inHome(home, 'echo 2 >/proc/sys/net/ipv6/conf/eth0/use_tempaddr')
  const radvd = Radvd.start(
    home,
    networks.map(network => ({ network }))
  )
  t.after(() => radvd.stop())
  for (const network of networks) await addressIn(home, network, radvd)
  return { home, networks, radvd }
}

/** Waits until a computer has made itself a lasting and a temporary address in a network. */
async function addressIn(home: Home, network: string, radvd: Radvd): Promise<void> {
  const start = network.replace('::/64', ':')
  await until(20_000, `addresses in ${network}: ${radvd.describe()}`, async () => {
    const shown = await inHome(home, 'ip -6 -o addr show dev eth0 scope global')
    const there = shown.split('\n').filter(line => line.includes(` ${start}`) && !line.includes('tentative'))
    return there.length >= 2 && there.some(line => line.includes('temporary'))
  })
}

async function inHome({ prefix }: Home, command: string): Promise<string> {
  const [program = '', ...args] = prefix
  const { code, stdout, stderr } = await runProgram(program, [...args, 'sh', '-ec', command])
  assert.equal(code, 0, stderr)
  return stdout
}

test('homes whose routers advertise two networks each, and whose computers make their own addresses', {
  skip: noLab('radvd'),
  timeout: 90_000
}, async t => {
  const ends = [await advertised(t, 2), await advertised(t, 2)] as const
  await withPair([ends[0].home, ends[1].home], async pair => {
    const first = await pair.meet()
    await onIpv6(pair)
    t.diagnostic(`${first.path} after ${first.ms} ms, on IPv6 ${pair.elapsed - first.ms} ms later`)
    await pair.check()
  })
})

test('a router that advertises another network, while packets of the one before vanish: the session goes on, over IPv6 again', {
  skip: noLab('radvd'),
  timeout: 120_000
}, async t => {
  const { home, networks, radvd } = await advertised(t, 1)
  const other = await lab.home('symmetric')
  await lab.giveIpv6(other)
  await withPair([home, other], async pair => {
    await pair.meet()
    await onIpv6(pair)
    const steady = await pair.steadily(async () => {
      const from = marks(pair)
      const next = await lab.routePrefix(home)
      // The computer keeps its old address, as RFC 4862 wants: only its preference is gone.
      const now: Advertised[] = networks.map(network => ({ network, deprecated: true }))
      radvd.advertise([...now, { network: next }])
      await lab.unroutePrefix(networks[0]!)
      const started = pair.elapsed
      await onIpv6(pair, 40_000, from)
      t.diagnostic(`on IPv6 again after ${pair.elapsed - started} ms`)
      await pause(1500)
    })
    t.diagnostic(JSON.stringify(steady))
    for (const proto of ['tcp', 'tcpudp', 'udp'] as const) assert.ok(steady[proto].ms < BACK_WITHIN_MS, proto)
    await pair.check()
  })
})
