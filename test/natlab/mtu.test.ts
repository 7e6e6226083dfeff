// A router on the way that carries smaller packets than before, while people play: what fills packets must go on within 2 s.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pause } from '../support/deadline.js'
import { runProgram } from '../support/process.js'
import type { Home } from './lab.js'
import { Pair } from './pair.js'
import { lab, skip, useLab } from './side.js'

const BACK_WITHIN_MS = 2000

useLab()

async function atRouter(home: Home, command: string): Promise<void> {
  assert.ok(home.router)
  const { code, stderr } = await runProgram('ip', ['netns', 'exec', home.router, 'sh', '-ec', command])
  if (code !== 0) throw new Error(`${command}: ${stderr}`)
}

/** How a router stops to carry packets of more than 1280 bytes: without a word, or telling their senders by ICMP. */
const WAYS = {
  'without ICMP': {
    shrink: 'iptables -w -I FORWARD -m length --length 1281:65535 -j DROP',
    widen: 'iptables -w -D FORWARD -m length --length 1281:65535 -j DROP'
  },
  'with ICMP': { shrink: 'ip link set wan mtu 1280', widen: 'ip link set wan mtu 1500' }
} as const

type Way = keyof typeof WAYS
type End = 'client' | 'server'

async function through(
  end: End,
  run: (pair: Pair, change: (what: 'shrink' | 'widen', way: Way) => Promise<void>) => Promise<void>
): Promise<void> {
  const homes = { server: await lab.home('cone'), client: await lab.home('cone') }
  const pair = new Pair(lab, homes.server, homes.client)
  try {
    await run(pair, (what, way) => atRouter(homes[end], WAYS[way][what]))
  } finally {
    await pair.close()
  }
}

describe('the MTU of a path', { skip, concurrency: 3 }, () => {
  for (const way of Object.keys(WAYS) as Way[]) {
    for (const end of ['client', 'server'] as const) {
      test(`shrinks at the ${end}'s router ${way}: all flows go on`, { timeout: 120_000 }, async t => {
        await through(end, async (pair, change) => {
          assert.equal((await pair.meet()).path, 'direct', pair.describe())
          const flows = await pair.largely(async () => {
            await pause(2000)
            await change('shrink', way)
            await pause(6000)
          })
          for (const [proto, { ms }] of Object.entries(flows)) {
            t.diagnostic(`${t.name}: ${proto} was silent for ${ms} ms`)
            assert.ok(ms <= BACK_WITHIN_MS, `${proto} was silent for ${ms} ms\n${pair.describe()}`)
          }
          await pair.check()
        })
      })
    }

    test(`is small from the start ${way}: all flows are carried`, { timeout: 120_000 }, async () => {
      await through('client', async (pair, change) => {
        await change('shrink', way)
        assert.equal((await pair.meet()).path, 'direct', pair.describe())
        const flows = await pair.largely(async () => {
          await pause(4000)
          await change('widen', way)
          await pause(2000)
        })
        for (const [proto, { ms }] of Object.entries(flows)) {
          assert.ok(ms <= BACK_WITHIN_MS, `${proto} was silent for ${ms} ms\n${pair.describe()}`)
        }
        await pair.check()
      })
    })
  }
})
