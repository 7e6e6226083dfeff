// How many datagrams of 200 bytes a second pass with less than 1 % lost: the rate is stepped up until that fails.
import { freePort } from '../../test/support/servers.js'
import { type Contender, loopbackSite, type Route } from './contenders.js'
import { hasIperf, iperf, startIperf } from './iperf.js'
import type { Report } from './report.js'

const BYTES = 200
const SECONDS = 2
const LOSS_PERCENT = 1
const RATES = [
  20, 30, 40, 50, 60, 70, 80, 90, 95, 100, 105, 110, 115, 120, 130, 140, 160, 180, 200, 240, 280
].map(k => k * 1_000)
/** One bad step may be another program's doing; so many in a row are the tunnel's end. */
const FAILURES = 3

/** Room for a moment's datagrams, so that a program which is not scheduled at once does not lose them. */
const SOCKET_BUFFER = '2M'

export async function measureUdpRate(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  if (!who.udp) return
  if (!hasIperf()) return report.note('iperf3 is not installed: UDP rates are skipped')
  const port = await freePort()
  const route = await who.open(loopbackSite(bootstrap, false), port)
  try {
    // hyper-nat 1.1.3 sends every reply to the first program's port, so all runs come from one.
    const from = await freePort()
    let best = 0
    for (let failures = 0, i = 0; failures < FAILURES && i < RATES.length; i++) {
      const passed = await step(route, port, from, RATES[i] ?? 0).catch(err => {
        report.note(`UDP at ${RATES[i]}/s, ${who.name}: ${String(err).split('\n')[0]}`)
        return 0
      })
      best = Math.max(best, passed)
      failures = passed > 0 ? 0 : failures + 1
    }
    const name = `UDP datagrams of ${BYTES} bytes with under ${LOSS_PERCENT} % lost`
    report.add({ name, unit: '1/s', better: 'higher', digits: 0 }, who.name, best)
  } finally {
    await route.close()
  }
}

/** Datagrams a second that passed at this rate; 0 when too many were lost. */
async function step(route: Route, port: number, from: number, rate: number): Promise<number> {
  // A new one each time: a tunnel that does not end the control connection leaves the old one busy.
  const server = await startIperf([], '127.0.0.1', port)
  try {
    const to = ['-c', route.host, '-p', `${route.udp}`, '--cport', `${from}`]
    const what = [
      '-u',
      '-l',
      `${BYTES}`,
      '-b',
      `${rate * BYTES * 8}`,
      '-t',
      `${SECONDS}`,
      '-w',
      SOCKET_BUFFER
    ]
    const { sum } = await iperf([], [...to, ...what], 30_000)
    if (!sum || sum.lost_percent >= LOSS_PERCENT) return 0
    return (sum.packets - sum.lost_packets) / SECONDS
  } finally {
    await server.stop()
  }
}
