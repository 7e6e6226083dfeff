// One TCP connection, as fast as it goes, each way; what it costs in processor time and memory.
import { once } from 'node:events'
import type net from 'node:net'
import { connectTcp } from '../../test/support/clients.js'
import { within } from '../../test/support/deadline.js'
import { cpuSeconds, isLinux, peakResidentBytes } from '../../test/support/machine.js'
import { freePort, listenTcp } from '../../test/support/servers.js'
import { type Contender, loopbackSite, type Route } from './contenders.js'
import { hasIperf, iperf, startIperf } from './iperf.js'
import type { Report } from './report.js'

const SECONDS = 5

const directions = [
  { word: 'to the server', reverse: false },
  { word: 'to the client', reverse: true }
]

/** Gives the bytes that arrived, and the rate. */
type Blast = (route: Route, reverse: boolean) => Promise<{ bytes: number; bitsPerSecond: number }>

export async function measureThroughput(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  const target = await blastTarget(report)
  try {
    for (const { word, reverse } of directions) {
      const route = await who.open(loopbackSite(bootstrap, false), target.port)
      try {
        const before = usedBy(route)
        const { bytes, bitsPerSecond } = await target.blast(route, reverse)
        const used = usedBy(route).map((after, i) => after - (before[i] ?? 0))
        const metric = (name: string) => `TCP ${word}, ${name}`
        report.add(
          { name: metric('rate'), unit: 'Mbit/s', better: 'higher', digits: 0 },
          who.name,
          bitsPerSecond / 1e6
        )
        if (used.length === 0) continue
        const cost = used.reduce((a, b) => a + b) / (bytes / 1e9)
        report.add(
          { name: metric('processor'), unit: 'CPU s/GB', better: 'lower', digits: 2 },
          who.name,
          cost
        )
        for (const end of ['client', 'server'] as const) {
          const peak = peakResidentBytes(route[end]?.pid ?? 0) / 1e6
          report.add(
            { name: metric(`memory of the ${end}`), unit: 'MB', better: 'lower', digits: 0 },
            who.name,
            peak
          )
        }
      } finally {
        await route.close()
      }
    }
  } finally {
    await target.close()
  }
}

/** A target that can be reached through any route, and how to send to it. */
export interface BlastTarget {
  readonly port: number
  readonly blast: Blast
  close(): Promise<unknown>
}

export function blastTarget(report: Report): Promise<BlastTarget> {
  return hasIperf() ? iperfTarget(report) : ownTarget(report)
}

/** Processor seconds of the tunnel's processes; none where that cannot be known. */
export function usedBy(route: Route): number[] {
  if (!isLinux || !route.client || !route.server) return []
  return [cpuSeconds(route.client.pid), cpuSeconds(route.server.pid)]
}

async function iperfTarget(report: Report): Promise<BlastTarget> {
  report.note('TCP rates are from iperf3')
  const port = await freePort()
  const server = await startIperf([], '127.0.0.1', port)
  const blast: Blast = async (route, reverse) => {
    const args = ['-c', route.host, '-p', `${route.tcp}`, '-t', `${SECONDS}`, ...(reverse ? ['-R'] : [])]
    const sums = await iperf([], args, (SECONDS + 30) * 1_000)
    return { bytes: sums.sum_received.bytes, bitsPerSecond: sums.sum_received.bits_per_second }
  }
  return { port, blast, close: () => server.stop() }
}

/** The same without iperf3: slower, since this process is both ends. */
async function ownTarget(report: Report): Promise<BlastTarget> {
  report.note('iperf3 is not installed: TCP rates are from a blaster of our own, which may be the bottleneck')
  const target = await listenTcp(socket => {
    socket.once('data', first => {
      if (first.toString() === 'send') flood(socket)
      else socket.on('data', data => (arrived += data.length))
    })
    socket.on('end', () => socket.destroy())
  })
  let arrived = 0
  const blast: Blast = async (route, reverse) => {
    const socket = await connectTcp(route.tcp, route.host)
    arrived = 0
    socket.write(reverse ? 'send' : 'take')
    if (reverse) socket.on('data', data => (arrived += data.length))
    else flood(socket)
    const from = performance.now()
    const closed = once(socket, 'close')
    setTimeout(() => socket.destroy(), SECONDS * 1_000)
    await within((SECONDS + 30) * 1_000, closed, () => 'the end of a blast')
    const seconds = (performance.now() - from) / 1_000
    return { bytes: arrived, bitsPerSecond: (arrived * 8) / seconds }
  }
  return { port: target.port, blast, close: () => target.close() }
}

function flood(socket: net.Socket): void {
  const chunk = Buffer.alloc(65_536, 'x')
  const send = () => {
    while (!socket.destroyed && socket.write(chunk));
  }
  socket.on('drain', send)
  send()
}
