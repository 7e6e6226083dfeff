// The doctor in every room of the lab: what it makes of each network, and of the way to a server in another one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PingAnswer } from '../../src/client/ping.js'
import type { Diagnosis } from '../../src/doctor/report.js'
import { until } from '../support/deadline.js'
import { HyperNat } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { missing } from '../support/programs.js'
import { newSecret } from '../support/stage.js'
import { type Home, KINDS, type Kind } from './lab.js'
import { Miniupnpd, type MiniupnpdOptions, noMiniupnpd } from './miniupnpd.js'
import { lab, side, skip, useLab } from './side.js'

useLab()

/** What there is to find in each kind of home, and the words for it. */
const FOUND: Readonly<
  Record<Kind, { kind: string; name: RegExp; translated: boolean | null; beyond: string | null }>
> = {
  open: { kind: 'open', name: /^open$/, translated: false, beyond: null },
  fullcone: { kind: 'full-cone', name: /^open \(full cone\)$/, translated: true, beyond: null },
  cone: { kind: 'cone', name: /^moderate/, translated: true, beyond: null },
  symmetric: { kind: 'symmetric', name: /^strict/, translated: true, beyond: null },
  // Only `ping` hears from the carrier's router.
  cgn: { kind: 'symmetric', name: /^strict/, translated: true, beyond: missing('ping') ? null : 'carrier' },
  blocked: { kind: 'blocked', name: /^UDP blocked$/, translated: null, beyond: null }
}

/** Runs a command in a home, to its end. */
async function run(
  home: Home,
  args: readonly string[],
  { ms = 60_000, env = {} }: { ms?: number; env?: Record<string, string> } = {}
): Promise<{ code: number | null; lines: string[] }> {
  const program = new HyperNat([...args, '--json', '--bootstrap', lab.bootstrap], {
    prefix: home.prefix,
    env
  })
  try {
    const { code, stdout } = await program.end(ms)
    return { code, lines: stdout.trimEnd().split('\n') }
  } finally {
    await program.stop()
  }
}

async function diagnoseIn(
  home: Home,
  args: readonly string[] = [],
  env: Record<string, string> = {}
): Promise<Diagnosis & { code: number | null }> {
  const { code, lines } = await run(home, ['doctor', ...args], { env })
  assert.equal(lines.length, 1, lines.join('\n'))
  return { ...(JSON.parse(lines[0]!) as Diagnosis), code }
}

function problems({ checks }: Diagnosis): string[] {
  return checks.filter(({ verdict }) => verdict === 'problem').map(({ name }) => name)
}

/** Runs a command on a machine of the lab. */
async function inside({ prefix }: Pick<Home, 'prefix'>, command: string): Promise<void> {
  const [program = '', ...args] = prefix
  const { code, stderr } = await runProgram(program, [...args, 'sh', '-ec', command])
  assert.equal(code, 0, stderr)
}

/** What the doctor finds in a home whose router maps ports; whatever that is, no mapping may stay. */
async function diagnoseBehind(
  home: Home,
  options: MiniupnpdOptions,
  args: readonly string[] = []
): Promise<Awaited<ReturnType<typeof diagnoseIn>> & { asked: boolean }> {
  const router = await Miniupnpd.start(home, options)
  try {
    const found = await diagnoseIn(home, args)
    assert.deepEqual(await router.redirects(), [])
    return { ...found, asked: router.asked }
  } finally {
    await router.stop()
  }
}

/** A server in a home, while `body` runs. */
async function serving(
  home: Home,
  body: (publicKey: string, server: HyperNat) => Promise<void>,
  flags: readonly string[] = []
): Promise<void> {
  const args = [
    'server',
    '-p',
    '25565',
    '--protocol',
    'tcp',
    '--json',
    '--bootstrap',
    lab.bootstrap,
    ...flags
  ]
  const server = new HyperNat(args, { prefix: home.prefix, env: { HYPER_NAT_SECRET: newSecret() } })
  try {
    const { publicKey } = await server.event('ready', { ms: 30_000 })
    await body(publicKey, server)
  } finally {
    await server.stop()
  }
}

