// The same contenders, kernel TCP and kcptun over a link of 20 ms each way and 100 Mbit/s that loses packets: the delay of
// a thin interactive flow, the rate of a bulk flow, and what opening a connection costs.
import { Process } from '../../test/support/process.js'
import { findProgram } from '../../test/support/programs.js'
import { freePort } from '../../test/support/servers.js'
import { type Contender, direct, hyperNat1, hyperNatWith, hypertele, type Site } from './contenders.js'
import { buildLinkem, type EmulatedLink, noLink, openLink, setCongestionControl } from './emulated-link.js'
import { hasIperf, iperf, startIperf } from './iperf.js'
import { endFile, runEnd, withEnd } from './latency.js'
import type { Report } from './report.js'
import { median, quantile } from './samples.js'

const LINK = { delayMs: 20, rateMbit: 100, queueKilobytes: 512, jitterMs: 0 }
const CONNECTIONS = 50
const MESSAGES = 1_000
const MESSAGE_EVERY_MS = 20
const BULK_SECONDS = 8
const SHARING_MS = 18_000

const TCPUDP = 'hyper-nat tcpudp'

/** The flags that its README recommends for a lossy link. */
const KCPTUN_FLAGS =
  '-mode fast3 -nocomp -mtu 1200 -sndwnd 1024 -rcvwnd 1024 --datashard 10 --parityshard 3'.split(' ')

export interface LinkContender extends Contender {
  /** Kernel TCP's congestion control, for plain sockets. */
  readonly congestion?: string
}

const kcptun: Contender = {
  name: 'kcptun',
  udp: false,
  async open(site, port) {
    const [far, local] = [await freePort(), await freePort()]
    const start = (prefix: readonly string[], args: string[]) => {
      const [command = '', ...rest] = [...prefix, ...args, ...KCPTUN_FLAGS]
      return new Process(command, rest)
    }
    const server = start(site.atServer, ['kcptun-server', '-t', `127.0.0.1:${port}`, '-l', `:${far}`])
    const remote = `${site.targetHost}:${far}`
    const client = start(site.atClient, ['kcptun-client', '-r', remote, '-l', `127.0.0.1:${local}`])
    const close = async () => {
      await Promise.all([client.stop(), server.stop()])
    }
    try {
      await Promise.all([client.says(/listening on/i), server.says(/listening on/i)])
      return { host: site.localHost, tcp: local, udp: 0, client, server, close }
    } catch (err) {
      await close()
      throw err
    }
  }
}

/** Those of the chosen contenders that make sense here, and those that are only for a bad link. */
function linkContenders(chosen: readonly Contender[]): LinkContender[] {
  const has = (name: string) => chosen.some(c => c.name === name)
  return [
    ...(has('direct') ? ['bbr', 'cubic', 'reno'] : []).map(congestion => ({
      ...direct,
      name: `kernel TCP, ${congestion}`,
      congestion
    })),
    ...(has('hyper-nat') ? [hyperNatWith('hyper-nat', ['tcp']), hyperNatWith(TCPUDP, ['tcpudp'])] : []),
    ...(has('hyper-nat 1.1.3') ? [hyperNat1] : []),
    ...(has('hypertele') ? [hypertele] : []),
    ...(findProgram('kcptun-client') ? [kcptun] : [])
  ]
}

export async function measureLink(
  report: Report,
  chosen: readonly Contender[],
  rounds: number,
  losses: readonly number[]
): Promise<void> {
  const reason = noLink()
  if (reason) return report.note(`${reason}: the measurements over a link are skipped`)
  const linkem = await buildLinkem()
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const lossPercent of losses) {
        for (const who of linkContenders(chosen)) {
          console.log(`link with ${lossPercent} % loss, round ${round} of ${rounds}: ${who.name}`)
          await measureOver(report, linkem.file, who, lossPercent, round).catch(err => {
            const [reason] = String(err instanceof Error ? err.message : err).split('\n')
            report.note(`link, ${lossPercent} % loss, ${who.name}: ${reason}`)
          })
        }
      }
    }
  } finally {
    linkem.remove()
  }
}

/** A new link for each, so that every contender meets the same losses (as far as it sends the same packets). */
async function measureOver(
  report: Report,
  linkem: string,
  who: LinkContender,
  lossPercent: number,
  seed: number
) {
  const link = await openLink(linkem, { ...LINK, lossPercent, seed })
  try {
    if (who.congestion && !(await setCongestionControl(link, who.congestion))) {
      return report.note(`${who.congestion} cannot be set in a network namespace of this machine`)
    }
    const dht = await startDht(link)
    try {
      await measureEach(report, link, dht.bootstrap, who, lossPercent)
    } finally {
      await dht.process.stop()
    }
  } finally {
    await link.close()
  }
}

