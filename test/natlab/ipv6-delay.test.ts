// A direct path over IPv4 is left for IPv6 only if that is quicker by a tenth: two computers joined by two emulated lines, one for each,
// with delays of their own. Real processes, a game's datagrams meanwhile.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Site } from '../../scripts/bench/contenders.js'
import {
  addIpv6Line,
  buildLinkem,
  type LinkShape,
  noLink,
  openLink
} from '../../scripts/bench/emulated-link.js'
import { endFile, runEnd } from '../../scripts/bench/latency.js'
import { startDht } from '../../scripts/bench/link.js'
import { median } from '../../scripts/bench/samples.js'
import { HyperNat } from '../support/hyper-nat.js'
import { Process } from '../support/process.js'
import { newSecret } from '../support/stage.js'
import { undoing } from '../support/undo.js'

const skip = noLink()

/** One way over IPv4. */
const IPV4_MS = 20

/** IPv6 is looked for 3 s after a direct path was found, for a second: 12 s of a game see the path before and behind. */
const EVERY_MS = 40
const MESSAGES = 300
const SOME = 40

const LINE: Omit<LinkShape, 'delayMs'> = {
  lossPercent: 0,
  rateMbit: 100,
  queueKilobytes: 512,
  jitterMs: 0,
  seed: 1
}

/** One way over IPv6, and whether the session should move to it. */
const CASES = [
  [15, true],
  [19, false],
  [25, false]
] as const

for (const [delayMs, moves] of CASES) {
  const name = `${2 * IPV4_MS} ms by IPv4 and ${2 * delayMs} ms by IPv6: a direct session ${moves ? 'moves to IPv6' : 'stays'}`
  test(name, { skip, timeout: 90_000 }, async t => {
    const later = undoing(t)
    const linkem = await buildLinkem()
    later(() => linkem.remove())
    const link = await openLink(linkem.file, { ...LINE, delayMs: IPV4_MS })
    later(() => link.close())
    const line = await addIpv6Line(linkem.file, link, { ...LINE, delayMs })
    later(() => line.stop())
    const dht = await startDht(link)
    later(() => dht.process.stop())
    const [atClient, atServer] = link.ends
    const [command = '', ...args] = [...atServer, process.execPath, endFile, 'answer', '127.0.0.1']
    const game = new Process(command, args)
    later(() => game.stop())
    const [, port = ''] = await game.says(/port (\d+)/)

    const common = ['--protocol', 'udp', '--json', '--bootstrap', dht.bootstrap.join(',')]
    const server = new HyperNat(['server', '-p', port, ...common, '--no-port-mapping'], {
      name: 'server',
      prefix: atServer,
      env: { HYPER_NAT_SECRET: newSecret() }
    })
    later(() => server.stop())
    const { publicKey } = await server.event('ready', { ms: 30_000 })
    const client = new HyperNat(['client', '-k', publicKey, '-r', port, '-l', '0', ...common], {
      name: 'client',
      prefix: atClient
    })
    later(() => client.stop())
    await client.event('connected', { ms: 30_000 })

    const local = await client.localPort('udp', Number(port))
    const site = { atClient } as unknown as Site
    const trips = await runEnd(site, ['tick', '127.0.0.1', `${local}`, `${MESSAGES}`, `${EVERY_MS}`])
    const [before, behind] = [median(trips.slice(0, SOME)), median(trips.slice(-SOME))]
    t.diagnostic(
      `round trip ${before.toFixed(1)} ms at first, ${behind.toFixed(1)} ms at last; ${trips.length} of ${MESSAGES} datagrams`
    )
    const told = client.events.flatMap(e => (e.event === 'connected' ? [[e.path, e.family]] : []))
    const stayed: (typeof told)[number][] = [['direct', undefined]]
    assert.deepEqual(told, moves ? [...stayed, ['direct', 'IPv6']] : stayed, client.describe())
    assert.equal(trips.length, MESSAGES, 'no datagram is lost')
    if (moves) assert.ok(behind < before - 1.5 * (IPV4_MS - delayMs), 'the game has the quicker path')
  })
}
