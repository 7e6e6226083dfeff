// What a player feels: the round trip of a game's datagrams and their losses on a home line, alone and beside a bulk transfer
// on another map of the same session, both ways; and what sending them twice saves on a line that loses packets.
import type { Contender, Site } from './contenders.js'
import { direct, hyperNatWith } from './contenders.js'
import { buildLinkem, type LinkShape, noLink, openLink } from './emulated-link.js'
import { runEnd, withEnd } from './latency.js'
import { startDht } from './link.js'
import type { Report } from './report.js'
import { quantile } from './samples.js'

const LINE: LinkShape = {
  delayMs: 20,
  lossPercent: 0,
  rateMbit: 20,
  queueKilobytes: 128,
  jitterMs: 0,
  seed: 1
}
const QUEUES = [128, 256]
const LOSS = 5

/** A game's datagrams: one every 10 ms. */
const TICK_MS = 10
const ALONE_TICKS = 500
const BESIDE_TICKS = 1000
const LOSSY_TICKS = 2000
/** A bulk transfer is measured over the last two thirds of its time, in which the datagrams are measured, too. */
const BULK_MS = 18_000

export async function measureFeel(
  report: Report,
  chosen: readonly Contender[],
  rounds: number
): Promise<void> {
  const reason = noLink()
  if (reason) return report.note(`${reason}: what a player feels is not measured`)
  const has = (name: string) => chosen.some(c => c.name === name)
  const ours = has('hyper-nat')
  const linkem = await buildLinkem()
  const over = async (shape: Partial<LinkShape>, who: Contender, run: (site: Site) => Promise<void>) => {
    console.log(`feel, ${JSON.stringify(shape)}: ${who.name}`)
    await onLine(linkem.file, { ...LINE, ...shape }, run).catch(err => {
      report.note(`feel, ${who.name}: ${String(err instanceof Error ? err.message : err).split('\n')[0]}`)
    })
  }
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const queueKilobytes of QUEUES) {
        const contenders = [
          ...(has('direct') ? [direct] : []),
          ...(ours
            ? [hyperNatWith('hyper-nat', ['tcp', 'udp']), hyperNatWith('hyper-nat tcpudp', ['tcpudp', 'udp'])]
            : [])
        ]
        for (const who of contenders) {
          await over({ queueKilobytes, seed: round }, who, site =>
            measureBeside(report, site, who, queueKilobytes)
          )
        }
      }
      if (!ours) continue
      for (const who of [
        hyperNatWith('hyper-nat', ['udp', 'tcp']),
        hyperNatWith('hyper-nat, duplicate', ['udp', 'tcp'], { duplicate: true })
      ]) {
        await over({ lossPercent: LOSS, seed: round }, who, site => measureLosses(report, site, who))
      }
    }
  } finally {
    linkem.remove()
  }
}

async function onLine(linkem: string, shape: LinkShape, run: (site: Site) => Promise<void>): Promise<void> {
  const link = await openLink(linkem, shape)
  try {
    const dht = await startDht(link)
    const [atClient, atServer] = link.ends
    try {
      await run({
        bootstrap: dht.bootstrap,
        atClient,
        atServer,
        bindHost: '0.0.0.0',
        targetHost: link.addresses[1],
        localHost: '127.0.0.1'
      })
    } finally {
      await dht.process.stop()
    }
  } finally {
    await link.close()
  }
}

async function measureBeside(report: Report, site: Site, who: Contender, queue: number): Promise<void> {
  const line = `20 Mbit/s, 20 ms each way, ${queue} kB of queue`
  await withEnd(who, site, async route => {
    const tick = (count: number) =>
      runEnd(site, ['tick', route.host, `${route.udp}`, `${count}`, `${TICK_MS}`])
    for (const [mode, way] of [
      ['pour', 'up'],
      ['draw', 'down']
    ] as const) {
      // Anew each time: what else the machine does changes by the minute.
      const alone = await tick(ALONE_TICKS)
      const flow = ['1', `${BULK_MS}`]
      // Without datagrams first: what they cost the transfer.
      const [free = 0] = await runEnd(site, [mode, route.host, `${route.tcp}`, ...flow])
      const transfer = runEnd(site, [mode, route.host, `${route.tcp}`, ...flow])
      // A failure is told below; until then it shall not end the program.
      transfer.catch(() => {})
      await new Promise(resolve => setTimeout(resolve, BULK_MS / 3))
      const beside = await tick(BESIDE_TICKS)
      const [shared = 0] = await transfer
      const name = (what: string) => `${what} beside a transfer ${way}, ${line}`
      const less = { better: 'lower', digits: 1 } as const
      const more = { better: 'higher', digits: 1 } as const
      const rise = (share: number) => quantile(beside, share) - quantile(alone, share)
      report.add({ name: name('UDP p50 rises by'), unit: 'ms', ...less }, who.name, rise(0.5))
      report.add({ name: name('UDP p99 rises by'), unit: 'ms', ...less }, who.name, rise(0.99))
      report.add({ name: name('UDP lost'), unit: '%', ...less }, who.name, lost(beside, BESIDE_TICKS))
      report.add({ name: `the transfer ${way} alone, ${line}`, unit: 'Mbit/s', ...more }, who.name, free)
      report.add({ name: name('datagrams'), unit: 'Mbit/s left', ...more }, who.name, shared)
    }
  })
}

async function measureLosses(report: Report, site: Site, who: Contender): Promise<void> {
  await withEnd(who, site, async route => {
    const samples = await runEnd(site, ['tick', route.host, `${route.udp}`, `${LOSSY_TICKS}`, `${TICK_MS}`])
    const name = `UDP lost, there and back, on a line that loses ${LOSS} % each way`
    const metric = { name, unit: '%', better: 'lower', digits: 2 } as const
    report.add(metric, who.name, lost(samples, LOSSY_TICKS))
  })
}

function lost(samples: readonly number[], sent: number): number {
  return (100 * (sent - samples.length)) / sent
}
