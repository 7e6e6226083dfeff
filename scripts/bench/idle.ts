// What a tunnel costs that nobody uses.
import { pause } from '../../test/support/deadline.js'
import { cpuSeconds, isLinux, residentBytes } from '../../test/support/machine.js'
import { freePort } from '../../test/support/servers.js'
import { type Contender, loopbackSite } from './contenders.js'
import type { Report } from './report.js'

const SETTLE_MS = 3_000
const IDLE_MS = 5_000

export async function measureIdle(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  if (who.name === 'direct') return
  if (!isLinux) return report.note('memory is read from /proc: skipped')
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
