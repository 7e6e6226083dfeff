import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { type TestContext, test } from 'node:test'
import { WARM_UP } from '../../src/limits.js'
import type { Proto } from '../../src/options/entry.js'
import { warmUp } from '../../src/warm-up.js'
import { HyperNat, writeOptions } from '../support/hyper-nat.js'
import { freePort } from '../support/servers.js'
import { newSecret, serverEntries } from '../support/stage.js'
import { startTestnet } from '../support/testnet.js'

/** Counts the sockets of this process: connections that were accepted, and UDP sockets of programs and targets. */
function countSockets(t: TestContext): { tcp: number; udp: number } {
  const counts = { tcp: 0, udp: 0 }
  const accepted = () => void counts.tcp++
  const created = () => void counts.udp++
  channel('net.server.socket').subscribe(accepted)
  channel('udp.socket').subscribe(created)
  t.after(() => {
    channel('net.server.socket').unsubscribe(accepted)
    channel('udp.socket').unsubscribe(created)
  })
  return counts
}

const openSockets = () =>
  process
    .getActiveResourcesInfo()
    .filter(name => /TCP|UDP|Pipe/.test(name))
    .sort()

test('a warm-up goes through sessions by every protocol, and leaves nothing open', async t => {
  const before = openSockets()
  const counts = countSockets(t)
  const protos: Proto[] = ['tcp', 'udp', 'tcpudp']
  await warmUp(new Set(protos), { ...WARM_UP, sessions: 2, rounds: 3, busyShare: 1 })
  // Of both TCP protocols one at the client's end and one at the target's, for each round.
  assert.equal(counts.tcp, 2 * 3 * 2 * 2)
  // A program's and a conversation's in each round; a map's in each session; the target's.
  assert.equal(counts.udp, 2 * 3 * 2 + 2 + 1)
  assert.deepEqual(openSockets(), before)
})

test('a warm-up does nothing for no protocol, waits while the process is busy, and ends in time', async t => {
  const before = openSockets()
  const counts = countSockets(t)
  await warmUp(new Set())
  let busy = true
  const work = () => {
    const until = performance.now() + 5
    while (performance.now() < until);
    if (busy) setImmediate(work)
  }
  work()
  try {
    await assert.rejects(warmUp(new Set<Proto>(['tcp']), { ...WARM_UP, totalMs: 1000 }), /abort|timeout/i)
  } finally {
    busy = false
  }
  assert.equal(counts.tcp, 0)
  assert.deepEqual(openSockets(), before)
})

test('a daemon warms up once it stands', async t => {
  const testnet = await startTestnet(4)
  t.after(() => testnet.close())
  const schema = serverEntries([{ proto: 'tcp', port: await freePort() }], newSecret())
  const written = writeOptions({ schema, network: { bootstrap: testnet.bootstrap } })
  t.after(() => written.remove())
  const daemon = new HyperNat(['-c', written.file, '--json', '-vv'])
  t.after(() => daemon.stop())
  await daemon.event('ready')
  await daemon.says(/"msg":"warmed up"/, 30_000)
})
