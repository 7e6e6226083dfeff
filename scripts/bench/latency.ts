// What a user waits for: the first byte of a new TCP connection, the reply to a UDP datagram. The two ends are pinned to
// different cores: unpinned, the figures have two humps, by whether the kernel puts both on one core.
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { connectTcp, readSome } from '../../test/support/clients.js'
import { pause } from '../../test/support/deadline.js'
import { Process, runProgram } from '../../test/support/process.js'
import { missing } from '../../test/support/programs.js'
import { buildC } from './c-program.js'
import { type Contender, loopbackSite, type Route, type Site } from './contenders.js'
import type { Report } from './report.js'
import { median, quantile } from './samples.js'

const CONNECTIONS = 200
const DATAGRAMS = 3_000
/** How long a measuring program may take. */
const END_MS = 120_000
/** How long two programs may take to start, and how soon a connection that failed meanwhile is tried again. */
const START_MS = 20_000
const RETRY_MS = 5

/** The programs at the ends are processes of their own, so that each can sit on its side's core. */
export const endFile = fileURLToPath(new URL('end.js', import.meta.url))
const nodeEnds: readonly string[] = [process.execPath, endFile]

export async function measureConnect(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  const ends = missing('gcc') ? null : await buildC('ends')
  if (!ends) report.note('gcc is not installed: the ends of connections are in Node, which adds some 0.4 ms')
  const program = ends ? [ends.file] : nodeEnds
  try {
    await withEnd(
      who,
      loopbackSite(bootstrap, true),
      async (route, site) => {
        const samples = await runEnd(
          site,
          ['connect', route.host, `${route.tcp}`, `${CONNECTIONS}`],
          END_MS,
          program
        )
        const name = (what: string) => `TCP connect to first byte, ${what}`
        const unit = { unit: 'ms', better: 'lower', digits: 2 } as const
        report.add({ name: name('median'), ...unit }, who.name, median(samples))
        report.add({ name: name('p95'), ...unit }, who.name, quantile(samples, 0.95))
        const silent = CONNECTIONS - samples.length
        if (silent > 0)
          report.note(`${who.name}: ${silent} of ${CONNECTIONS} connections gave no byte within a second`)
      },
      program
    )
  } finally {
    ends?.remove()
  }
}

export async function measureDatagrams(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  if (!who.udp) return
  await withEnd(who, loopbackSite(bootstrap, true), async (route, site) => {
    const samples = await runEnd(site, ['ping', route.host, `${route.udp}`, `${DATAGRAMS}`])
    const name = (what: string) => `UDP round trip of 200 bytes, ${what}`
    const unit = { unit: 'us', better: 'lower', digits: 0 } as const
    report.add({ name: name('median'), ...unit }, who.name, median(samples) * 1_000)
    report.add({ name: name('p99'), ...unit }, who.name, quantile(samples, 0.99) * 1_000)
    if (samples.length < DATAGRAMS)
      report.note(`${who.name}: ${DATAGRAMS - samples.length} datagrams had no reply`)
  })
}

/** What a user waits for after starting a program: the client alone, with a server that has been up, and both ends. */
export async function measureStart(
  report: Report,
  who: Contender,
  bootstrap: readonly string[]
): Promise<void> {
  if (who.name === 'direct') return
  const unit = { unit: 'ms', better: 'lower', digits: 0 } as const
  const site = loopbackSite(bootstrap, false)
  await withEnd(who, site, async route => {
    const socket = await connectTcp(route.tcp, route.host)
    await readSome(socket, 1)
    const ms = performance.now() - (route.clientStarted ?? 0)
    socket.destroy()
    report.add({ name: 'client start to first byte', ...unit }, who.name, ms)
  })
  const { start } = who
  if (!start) return
  let started = 0
  const both: Contender = {
    ...who,
    open: (...args) => {
      started = performance.now()
      return start(...args)
    }
  }
  await withEnd(both, site, async route => {
    await firstEcho(route)
    const ms = performance.now() - started
    report.add({ name: 'start of both ends to first echo', ...unit }, who.name, ms)
  })
}

/** Tries until a byte comes back: not all have their local port open while there is no way to the server. */
async function firstEcho({ tcp, host }: Route): Promise<void> {
  const last = performance.now() + START_MS
  for (;;) {
    const socket = net.connect({ port: tcp, host, noDelay: true })
    socket.on('error', () => {})
    socket.write('?')
    try {
      // The target's own byte, then the echo.
      await readSome(socket, 2, START_MS)
      return
    } catch (err) {
      if (performance.now() > last) throw err
      await pause(RETRY_MS)
    } finally {
      socket.destroy()
    }
  }
}

type Opened = Awaited<ReturnType<Contender['open']>>

/** Runs `measure` with a tunnel to a program that answers on TCP and, in Node, UDP. */
export async function withEnd<T>(
  who: Contender,
  site: Site,
  measure: (route: Opened, site: Site) => Promise<T>,
  program = nodeEnds
): Promise<T> {
  const [command = '', ...args] = [...site.atServer, ...program, 'answer', site.bindHost]
  const end = new Process(command, args)
  try {
    const [, port = ''] = await end.says(/port (\d+)/)
    const route = await who.open(site, Number(port))
    try {
      return await measure(route, site)
    } finally {
      await route.close()
    }
  } finally {
    await end.stop()
  }
}

/** Runs a measuring program at the client's end; gives its samples in milliseconds. */
export async function runEnd(
  site: Site,
  args: readonly string[],
  ms = END_MS,
  program = nodeEnds
): Promise<number[]> {
  const [command = '', ...rest] = [...site.atClient, ...program, ...args]
  const { code, stdout, stderr } = await runProgram(command, rest, { ms })
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout)
}
