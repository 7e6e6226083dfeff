// What it costs the data path to be watched: the control socket with `status --watch`, and metrics that are scraped, beside none of
// these, one after the other in each round.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HyperNat } from '../../test/support/hyper-nat.js'
import type { Process } from '../../test/support/process.js'
import { type Contender, hyperNatWith, loopbackSite, type Route } from './contenders.js'
import type { Report } from './report.js'
import { blastTarget, usedBy } from './throughput.js'

/** More often than any scraper does. */
const SCRAPE_MS = 1_000

export async function measureWatched(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  if (who.name !== 'hyper-nat') return
  const control = mkdtempSync(join(tmpdir(), 'hyper-nat-bench-'))
  const target = await blastTarget(report)
  try {
    for (const watched of [false, true]) {
      const options = watched ? { control, metrics: { port: 0 } } : { control: false }
      const route = await hyperNatWith('', ['tcp'], {}, options).open(
        loopbackSite(bootstrap, false),
        target.port
      )
      const watching = watched ? await watch(route, control) : []
      try {
        const column = watched ? who.name : 'unwatched'
        const before = usedBy(route)
        const { bytes, bitsPerSecond } = await target.blast(route, false)
        const cost = usedBy(route).reduce((sum, used, i) => sum + used - before[i]!, 0) / (bytes / 1e9)
        report.add(
          { name: 'watched, TCP rate', unit: 'Mbit/s', better: 'higher', digits: 0 },
          column,
          bitsPerSecond / 1e6
        )
        if (cost > 0) {
          report.add(
            { name: 'watched, processor', unit: 'CPU s/GB', better: 'lower', digits: 2 },
            column,
            cost
          )
        }
      } finally {
        for (const end of watching) await end()
        await route.close()
      }
    }
  } finally {
    await target.close()
    rmSync(control, { recursive: true, force: true })
  }
}

/** Watches both ends; gives what ends it. */
async function watch(route: Route, control: string): Promise<(() => Promise<unknown>)[]> {
  const ends: (() => Promise<unknown>)[] = []
  for (const daemon of [route.client, route.server]) {
    if (!(daemon instanceof HyperNat)) continue
    const { url } = await daemon.event('metrics')
    const timer = setInterval(
      () =>
        void fetch(url).then(
          page => page.text(),
          () => {}
        ),
      SCRAPE_MS
    )
    const status: Process = new HyperNat([
      'status',
      '--watch',
      '--control',
      control,
      '--pid',
      `${daemon.pid}`
    ])
    ends.push(async () => {
      clearInterval(timer)
      await status.stop()
    })
    await status.says(/hyper-nat/)
  }
  return ends
}
