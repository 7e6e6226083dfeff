// What a tunnel costs that nobody uses.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyperNat as HyperNatNode } from '../../src/hyper-nat.js'
import type { Proto } from '../../src/proto.js'
import { pause, until } from '../../test/support/deadline.js'
import { HyperNat, installedFile, writeOptions } from '../../test/support/hyper-nat.js'
import { cpuSeconds, isLinux, residentBytes } from '../../test/support/machine.js'
import { freePort } from '../../test/support/servers.js'
import { newSecret, serverEntries } from '../../test/support/stage.js'
import { type Contender, loopbackSite } from './contenders.js'
import type { Report } from './report.js'

const SETTLE_MS = 3_000
const IDLE_MS = 5_000

/** A daemon as somebody runs it for friends: two protocols for each port. */
const PORTS = 5
const GUESTS = 5
const SETTLED_MS = 10_000
const HOST_IDLE_MS = 20_000

export async function measureIdle(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  if (who.name === 'direct') return
  if (!isLinux) return report.note('memory is read from /proc: skipped')
  if (who.name === 'hyper-nat') await measureIdleHost(report, who, bootstrap)
  const route = await who.open(loopbackSite(bootstrap, false), await freePort())
  try {
    await pause(SETTLE_MS)
    for (const end of ['client', 'server'] as const) {
      const pid = route[end]?.pid ?? 0
      const before = cpuSeconds(pid)
      await pause(IDLE_MS)
      const cpu = ((cpuSeconds(pid) - before) / (IDLE_MS / 1_000)) * 100
      const name = (what: string) => `idle ${end}, ${what}`
      report.add(
        { name: name('memory'), unit: 'MB', better: 'lower', digits: 0 },
        who.name,
        residentBytes(pid) / 1e6
      )
      report.add({ name: name('processor'), unit: '% of a core', better: 'lower', digits: 1 }, who.name, cpu)
    }
  } finally {
    await route.close()
  }
}

/** A daemon with 10 port maps, control socket and metrics, and 5 sessions on which nothing is sent. */
async function measureIdleHost(report: Report, who: Contender, bootstrap: readonly string[]): Promise<void> {
  const ports = await Promise.all(Array.from({ length: PORTS }, () => freePort()))
  const shares = ports.flatMap(port => ['tcp', 'udp'].map(proto => ({ proto, port })))
  const control = mkdtempSync(join(tmpdir(), 'hyper-nat-bench-'))
  const written = writeOptions({
    schema: serverEntries(shares, newSecret()),
    network: { bootstrap, portMapping: false },
    metrics: { port: 0 },
    control
  })
  const program = [process.execPath, installedFile]
  const daemon = new HyperNat(['-c', written.file, '--json'], { name: 'idle host', program })
  const guests = Array.from({ length: GUESTS }, () => new HyperNatNode({ bootstrap, portMapping: false }))
  try {
    const { publicKey } = await daemon.event('ready')
    for (const guest of guests) {
      const maps = shares.map(({ proto, port }) => ({ proto: proto as Proto, port, localPort: 0 }))
      await guest.open({ publicKey, maps })
    }
    await until(30_000, 'all sessions', () => {
      return daemon.events.filter(({ event }) => event === 'connected').length >= GUESTS
    })
    await pause(SETTLED_MS)
    const before = cpuSeconds(daemon.pid)
    await pause(HOST_IDLE_MS)
    const cpu = ((cpuSeconds(daemon.pid) - before) / (HOST_IDLE_MS / 1_000)) * 100
    const name = (what: string) => `idle, ${shares.length} maps, ${GUESTS} sessions, ${what}`
    report.add(
      { name: name('memory'), unit: 'MB', better: 'lower', digits: 0 },
      who.name,
      residentBytes(daemon.pid) / 1e6
    )
    report.add({ name: name('processor'), unit: '% of a core', better: 'lower', digits: 2 }, who.name, cpu)
  } finally {
    await Promise.all(guests.map(guest => guest.close()))
    await daemon.stop()
    written.remove()
    rmSync(control, { recursive: true, force: true })
  }
}
