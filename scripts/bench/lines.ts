// Lines that people have: a bulk transfer alone, and small messages next to transfers both ways on the same map, for kernel TCP,
// the predecessor, and this project's tcp and tcpudp; then what a bulk flow of ours and one of the kernel's leave each other.
import { type Contender, direct, hyperNat1, hyperNatWith, type Site } from './contenders.js'
import { buildLinkem, type EmulatedLink, noLink, openLink, setCongestionControl } from './emulated-link.js'
import { runEnd, withEnd } from './latency.js'
import { type LinkContender, siteOn, startDht } from './link.js'
import type { Report } from './report.js'
import { median, quantile } from './samples.js'

/** One way; queue in kB, loss in percent. */
interface Line {
  readonly delayMs: number
  readonly rateMbit: number
  readonly queueKilobytes: number
  readonly lossPercent?: number
}

const LINES: readonly Line[] = [
  { delayMs: 10, rateMbit: 100, queueKilobytes: 16 },
  { delayMs: 10, rateMbit: 100, queueKilobytes: 64 },
  { delayMs: 15, rateMbit: 20, queueKilobytes: 32 },
  { delayMs: 15, rateMbit: 20, queueKilobytes: 512 },
  { delayMs: 20, rateMbit: 2, queueKilobytes: 64 },
  { delayMs: 90, rateMbit: 100, queueKilobytes: 256 },
  { delayMs: 10, rateMbit: 50, queueKilobytes: 128, lossPercent: 2 },
  { delayMs: 30, rateMbit: 10, queueKilobytes: 256, lossPercent: 1 },
  { delayMs: 20, rateMbit: 100, queueKilobytes: 256 },
  { delayMs: 20, rateMbit: 100, queueKilobytes: 256, lossPercent: 2 },
  { delayMs: 20, rateMbit: 100, queueKilobytes: 256, lossPercent: 5 }
]
/** Where a flow of ours and one of the kernel's share a line. */
const SHARED: readonly Line[] = [20, 100].flatMap(rateMbit =>
  [32, 128, 512].map(queueKilobytes => ({ delayMs: 20, rateMbit, queueKilobytes }))
)
const CONGESTION_CONTROLS = ['reno', 'cubic', 'bbr'] as const

/** A transfer is measured over the last two thirds of its time. */
const BULK_MS = 12_000
const BESIDE_MS = 18_000
const SHARED_MS = 24_000
const MESSAGE_EVERY_MS = 20

/** How many lines there are to choose from, counted from 1. */
export const LINE_COUNT = LINES.length

export interface LinesPlan {
  readonly rounds: number
  /** Of the first round; each further one has the next. */
  readonly seed: number
  /** Numbers of lines, from 1. */
  readonly lines: readonly number[]
}

export async function measureLines(
  report: Report,
  chosen: readonly Contender[],
  plan: LinesPlan
): Promise<void> {
  const reason = noLink()
  if (reason) return report.note(`${reason}: the lines are not measured`)
  const linkem = await buildLinkem()
  const contenders = lineContenders(chosen)
  const attempt = async (what: string, run: () => Promise<void>) => {
    console.log(`lines, ${what}`)
    await run().catch(err => {
      report.note(`lines, ${what}: ${String(err instanceof Error ? err.message : err).split('\n')[0]}`)
    })
  }
  try {
    for (let round = 0; round < plan.rounds; round++) {
      const seed = plan.seed + round
      for (const line of plan.lines.map(number => LINES[number - 1]!)) {
        for (const who of contenders) {
          await attempt(`${nameOf(line)}, seed ${seed}: ${who.name}`, () =>
            onLine(linkem.file, line, seed, (site, link) => measureLine(report, site, link, who, line))
          )
        }
      }
      if (!chosen.some(({ name }) => name === 'hyper-nat') || plan.lines.length < LINES.length) continue
      for (const line of SHARED) {
        for (const kernel of CONGESTION_CONTROLS) {
          await attempt(`${nameOf(line)}, seed ${seed}: tcpudp and ${kernel}`, () =>
            onLine(linkem.file, line, seed, (site, link) => measureShare(report, site, link, kernel, line))
          )
        }
      }
    }
  } finally {
    linkem.remove()
  }
}

