import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KINDS, type Kind } from './lab.js'
import { Pair } from './pair.js'
import { lab, side, skip, useLab } from './side.js'

/** Where UDP is blocked there is a connection within this time. */
const WITHIN_MS = 4000

useLab()

/** UDP is tried again every minute. */
const UDP_AGAIN_MS = 90_000

const ROWS: readonly (readonly [server: Kind, client: Kind])[] = [
  ...KINDS.map(server => [server, 'blocked'] as const),
  ...KINDS.filter(kind => kind !== 'blocked').map(client => ['blocked', client] as const)
]

for (const [server, client] of ROWS) {
  test(`${server} and ${client} connect through a relay by TCP`, { skip, timeout: 120_000 }, async t => {
    const address = await side.tcpAddress()
    const homes = [await lab.home(server), await lab.home(client)] as const
    // The ticket names it to guests; here it is a client of the key alone.
    const pair = new Pair(lab, ...homes, {
      server: ['--relay', address],
      client: client === 'blocked' ? ['--relay', address] : []
    })
    try {
      const { path, ms, readyMs } = await pair.meet()
      t.diagnostic(`${path} after ${ms} ms, of which ${readyMs} ms are the start of the program`)
      assert.equal(path, client === 'blocked' ? 'relayed (tcp)' : 'direct', pair.describe())
      await pair.check()
      assert.ok(ms - readyMs < WITHIN_MS, `${ms} ms`)
    } finally {
      await pair.close()
    }
  })
}

test('only TCP to one port of the relay is let out, and a blocked server and client meet there', {
  skip,
  timeout: 120_000
}, async t => {
  const address = await side.tcpAddress()
  const homes = [await lab.home('blocked'), await lab.home('blocked')] as const
  for (const home of homes) await lab.letOnlyTcp(home, [new URL(address).host.replace(/(?<!:443)$/, ':443')])
  const pair = new Pair(lab, ...homes, { server: ['--relay', address], client: ['--relay', address] })
  try {
    const { path, ms } = await pair.meet()
    t.diagnostic(`${path} after ${ms} ms`)
    assert.equal(path, 'relayed (tcp)', pair.describe())
    await pair.check()
  } finally {
    await pair.close()
  }
})

test('an HTTP proxy is the only way out, and a blocked server and client meet at a relay behind it', {
  skip,
  timeout: 120_000
}, async t => {
  const [relay, proxy] = [await side.tcpAddress(), await side.proxy()]
  const homes = [await lab.home('blocked'), await lab.home('blocked')] as const
  for (const home of homes) await lab.letOnlyTcp(home, [proxy.address])
  const pair = new Pair(lab, ...homes, {
    server: ['--relay', relay],
    client: ['--relay', relay],
    env: { HTTPS_PROXY: `http://${proxy.address}` }
  })
  try {
    const { path, ms, readyMs } = await pair.meet()
    t.diagnostic(`${path} after ${ms} ms, of which ${readyMs} ms are the start of the program`)
    assert.equal(path, 'relayed (tcp)', pair.describe())
    assert.ok(ms - readyMs < WITHIN_MS, `${ms} ms`)
    await pair.check()
  } finally {
    await pair.close()
  }
  assert.match(proxy.process.stdout, new RegExp(`asked for ${lab.relayHost}:443`))
})

test('UDP that is blocked in the middle, and that works again, is noticed, flows unharmed', {
  skip,
  timeout: 200_000
}, async t => {
  const address = await side.tcpAddress()
  const homes = [await lab.home('open'), await lab.home('blocked')] as const
  await lab.letUdp(homes[1], true)
  const pair = new Pair(lab, ...homes, { client: ['--relay', address] })
  try {
    assert.equal((await pair.meet()).path, 'direct')
    const steady = await pair.steadily(async () => {
      await lab.letUdp(homes[1], false)
      await pair.client.event('connected', { ms: 40_000, where: e => e.path === 'relayed (tcp)' })
      const from = pair.client.events.length
      await lab.letUdp(homes[1], true)
      await pair.client.event('connected', {
        ms: UDP_AGAIN_MS,
        where: e => e.path === 'direct' && pair.client.events.indexOf(e) >= from
      })
    })
    t.diagnostic(JSON.stringify(steady))
    await pair.check()
  } finally {
    await pair.close()
  }
})
