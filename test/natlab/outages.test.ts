// What happens to a network while people play: flows must go on within 5 s of its return, byte for byte.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { pause } from '../support/deadline.js'
import { Process, runProgram } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { noSsh, startSshd } from '../support/sshd.js'
import { type Home, type Kind, TCP_RELAY_PORT } from './lab.js'
import { Pair, type PairOptions } from './pair.js'
import { lab, side, skip, useLab } from './side.js'

/** How long flows may take to move again once packets can. */
const BACK_WITHIN_MS = 5000

/** The same by way of a relay by TCP: two seconds, and one more for a machine with other outages at the same time. */
const BY_TCP_WITHIN_MS = 3000

/** Outages at a time: they are mostly waiting. */
const AT_A_TIME = 6

useLab()

/** Runs a command in a namespace of the lab. */
async function inside(prefix: readonly string[], command: string): Promise<void> {
  const [program = '', ...args] = prefix
  const { code, stderr } = await runProgram(program, [...args, 'sh', '-ec', command])
  if (code !== 0) throw new Error(`${command}: ${stderr}`)
}

function routerOf(home: Home): string[] {
  assert.ok(home.router, 'this home has a router')
  return ['ip', 'netns', 'exec', home.router]
}

/** What is done to the network of a pair; resolves when packets can go through again. */
type Disturbance = (homes: { server: Home; client: Home }, pair: Pair) => Promise<void>

/** Keeps flows of every protocol going while `disturb` does its worst, and looks at how soon they move again. */
async function goesOn(
  t: TestContext,
  kinds: { server: Kind; client: Kind },
  disturb: Disturbance,
  options: PairOptions & { path?: string; withinMs?: number } = {}
): Promise<void> {
  const homes = { server: await lab.home(kinds.server), client: await lab.home(kinds.client) }
  const pair = new Pair(lab, homes.server, homes.client, options)
  try {
    assert.equal((await pair.meet()).path, options.path ?? 'direct', pair.describe())
    let returned = 0
    const steady = await pair.steadily(async () => {
      await pause(1000)
      await disturb(homes, pair)
      returned = Date.now()
      await pause(BACK_WITHIN_MS + 1000)
    })
    const { tcp, tcpudp, udp, udpLost, udpSent, transferred } = steady
    const backMs = Object.entries({ tcp, tcpudp, udp }).map(
      ([proto, { until }]) => [proto, Math.max(0, until - returned)] as const
    )
    const times = backMs.map(([proto, ms]) => `${proto} ${ms} ms`).join(', ')
    t.diagnostic(
      `${t.name}: back after ${times}; silent for ${tcp.ms} ms; udp lost ${udpLost} of ${udpSent}; transferred ${transferred} bytes`
    )
    for (const [proto, ms] of backMs) {
      assert.ok(
        ms <= (options.withinMs ?? BACK_WITHIN_MS),
        `${proto} moved again after ${ms} ms\n${pair.describe()}`
      )
    }
    await pair.check()
  } finally {
    await pair.close()
  }
}

/** Nothing passes a router for a while. */
async function drop(home: Home, ms: number): Promise<void> {
  const router = routerOf(home)
  await inside(router, 'iptables -w -I FORWARD -j DROP')
  await pause(ms)
  await inside(router, 'iptables -w -D FORWARD -j DROP')
}

/** Resets all TCP connections through a router, and those that are tried meanwhile. */
async function reset(home: Home): Promise<void> {
  const router = routerOf(home)
  const rule = 'FORWARD -p tcp -j REJECT --reject-with tcp-reset'
  await inside(router, `iptables -w -I ${rule}`)
  await pause(300)
  await inside(router, `iptables -w -D ${rule}`)
}

/** Another address on the public side. */
function readdress(prefix: readonly string[]): Promise<void> {
  return lab.readdress(prefix.at(-1)!)
}

/** A router that is away for a while and remembers nothing. */
async function reboot(home: Home, ms: number): Promise<void> {
  const router = routerOf(home)
  await inside(router, 'ip link set wan down; ip link set lan down')
  await pause(ms)
  await inside(router, 'conntrack -F 2>/dev/null; ip link set lan up; ip link set wan up')
}

async function pull(cable: Home['cable'], ms: number): Promise<void> {
  await lab.unplug(cable)
  await pause(ms)
  await lab.plugIn(cable)
}

const SSH_PORT = 7022

/** What a login may take: without a tunnel it takes 4 s beside five pairs that start. */
const LOGIN_MS = 30_000

const OPEN_TO_CONE = { server: 'open', client: 'cone' } as const
const CONE_TO_CONE = { server: 'cone', client: 'cone' } as const
const SYMMETRIC = { server: 'symmetric', client: 'symmetric' } as const