function lineContenders(chosen: readonly Contender[]): LinkContender[] {
  const has = (name: string) => chosen.some(c => c.name === name)
  return [
    ...(has('direct') ? CONGESTION_CONTROLS : []).map(congestion => ({
      ...direct,
      name: `kernel ${congestion}`,
      congestion
    })),
    ...(has('hyper-nat 1.1.3') ? [hyperNat1] : []),
    ...(has('hyper-nat')
      ? [hyperNatWith('hyper-nat', ['tcp']), hyperNatWith('hyper-nat tcpudp', ['tcpudp'])]
      : [])
  ]
}

async function onLine(
  linkem: string,
  line: Line,
  seed: number,
  run: (site: Site, link: EmulatedLink) => Promise<void>
): Promise<void> {
  const link = await openLink(linkem, { jitterMs: 0, lossPercent: 0, ...line, seed })
  try {
    const dht = await startDht(link)
    try {
      await run(siteOn(link, dht.bootstrap), link)
    } finally {
      await dht.process.stop()
    }
  } finally {
    await link.close()
  }
}

async function measureLine(
  report: Report,
  site: Site,
  link: EmulatedLink,
  who: LinkContender,
  line: Line
): Promise<void> {
  if (who.congestion && !(await setCongestionControl(link, who.congestion)))
    return report.note(`${who.congestion} cannot be set in a network namespace of this machine`)
  await withEnd(who, site, async route => {
    const flow = (mode: string, ms: number) => runEnd(site, [mode, route.host, `${route.tcp}`, '1', `${ms}`])
    const [rate = 0] = await flow('draw', BULK_MS)
    const metric = { name: `bulk, ${nameOf(line)}`, unit: 'Mbit/s', better: 'higher' } as const
    report.add(metric, who.name, rate)
    const transfers = Promise.all([flow('draw', BESIDE_MS), flow('pour', BESIDE_MS)])
    // A failure is reported below; until then it must not end the program.
    transfers.catch(() => {})
    await new Promise(resolve => setTimeout(resolve, BESIDE_MS / 3))
    const count = Math.floor((BESIDE_MS * 0.55) / MESSAGE_EVERY_MS)
    const samples = await runEnd(site, [
      'talk',
      route.host,
      `${route.tcp}`,
      `${count}`,
      `${MESSAGE_EVERY_MS}`
    ])
    await transfers
    const name = (what: string) => `100 bytes beside bulk both ways, ${nameOf(line)}, ${what}`
    const unit = { unit: 'ms', better: 'lower', digits: 0 } as const
    report.add({ name: name('p50'), ...unit }, who.name, median(samples))
    report.add({ name: name('p99'), ...unit }, who.name, quantile(samples, 0.99))
  })
}

/** A bulk flow of `tcpudp` and one of the kernel's begin together; the share of ours counts. */
async function measureShare(
  report: Report,
  site: Site,
  link: EmulatedLink,
  kernel: string,
  line: Line
): Promise<void> {
  if (!(await setCongestionControl(link, kernel)))
    return report.note(`${kernel} cannot be set in a network namespace of this machine`)
  const ours = hyperNatWith('ours', ['tcpudp'])
  const kernels = { ...direct, name: "the kernel's" }
  // Both routes are open before either flow begins.
  const rates = await withEnd(ours, site, route =>
    withEnd(kernels, site, other =>
      Promise.all(
        [route, other].map(async ({ host, tcp }) => {
          const [rate = 0] = await runEnd(site, ['draw', host, `${tcp}`, '1', `${SHARED_MS}`])
          return rate
        })
      )
    )
  )
  for (const [i, who] of [ours, kernels].entries()) {
    const name = `${who.name} where tcpudp and ${kernel} share ${nameOf(line)}`
    report.add({ name, unit: 'Mbit/s', better: 'higher' }, 'hyper-nat', rates[i]!)
  }
  const name = `the lesser share where tcpudp and ${kernel} share ${nameOf(line)}`
  const share = (100 * Math.min(...rates)) / rates.reduce((sum, rate) => sum + rate, 0)
  report.add({ name, unit: '%', better: 'higher' }, 'hyper-nat', share)
}

function nameOf({ delayMs, rateMbit, queueKilobytes, lossPercent }: Line): string {
  const loss = lossPercent ? `, ${lossPercent} % loss` : ''
  return `${delayMs} ms each way, ${rateMbit} Mbit/s, ${queueKilobytes} kB${loss}`
}
