import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HyperNat } from '../support/hyper-nat.js'
import { newSecret } from '../support/stage.js'
import { type Combination, isPath, line, tryPair } from './matrix.js'
import { Pair } from './pair.js'
import { lab, side, skip, useLab } from './side.js'

/** Two homes that hyperdht cannot join must be joined by a relay within this time. */
const RELAYED_WITHIN_MS = 3000

useLab()

/** The pairs of every run, each for a way of its own through the code; the others are in docs/nat-matrix.md. */
const DIRECT: readonly (readonly [Combination, 'lan' | 'direct'])[] = [
  ['lan', 'lan'],
  [{ server: 'open', client: 'open' }, 'direct'],
  [{ server: 'cone', client: 'cone' }, 'direct'],
  [{ server: 'fullcone', client: 'cone' }, 'direct'],
  [{ server: 'open', client: 'cgn' }, 'direct'],
  [{ server: 'symmetric', client: 'open' }, 'direct']
]

for (const [combination, path] of DIRECT) {
  const name = combination === 'lan' ? 'two in one LAN' : `${combination.server} and ${combination.client}`
  test(`${name} connect without a relay`, { skip }, async t => {
    const result = await tryPair(side, combination, { aid: 'none', lookMs: 0 })
    t.diagnostic(line(result))
    assert.equal(result.first.path, path)
  })
}

test('a guest with the same ticket and control sockets, but a network of its own, is on another computer', {
  skip
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-'))
  const env = { HYPER_NAT_CONTROL: folder, HYPER_NAT_SECRET: newSecret() }
  const flags = ['--json', '--bootstrap', lab.bootstrap]
  const [{ prefix }, there] = [await lab.home('open'), await lab.home('open')]
  const server = new HyperNat(['server', '-p', '7001', '--protocol', 'tcp', ...flags], { prefix, env })
  const joining: HyperNat[] = []
  try {
    const ready = await server.event('ready', { ms: 30_000 })
    assert.ok(ready.mode === 'server' && ready.ticket)
    const guest = new HyperNat(['join', ready.ticket, '--json'], { prefix: there.prefix, env })
    joining.push(guest)
    assert.equal(await guest.localPort('tcp', 7001), 7001)
  } finally {
    await Promise.all([server, ...joining].map(one => one.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a direct path is preferred to the relay', { skip }, async t => {
  const result = await tryPair(side, { server: 'cone', client: 'cone' }, { aid: 'relay', lookMs: 5000 })
  t.diagnostic(line(result))
  assert.ok(result.first.path === 'direct' || result.directMs !== null, line(result))
})

for (const [server, client] of [
  ['symmetric', 'symmetric'],
  ['cgn', 'cgn'],
  ['cgn', 'symmetric']
] as const) {
  test(`${server} and ${client} say why they cannot connect, and connect through a relay`, {
    skip
  }, async t => {
    const alone = await tryPair(side, { server, client }, { aid: 'none', lookMs: 0 })
    assert.equal(alone.first.path, 'NATS_RANDOM', line(alone))
    const relayed = await tryPair(side, { server, client }, { aid: 'relay', lookMs: 0 })
    t.diagnostic(line(relayed))
    assert.equal(relayed.first.path, 'relayed')
    assert.ok(relayed.first.ms < RELAYED_WITHIN_MS, line(relayed))
  })
}

test('a direct path takes over from the relay, flows unharmed', { skip, timeout: 60_000 }, async t => {
  const homes = [await lab.home('cone'), await lab.home('symmetric')] as const
  const pair = new Pair(lab, ...homes, { client: ['--relay', side.relayKey] })
  try {
    const first = await pair.meet()
    assert.ok(isPath(first.path), pair.describe())
    const steady = await pair.steadily(async () => {
      await pair.onPath('direct', 40_000)
      // Some more on the new path.
      await new Promise(resolve => setTimeout(resolve, 500))
    })
    t.diagnostic(`${first.path}, then direct after ${pair.elapsed} ms: ${JSON.stringify(steady)}`)
    await pair.check()
    // Unless it was direct at once, or dialled anew for it: one line tells it at either end.
    for (const { events } of [pair.client, pair.server]) {
      const connected = events.flatMap(e => (e.event === 'connected' ? [e] : []))
      if (first.path !== 'relayed' || events.some(({ event }) => event === 'disconnected')) continue
      assert.deepEqual(
        connected.map(({ path, was }) => [path, was]),
        [
          ['relayed', undefined],
          ['direct', 'relayed']
        ],
        pair.describe()
      )
    }
  } finally {
    await pair.close()
  }
})

test('where UDP is blocked, that side reports it', { skip }, async () => {
  const result = await tryPair(side, { server: 'cone', client: 'blocked' }, { aid: 'none', lookMs: 0 })
  assert.equal(result.first.path, 'DHT_UNREACHABLE')
})
