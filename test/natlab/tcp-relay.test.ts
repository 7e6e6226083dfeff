import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KINDS, type Kind } from './lab.js'
import { Pair } from './pair.js'
import { lab, side, skip, useLab } from './side.js'

/** Where UDP is blocked there is a connection within this time. */
const WITHIN_MS = 4000

useLab()

const ROWS: readonly (readonly [server: Kind, client: Kind])[] = [
  ...KINDS.map(server => [server, 'blocked'] as const),
  ...KINDS.filter(kind => kind !== 'blocked').map(client => ['blocked', client] as const)
]

for (const [server, client] of ROWS) {
  test(`${server} and ${client} connect through a relay by TCP`, { skip, timeout: 60_000 }, async t => {
    const address = await side.tcpAddress()
    const homes = [await lab.home(server), await lab.home(client)] as const
    // The ticket names it to guests; here it is a client of the key alone.
    const pair = new Pair(lab, ...homes, {
      server: ['--relay', address],
      client: client === 'blocked' ? ['--relay', address] : []
    })
    try {
      const { path, ms } = await pair.meet()
      t.diagnostic(`${path} after ${ms} ms`)
      assert.equal(path, client === 'blocked' ? 'relayed (tcp)' : 'direct', pair.describe())
      await pair.check()
      assert.ok(ms < WITHIN_MS, `${ms} ms`)
    } finally {
      await pair.close()
    }
  })
}