/** Where flows go on, and through what. All are over well before the minute that sessions wait. */
const OUTAGES: readonly (readonly [
  name: string,
  kinds: { server: Kind; client: Kind },
  disturb: Disturbance
])[] = [
  ["the client's cable out for 50 s", CONE_TO_CONE, ({ client }) => pull(client.cable, 50_000)],
  ["the server's cable out for 50 s", CONE_TO_CONE, ({ server }) => pull(server.cable, 50_000)],
  [
    "the cable of the client's router out for 50 s",
    OPEN_TO_CONE,
    ({ client }) => pull(client.uplink, 50_000)
  ],
  [
    "the cable of the server's router out for 50 s",
    CONE_TO_CONE,
    ({ server }) => pull(server.uplink, 50_000)
  ],
  ['all packets dropped for 20 s', OPEN_TO_CONE, ({ client }) => drop(client, 20_000)],
  ["all packets dropped at the server's router for 20 s", CONE_TO_CONE, ({ server }) => drop(server, 20_000)],
  [
    "the client's own address changes",
    { server: 'open', client: 'open' },
    ({ client }) => readdress(client.prefix)
  ],
  [
    "the server's own address changes",
    { server: 'open', client: 'cone' },
    ({ server }) => readdress(server.prefix)
  ],
  ["the address of the client's router changes", CONE_TO_CONE, ({ client }) => readdress(routerOf(client))],
  ["the address of the server's router changes", CONE_TO_CONE, ({ server }) => readdress(routerOf(server))],
  ["the client's router restarts", CONE_TO_CONE, ({ client }) => reboot(client, 3000)],
  ["the server's router restarts", CONE_TO_CONE, ({ server }) => reboot(server, 3000)],
  [
    "the server's router restarts and gives other ports",
    { server: 'symmetric', client: 'open' },
    ({ server }) => reboot(server, 3000)
  ],
  [
    'a NAT in between forgets its mappings',
    { server: 'open', client: 'symmetric' },
    // It gives other ports from now on; nothing that was sent to the old ones comes in.
    ({ client }) => inside(routerOf(client), 'conntrack -F 2>/dev/null')
  ]
]

describe('flows go on', { skip, concurrency: AT_A_TIME }, () => {
  for (const [name, kinds, disturb] of OUTAGES) {
    test(name, { timeout: 120_000 }, t => goesOn(t, kinds, disturb))
  }

  test('one of two relays is killed', { timeout: 60_000 }, async t => {
    const { key, relay } = await side.anotherRelay()
    await goesOn(
      t,
      SYMMETRIC,
      async () => {
        relay.kill('SIGKILL')
        await relay.end()
      },
      { server: ['--relay', `${key},${side.relayKey}`], path: 'relayed' }
    )
  })

  test('the only relay is killed, and back after 10 s', { timeout: 60_000 }, async t => {
    const first = await side.anotherRelay()
    await goesOn(
      t,
      SYMMETRIC,
      async () => {
        first.relay.kill('SIGKILL')
        await first.relay.end()
        await pause(10_000)
        await first.again()
      },
      { server: ['--relay', first.key], path: 'relayed' }
    )
  })

  // A port for each: what happens to one relay is no concern of the others.
  for (const [i, [name, disturb]] of (
    [
      ['a relay by TCP is killed, and back at once', null],
      [
        'the TCP connections to a relay are cut',
        ({ client, server }) => Promise.all([reset(client), reset(server)])
      ],
      ['the cable of a guest of a relay by TCP is out for 10 s', ({ client }) => pull(client.cable, 10_000)],
      ['packets between a guest and its relay by TCP vanish for 10 s', ({ client }) => drop(client, 10_000)]
    ] satisfies [string, ((homes: { server: Home; client: Home }) => Promise<unknown>) | null][]
  ).entries()) {
    test(name, { timeout: 90_000 }, async t => {
      const first = await side.anotherRelay(['--tcp', `${TCP_RELAY_PORT + 1 + i}`])
      const [, address = ''] = await first.relay.says(/"address":"([^"]+)"/)
      await goesOn(
        t,
        { server: 'blocked', client: 'blocked' },
        async homes => {
          if (disturb) return void (await disturb(homes))
          first.relay.kill('SIGKILL')
          await first.relay.end()
          await first.again()
        },
        {
          server: ['--relay', address],
          client: ['--relay', address],
          path: 'relayed (tcp)',
          withinMs: BY_TCP_WITHIN_MS
        }
      )
    })
  }

  test('an ssh session outlives 20 s of nothing and a changed address', {
    timeout: 90_000,
    skip: noSsh()
  }, async t => {
    const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
    const [server, client] = [await lab.home('open'), await lab.home('cone')]
    const sshd = await startSshd(folder, SSH_PORT, server.prefix)
    const pair = new Pair(lab, server, client, { port: SSH_PORT })
    try {
      await pair.meet()
      const local = await pair.client.localPort('tcp', SSH_PORT)
      const [program = '', ...args] = [...client.prefix, programPath('ssh')]
      const enough = join(folder, 'enough')
      const counting = `i=0; until [ -e ${enough} ]; do i=$((i+1)); echo $i; sleep 0.02; done`
      const session = new Process(program, [...args, ...sshd.ssh(local, counting)])
      const linesAfter = async (what: string): Promise<void> => {
        const [from, lines] = [Date.now(), session.stdout.length]
        const moved = (): boolean => session.stdout.length > lines
        while (!moved() && Date.now() - from < BACK_WITHIN_MS) await pause(20)
        t.diagnostic(`ssh, ${what}: back after ${Date.now() - from} ms`)
        assert.ok(moved(), `${what}: nothing more comes\n${session.describe()}\n${pair.describe()}`)
      }
      try {
        await session.says(/^1$/m, LOGIN_MS)
        await session.says(/^20$/m)
        await drop(client, 20_000)
        await linesAfter('20 s of nothing')
        await pause(500)
        await inside(
          client.prefix,
          'ip addr flush dev eth0; ip addr add 192.168.7.77/24 dev eth0; ip route add default via 192.168.7.1'
        )
        // What had come to the old address may still be read.
        await pause(100)
        await linesAfter('another address')
        writeFileSync(enough, '')
        const { code, stdout } = await session.end(30_000)
        assert.equal(code, 0, session.describe())
        const counted = stdout.trim().split('\n').map(Number)
        assert.deepEqual(
          counted,
          counted.map((_, i) => i + 1)
        )
      } finally {
        await session.stop()
      }
    } finally {
      await pair.close()
      await sshd.process.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
