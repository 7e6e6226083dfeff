// What happens to a network while people play: flows must go on within 5 s of its return, byte for byte.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { pause } from '../support/deadline.js'
import { runProgram } from '../support/process.js'
import type { Home } from './lab.js'
import { Pair } from './pair.js'
import { lab, skip, useLab } from './side.js'

/** How long flows may take to move again once packets can. */
const BACK_WITHIN_MS = 5000

/** How long the network is away where the length matters. */
const OUTAGE_MS = 20_000

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

/** Keeps flows of every protocol going while `disturb` does its worst, and looks at the longest silence. */
async function goesOn(
  t: TestContext,
  homes: readonly [server: Home, client: Home],
  awayMs: number,
  disturb: () => Promise<void>
): Promise<void> {
  const pair = new Pair(lab, ...homes)
  try {
    assert.equal((await pair.meet()).path, 'direct', pair.describe())
    const { tcpGap, tcpudpGap, udpLost, udpSent } = await pair.steadily(async () => {
      await pause(1000)
      await disturb()
      await pause(BACK_WITHIN_MS + 1000)
    })
    t.diagnostic(`tcp silent for ${tcpGap} ms, tcpudp ${tcpudpGap} ms, udp lost ${udpLost} of ${udpSent}`)
    assert.ok(tcpGap <= awayMs + BACK_WITHIN_MS, `tcp was silent for ${tcpGap} ms\n${pair.describe()}`)
    assert.ok(
      tcpudpGap <= awayMs + BACK_WITHIN_MS,
      `tcpudp was silent for ${tcpudpGap} ms\n${pair.describe()}`
    )
    await pair.check()
  } finally {
    await pair.close()
  }
}

test('all packets dropped for 20 s', { skip, timeout: 90_000 }, async t => {
  const client = await lab.home('cone')
  await goesOn(t, [await lab.home('open'), client], OUTAGE_MS, async () => {
    const router = routerOf(client)
    await inside(router, 'iptables -w -I FORWARD -j DROP')
    await pause(OUTAGE_MS)
    await inside(router, 'iptables -w -D FORWARD -j DROP')
  })
})

test("the client's address changes", { skip, timeout: 60_000 }, async t => {
  const client = await lab.home('open')
  await goesOn(t, [await lab.home('open'), client], 0, () =>
    inside(client.prefix, 'ip addr flush dev wan; ip addr add 11.0.200.1/16 dev wan')
  )
})

test("the address of the client's router changes", { skip, timeout: 60_000 }, async t => {
  const client = await lab.home('cone')
  await goesOn(t, [await lab.home('open'), client], 0, () =>
    inside(
      routerOf(client),
      'ip addr flush dev wan; ip addr add 11.0.200.2/16 dev wan; conntrack -F 2>/dev/null'
    )
  )
})

test('a NAT in between forgets its mappings', { skip, timeout: 60_000 }, async t => {
  const client = await lab.home('symmetric')
  await goesOn(t, [await lab.home('open'), client], 0, () =>
    // It gives other ports from now on; nothing that was sent to the old ones comes in.
    inside(routerOf(client), 'conntrack -F 2>/dev/null')
  )
})
