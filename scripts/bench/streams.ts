// What a program saves that uses streams in place of local sockets: rate and processor time of a transfer, the time to the first byte
// of a new stream, and what ten thousand streams leave behind. Both ways have their programs in processes of their own, all of
// which are counted.
import { fileURLToPath } from 'node:url'
import { startTestnet } from '../../test/support/testnet.js'
import { DrivenProcess } from './driven.js'
import type { Report } from './report.js'
import { median, quantile } from './samples.js'
import type { Orders } from './stream-end.js'

const file = fileURLToPath(new URL('stream-end.js', import.meta.url))
const TRANSFER_MS = 4_000
const FIRST_BYTES = 400
/** The first streams make what is made once. */
const WARM_STREAMS = 2_000
const STREAMS = 10_000

/** A process at one of the ends, on this core if that can be chosen. */
const end = (core: number) => new DrivenProcess<Orders>(file, core)
type End = ReturnType<typeof end>

/** Processes, and which of them opens streams. */
interface Way {
  readonly ends: readonly End[]
  readonly opener: End
}

async function byStreams(bootstrap: readonly string[]): Promise<Way> {
  const [host, guest] = [end(0), end(1)]
  const { publicKey } = await host.ask('host', { bootstrap, target: null })
  await guest.ask('guest', { bootstrap, publicKey, byStream: true })
  return { ends: [host, guest], opener: guest }
}

async function bySockets(bootstrap: readonly string[]): Promise<Way> {
  const [target, host, guest, driver] = [end(0), end(0), end(1), end(1)]
  const { port } = await target.ask('target', null)
  const { publicKey } = await host.ask('host', { bootstrap, target: port })
  const opened = await guest.ask('guest', { bootstrap, publicKey, byStream: false })
  await driver.ask('driver', opened)
  return { ends: [target, host, guest, driver], opener: driver }
}

const WAYS = { 'hyper-nat': byStreams, 'local sockets': bySockets }

export async function measureStreams(report: Report, rounds: number): Promise<void> {
  const testnet = await startTestnet(4)
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const [name, open] of Object.entries(WAYS)) {
        console.log(`streams, round ${round} of ${rounds}: ${name}`)
        const way = await open(testnet.bootstrap)
        try {
          await measureWay(report, name, way)
        } finally {
          await Promise.all(way.ends.map(end => end.close()))
        }
      }
    }
  } finally {
    await testnet.close()
  }
}

async function measureFirst(report: Report, name: string, opener: End, when: string): Promise<void> {
  const first = await opener.ask('first', { count: FIRST_BYTES })
  const metric = (what: string) =>
    ({ name: `stream to first byte ${when}, ${what}`, unit: 'ms', better: 'lower', digits: 3 }) as const
  report.add(metric('lowest tenth'), name, quantile(first, 0.1))
  report.add(metric('median'), name, median(first))
  report.add(metric('p95'), name, quantile(first, 0.95))
}

async function measureWay(report: Report, name: string, { ends, opener }: Way): Promise<void> {
  // The first streams run code that is not compiled yet.
  await measureFirst(report, name, opener, 'soon after the start')
  await opener.ask('churn', { count: WARM_STREAMS })
  await measureFirst(report, name, opener, 'later')

  const seconds = async (): Promise<number> => {
    const all = await Promise.all(ends.map(end => end.ask('cpu', null)))
    return all.reduce((sum, one) => sum + one.seconds, 0)
  }
  for (const toHost of [true, false]) {
    const where = toHost ? 'to the host' : 'to the guest'
    const before = await seconds()
    const { bytes, ms } = await opener.ask('transfer', { toHost, ms: TRANSFER_MS })
    const used = (await seconds()) - before
    const rate = { name: `stream ${where}, rate`, unit: 'MB/s', better: 'higher', digits: 0 } as const
    report.add(rate, name, bytes / 1e3 / ms)
    const cost = { name: `stream ${where}, processor`, unit: 'CPU s/GB', better: 'lower', digits: 2 } as const
    report.add(cost, name, used / (bytes / 1e9))
  }

  const heap = async (): Promise<number[]> => {
    const all: number[] = []
    for (const end of ends) all.push((await end.ask('heap', null)).bytes)
    return all
  }
  const before = await heap()
  await opener.ask('churn', { count: STREAMS })
  const after = await heap()
  const left = after.reduce((sum, bytes, i) => sum + bytes - before[i]!, 0)
  const memory = {
    name: `memory that ${STREAMS} streams leave`,
    unit: 'kB',
    better: 'lower',
    digits: 0
  } as const
  report.add(memory, name, left / 1e3)
}