export async function startDht(link: EmulatedLink): Promise<{ process: Process; bootstrap: string[] }> {
  const [command = '', ...args] = [...link.ends[1], process.execPath, endFile, 'dht', link.addresses[1]]
  const dht = new Process(command, args)
  const [, bootstrap = ''] = await dht.says(/bootstrap (\S+)/)
  return { process: dht, bootstrap: bootstrap.split(',') }
}

/** The ends of an emulated link. */
export function siteOn(link: EmulatedLink, bootstrap: readonly string[]): Site {
  const [atClient, atServer] = link.ends
  return {
    bootstrap,
    atClient,
    atServer,
    bindHost: '0.0.0.0',
    targetHost: link.addresses[1],
    localHost: '127.0.0.1'
  }
}

async function measureEach(
  report: Report,
  link: EmulatedLink,
  bootstrap: readonly string[],
  who: LinkContender,
  lossPercent: number
): Promise<void> {
  const site = siteOn(link, bootstrap)
  const over = `over 20 ms each way, 100 Mbit/s, ${lossPercent} % loss`
  await withEnd(who, site, async route => {
    if (lossPercent === 0) {
      const times = await runEnd(site, ['connect', route.host, `${route.tcp}`, `${CONNECTIONS}`])
      const metric = { name: `TCP connect to first byte ${over}`, unit: 'ms', better: 'lower' } as const
      report.add(metric, who.name, median(times))
    }
    const args = ['talk', route.host, `${route.tcp}`, `${MESSAGES}`, `${MESSAGE_EVERY_MS}`]
    const samples = await runEnd(site, args)
    const name = (what: string) => `100 bytes every 20 ms ${over}, ${what}`
    for (const [what, value] of [
      ['p50', quantile(samples, 0.5)] as const,
      ['p99', quantile(samples, 0.99)] as const
    ]) {
      report.add({ name: name(what), unit: 'ms', better: 'lower' }, who.name, value)
    }
  })
  await measureBulk(report, site, who, over)
  if (lossPercent === 0 && who.name === TCPUDP) await measureSharing(report, site, who, over)
}

/** What flows on one link leave each other: a bulk flow and a thin one, two bulk flows, one of ours and one of the kernel's. */
async function measureSharing(report: Report, site: Site, who: Contender, over: string): Promise<void> {
  await withEnd(who, site, async route => {
    const to = [route.host, `${route.tcp}`]
    const bulk = runEnd(site, ['pour', ...to, '1', `${SHARING_MS}`])
    const talk = [
      'talk',
      ...to,
      `${Math.floor((SHARING_MS * 0.8) / MESSAGE_EVERY_MS)}`,
      `${MESSAGE_EVERY_MS}`
    ]
    const samples = await runEnd(site, talk)
    const beside = `100 bytes every 20 ms beside a bulk flow on the same map, ${over}, p99`
    report.add({ name: beside, unit: 'ms', better: 'lower' }, who.name, quantile(samples, 0.99))
    await bulk

    const two = await runEnd(site, ['pour', ...to, '2', `${SHARING_MS}`])
    const share = (100 * Math.min(...two)) / two.reduce((sum, rate) => sum + rate, 0)
    report.add(
      { name: `the lesser share of two bulk flows, ${over}`, unit: '%', better: 'higher' },
      who.name,
      share
    )

    if (!hasIperf()) return
    const port = await freePort()
    const kernel = await startIperf(site.atServer, site.bindHost, port)
    try {
      const seconds = SHARING_MS / 1000
      const args = ['-c', site.targetHost, '-p', `${port}`, '-t', `${seconds}`]
      const [ours, theirs] = await Promise.all([
        runEnd(site, ['pour', ...to, '1', `${SHARING_MS}`]),
        iperf(site.atClient, args, (seconds + 30) * 1000)
      ])
      const name = (whose: string) => `${whose} when a bulk flow of ours and one of kernel TCP share, ${over}`
      report.add({ name: name('our rate'), unit: 'Mbit/s', better: 'higher' }, who.name, ours[0] ?? 0)
      const rate = theirs.sum_received.bits_per_second / 1e6
      report.add({ name: name("the kernel's rate"), unit: 'Mbit/s', better: 'higher' }, who.name, rate)
    } finally {
      await kernel.stop()
    }
  })
}

async function measureBulk(report: Report, site: Site, who: Contender, over: string): Promise<void> {
  if (!hasIperf()) return report.note('iperf3 is not installed: bulk rates over a link are skipped')
  const port = await freePort()
  const server = await startIperf(site.atServer, site.bindHost, port)
  try {
    const route = await who.open(site, port)
    try {
      const args = ['-c', route.host, '-p', `${route.tcp}`, '-t', `${BULK_SECONDS}`, '-R']
      const sums = await iperf(site.atClient, args, (BULK_SECONDS + 60) * 1_000)
      const metric = { name: `bulk ${over}`, unit: 'Mbit/s', better: 'higher' } as const
      report.add(metric, who.name, sums.sum_received.bits_per_second / 1e6)
    } finally {
      await route.close()
    }
  } finally {
    await server.stop()
  }
}