// They wait most of the time, each in homes of its own.
describe('the doctor', { concurrency: 3 }, () => {
  for (const kind of KINDS) {
    test(`${kind}: what the doctor finds without a key`, { skip, timeout: 60_000 }, async () => {
      const found = await diagnoseIn(await lab.home(kind))
      const expected = FOUND[kind]
      assert.equal(found.nat.kind, expected.kind)
      assert.match(found.nat.name, expected.name)
      assert.equal(found.nat.translated, expected.translated)
      assert.equal(found.nat.beyond, expected.beyond)
      if (kind === 'blocked') {
        assert.equal(found.code, 1)
        assert.deepEqual([found.network.answered, found.network.contact], [0, 'blocked'])
        assert.deepEqual(problems(found), ['network'])
      } else {
        assert.equal(found.code, 0)
        assert.equal(found.network.answered, found.network.asked)
        assert.ok(found.network.answered >= 4, `${found.network.answered}`)
        assert.match(found.nat.publicAddresses.join(), /^11\.0\.\d+\.\d+$/)
        assert.deepEqual(problems(found), [])
        assert.equal(found.portMapping?.state, kind === 'open' ? 'unneeded' : 'none')
        const nat = found.checks.find(({ name }) => name === 'nat')
        assert.match(nat?.message ?? '', /You (can play|connect) /)
        assert.equal(nat?.verdict, kind === 'symmetric' || kind === 'cgn' ? 'note' : 'ok')
      }
    })
  }

  for (const speaks of ['upnp', 'nat-pmp', 'pcp'] as const) {
    test(`a router that maps ports, by ${speaks}`, {
      skip: skip || noMiniupnpd(),
      timeout: 60_000
    }, async () => {
      const found = await diagnoseBehind(await lab.home('symmetric'), { speaks })
      const { portMapping, nat } = found
      assert.ok(portMapping?.state === 'mapped', JSON.stringify(portMapping))
      assert.deepEqual(
        [portMapping.protocol, portMapping.externalAddress],
        [speaks, nat.publicAddresses[0]],
        'it says which way it was asked, and where others get in'
      )
      assert.ok(portMapping.externalPort > 0)
      // The port that was mapped makes nobody believe that this home were open.
      assert.deepEqual([nat.kind, nat.beyond, found.code], ['symmetric', 'public', 0])
      assert.equal(found.checks.find(({ name }) => name === 'portMapping')?.verdict, 'ok')
      assert.match(
        found.checks.find(({ name }) => name === 'nat')?.message ?? '',
        /As host, you can play with everyone/
      )
    })
  }

  test('a router that maps ports behind another NAT is of no use', {
    skip: skip || noMiniupnpd(),
    timeout: 60_000
  }, async () => {
    const lies = { speaks: 'pcp', address: '11.0.99.1' } as const
    const [careful, careless] = await Promise.all([
      diagnoseBehind(await lab.home('cgn'), { speaks: 'pcp' }),
      diagnoseBehind(await lab.home('cgn'), lies)
    ])
    assert.equal(careful.portMapping?.state, 'refused')
    const { portMapping } = careless
    assert.ok(portMapping?.state === 'useless', JSON.stringify(portMapping))
    assert.deepEqual([portMapping.routerAddress, portMapping.protocol], ['11.0.99.1', 'pcp'])
    for (const { checks, nat, code } of [careful, careless]) {
      assert.deepEqual([nat.kind, code], ['symmetric', 0])
      const check = checks.find(({ name }) => name === 'portMapping')
      assert.equal(check?.verdict, 'note')
      assert.ok(check.advice)
    }
  })

  test('ended while others try the port: no mapping stays', {
    skip: skip || noMiniupnpd(),
    timeout: 60_000
  }, async () => {
    const home = await lab.home('cgn')
    // Nothing comes in there, which takes some seconds to find out.
    const router = await Miniupnpd.start(home, { speaks: 'pcp', address: '11.0.99.1' })
    const doctor = new HyperNat(['doctor', '--bootstrap', lab.bootstrap], { prefix: home.prefix })
    try {
      await until(20_000, 'a mapping', async () => (await router.redirects()).length === 1)
      doctor.kill('SIGINT')
      assert.equal((await doctor.end(3000)).code, 0)
      assert.deepEqual(await router.redirects(), [])
    } finally {
      await doctor.stop()
      await router.stop()
    }
  })

  test('a router is left alone with --no-port-mapping', {
    skip: skip || noMiniupnpd(),
    timeout: 60_000
  }, async () => {
    const home = await lab.home('cone')
    const { asked, portMapping } = await diagnoseBehind(home, { speaks: 'upnp' }, ['--no-port-mapping'])
    assert.deepEqual([asked, portMapping], [false, null])
  })

  test('from every kind of home to a server that others reach unasked', {
    skip,
    timeout: 120_000
  }, async () => {
    await serving(await lab.home('open'), async publicKey => {
      const visit = async (kind: Kind): Promise<void> => {
        const found = await diagnoseIn(await lab.home(kind), ['-k', publicKey])
        assert.equal(found.nat.kind, FOUND[kind].kind, kind)
        const { server } = found
        assert.ok(server)
        if (kind === 'blocked') {
          assert.equal(found.code, 1)
          assert.deepEqual([server.code, server.inTheWay], ['DHT_UNREACHABLE', 'here'])
          return
        }
        assert.equal(found.code, 0, `${kind}: ${JSON.stringify(found.checks)}`)
        assert.deepEqual(
          [server.connected, server.path, server.loss, server.inTheWay],
          [true, 'direct', 0, null],
          kind
        )
        assert.ok(server.knownBy > 0)
        assert.ok(server.rtt !== null && server.rtt < 500)
        assert.deepEqual(server.shared, [{ proto: 'tcp', port: 25565 }])
      }
      await Promise.all(KINDS.map(visit))
    })
  })

  test('UDP is blocked: which relay by TCP works, or that none does, and what to do', {
    skip,
    timeout: 120_000
  }, async () => {
    const relay = await side.tcpAddress()
    const nobody = `ws://${lab.relayHost}:444`
    const proxy = (await side.proxy()).address
    const only = async (...places: string[]): Promise<Home> => {
      const home = await lab.home('blocked')
      await lab.letOnlyTcp(home, places)
      return home
    }
    await serving(await lab.home('cone'), async publicKey => {
      for (const [room, home, relays, env, wanted] of [
        ['no relay is known', await lab.home('blocked'), [], {}, /No relay by TCP is known/],
        [
          'a relay',
          await lab.home('blocked'),
          [relay],
          {},
          /UDP is blocked here; a relay by TCP works: [1-9]/
        ],
        [
          'nobody listens',
          await lab.home('blocked'),
          [nobody],
          {},
          /No relay by TCP works, either: .*444\/ is not reached/
        ],
        ['one of two', await lab.home('blocked'), [nobody, relay], {}, /a relay by TCP works/],
        ['TCP to one port', await only(`${lab.relayHost}:443`), [relay], {}, /a relay by TCP works/],
        ['a proxy', await only(proxy), [relay], { HTTPS_PROXY: `http://${proxy}` }, /a relay by TCP works/],
        ['a proxy that is not named', await only(proxy), [relay], {}, /No relay by TCP works, either/]
      ] as const) {
        const flags = relays.length > 0 ? ['--relay', relays.join(',')] : []
        const found = await diagnoseIn(home, ['-k', publicKey, ...flags], env)
        const network = found.checks.find(({ name }) => name === 'network')
        assert.match(network?.message ?? '', wanted, room)
        assert.ok(network?.advice, room)
        const works = /a relay by TCP works/.test(network!.message)
        assert.equal(found.code, works ? 0 : 1, room)
        assert.equal(network?.verdict, works ? 'note' : 'problem', room)
        assert.equal(found.server?.path ?? null, works ? 'relayed (tcp)' : null, room)
      }
    })
  })

  test('two homes that punch through', { skip, timeout: 60_000 }, async () => {
    await serving(await lab.home('cone'), async publicKey => {
      const found = await diagnoseIn(await lab.home('cone'), ['-k', publicKey])
      assert.equal(found.code, 0, JSON.stringify(found.checks))
      assert.equal(found.server?.path, 'direct')
    })
  })

  test('a strict server says that it is one', { skip, timeout: 120_000 }, async () => {
    await serving(
      await lab.home('symmetric'),
      async publicKey => {
        const found = await diagnoseIn(await lab.home('cone'), ['-k', publicKey])
        // A direct path is a matter of chance here.
        assert.equal(found.code, 0, JSON.stringify(found.checks))
        assert.equal(found.server?.serverIsRandom, true)
        assert.equal(found.server.direct, found.server.path === 'direct')
      },
      ['--relay', side.relayKey]
    )
  })

  for (const kind of ['symmetric', 'cgn'] as const) {
    test(`a strict server and a ${kind} guest: both are in the way, and a relay helps`, {
      skip,
      timeout: 120_000
    }, async () => {
      await serving(await lab.home('symmetric'), async publicKey => {
        const home = await lab.home(kind)
        const alone = await diagnoseIn(home, ['-k', publicKey])
        assert.equal(alone.code, 1)
        assert.ok(alone.server)
        const { code, inTheWay, knownBy, direct } = alone.server
        assert.deepEqual([code, inTheWay, direct], ['NATS_RANDOM', 'both', false])
        assert.ok(knownBy > 0)
        assert.deepEqual(problems(alone), ['path'])
        assert.match(alone.checks.find(({ name }) => name === 'path')?.advice ?? '', /--relay/)

        const relayed = await diagnoseIn(home, ['-k', publicKey, '--relay', side.relayKey])
        assert.equal(relayed.code, 0, JSON.stringify(relayed.checks))
        assert.deepEqual([relayed.server?.path, relayed.server?.direct], ['relayed', false])
        assert.equal(relayed.checks.find(({ name }) => name === 'path')?.verdict, 'note')

        const ping = await run(home, [
          'ping',
          '-c',
          '2',
          '-i',
          '0.2',
          '-k',
          publicKey,
          '--relay',
          side.relayKey
        ])
        assert.equal(ping.code, 0)
        assert.deepEqual(
          ping.lines.slice(0, -1).map(line => (JSON.parse(line) as PingAnswer).path),
          ['relayed', 'relayed']
        )
      })
    })
  }

  test('a server that is not running, from a strict home: the other side is in the way', {
    skip,
    timeout: 60_000
  }, async () => {
    let key = ''
    await serving(await lab.home('cone'), async (publicKey, server) => {
      key = publicKey
      server.kill('SIGKILL')
      await server.end()
    })
    const found = await diagnoseIn(await lab.home('symmetric'), ['-k', key])
    assert.equal(found.code, 1)
    assert.deepEqual([found.server?.code, found.server?.inTheWay], ['SERVER_NOT_RUNNING', 'there'])
    assert.ok(found.server!.knownBy > 0)
  })

  test('two in one LAN', { skip, timeout: 60_000 }, async () => {
    const [host, guest] = await lab.lan(2)
    await serving(host!, async publicKey => {
      const found = await diagnoseIn(guest!, ['-k', publicKey])
      assert.equal(found.code, 0, JSON.stringify(found.checks))
      assert.deepEqual([found.nat.kind, found.server?.path], ['cone', 'lan'])
    })
  })

  test('a public address behind a firewall', { skip, timeout: 60_000 }, async () => {
    const home = await lab.home('open')
    await inside(home, 'iptables -w -A INPUT -p udp -m conntrack --ctstate NEW -j DROP')
    const { nat, code } = await diagnoseIn(home)
    assert.deepEqual([nat.kind, nat.translated, code], ['firewall', false, 0])
    assert.match(nat.name, /^moderate/)
  })

  test('no cable here, no internet behind the router', { skip, timeout: 60_000 }, async () => {
    const home = await lab.home('cone')
    await inside(home, 'ip link set eth0 down')
    const other = await lab.home('cone')
    await inside({ prefix: ['ip', 'netns', 'exec', other.router!] }, 'ip link set wan down')
    const [unplugged, cut] = await Promise.all([diagnoseIn(home), diagnoseIn(other)])
    assert.deepEqual([unplugged.network.contact, unplugged.code], ['offline', 1])
    assert.deepEqual([cut.network.contact, cut.code], ['silent', 1])
  })

  test('a line that loses packets: nothing is mistaken for it, and the loss is reported', {
    skip,
    timeout: 90_000
  }, async () => {
    await serving(await lab.home('open'), async publicKey => {
      const home = await lab.home('fullcone')
      await inside(home, 'iptables -w -A OUTPUT -p udp -m statistic --mode random --probability 0.3 -j DROP')
      const found = await diagnoseIn(home, ['-k', publicKey])
      assert.equal(found.nat.translated, true)
      assert.notEqual(found.nat.kind, 'symmetric')
      assert.equal(found.code, 1, JSON.stringify(found.checks))
      assert.deepEqual(problems(found), ['quality'])
      assert.ok(found.server!.loss! >= 0.1 && found.server!.loss! < 0.7, `${found.server?.loss}`)
    })
  })
})
