// What many guests of one server at once cost: how long until the last is in, memory and processor of the server, and how long the echo of
// a small word takes for all of them. The guests are in library nodes, many to a process; the server is the program as it is installed.
import { fileURLToPath } from 'node:url'
import { LIMITS } from '../../src/limits.js'
import { pause } from '../../test/support/deadline.js'
import { HyperNat, installedFile, writeOptions } from '../../test/support/hyper-nat.js'
import { cpuSeconds, isLinux, residentBytes } from '../../test/support/machine.js'
import { Process } from '../../test/support/process.js'
import { newSecret, serverEntries } from '../../test/support/stage.js'
import { startTestnet } from '../../test/support/testnet.js'
import { DrivenProcess } from './driven.js'
import type { CrowdOrders } from './guest-crowd.js'
import { endFile } from './latency.js'
import type { Report } from './report.js'
import { median, quantile } from './samples.js'

const crowdFile = fileURLToPath(new URL('guest-crowd.js', import.meta.url))
const CROWD = 125
const PROTOS = ['tcp', 'udp', 'tcpudp'] as const

/** A word in each second, of each guest: so few that it is not the load that is measured, but what everybody pays for the others. */
const EVERY_MS = 1000
const WORDS = 10
const SETTLE_MS = 10_000
const IDLE_MS = 20_000

/** Known guests are on the owner's list; strangers have the public key alone, and all come from one address here. */
const KINDS = ['known', 'strangers'] as const

/** @param count how many guests */
export async function measureGuests(report: Report, count: number, rounds: number): Promise<void> {
  if (!isLinux) return report.note('memory is read from /proc: skipped')
  const testnet = await startTestnet(4)
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const kind of KINDS) {
        console.log(`guests, round ${round} of ${rounds}: ${count} ${kind}`)
        await measureKind(report, kind, count, testnet.bootstrap)
      }
    }
  } finally {
    await testnet.close()
  }
}

async function measureKind(
  report: Report,
  kind: (typeof KINDS)[number],
  count: number,
  bootstrap: readonly string[]
): Promise<void> {
  const sizes = Array.from({ length: Math.ceil(count / CROWD) }, (_, i) => Math.min(CROWD, count - i * CROWD))
  const crowds = sizes.map(() => new DrivenProcess<CrowdOrders>(crowdFile))
  const target = new Process(process.execPath, [endFile, 'answer', '127.0.0.1'])
  let server: HyperNat | undefined
  let remove = (): void => {}
  try {
    const port = Number((await target.says(/port (\d+)/))[1])
    const made = await Promise.all(
      crowds.map((crowd, i) => crowd.ask('make', { bootstrap, count: sizes[i]! }))
    )
    const allow = kind === 'known' ? made.flatMap(({ publicKeys }) => publicKeys) : []
    const shares = PROTOS.map(proto => ({ proto, port }))
    const options = writeOptions({
      // What one entry says holds for all of its secret.
      schema: serverEntries(shares, newSecret()).map((entry, i) => (i === 0 ? { ...entry, allow } : entry)),
      network: { bootstrap, portMapping: false },
      ...(count > LIMITS.sessions && { limits: { sessions: count } })
    })
    remove = options.remove
    const program = [process.execPath, installedFile]
    server = new HyperNat(['-c', options.file, '--json'], { name: 'server', program })
    const { publicKey } = await server.event('ready')
    await pause(SETTLE_MS)
    const before = residentBytes(server.pid)
    const name = (what: string) => `${count} guests, ${what}`
    const all = async <K extends keyof CrowdOrders>(order: K, what: CrowdOrders[K][0]) =>
      Promise.all(crowds.map(crowd => crowd.ask(order, what)))

    const joined = (await all('join', { publicKey })).flatMap(({ ms }) => ms)
    const time = { unit: 's', better: 'lower', digits: 1 } as const
    report.add({ name: name('half of them are in'), ...time }, kind, median(joined) / 1000)
    report.add({ name: name('the last is in'), ...time }, kind, Math.max(...joined) / 1000)
    await pause(SETTLE_MS)
    const kept = (residentBytes(server.pid) - before) / count / 1000
    report.add({ name: name('memory for each'), unit: 'kB', better: 'lower', digits: 0 }, kind, kept)
    const from = { cpu: cpuSeconds(server.pid), at: performance.now() }
    await pause(IDLE_MS)
    const seconds = (performance.now() - from.at) / 1000
    const busy = ((cpuSeconds(server.pid) - from.cpu) / seconds) * 100
    report.add(
      { name: name('nobody sends: processor'), unit: '% of a core', better: 'lower', digits: 1 },
      kind,
      busy
    )
    for (const proto of PROTOS) {
      const echoes = await all('echo', { proto, port, everyMs: EVERY_MS, count: WORDS })
      const ms = echoes.flatMap(one => one.ms)
      const lost = echoes.reduce((sum, one) => sum + one.lost, 0)
      const unit = { unit: 'ms', better: 'lower', digits: 1 } as const
      report.add({ name: name(`${proto} echo, median`), ...unit }, kind, median(ms))
      report.add({ name: name(`${proto} echo, p99`), ...unit }, kind, quantile(ms, 0.99))
      if (lost > 0)
        report.note(`${count} ${kind}: ${lost} of ${count * WORDS} words over ${proto} had no echo`)
    }
    const memory = { name: name('memory of the server'), unit: 'MB', better: 'lower', digits: 0 } as const
    report.add(memory, kind, residentBytes(server.pid) / 1e6)
    await all('leave', null)
  } finally {
    await Promise.all(crowds.map(crowd => crowd.close()))
    await server?.stop()
    await target.stop()
    remove()
  }
}
