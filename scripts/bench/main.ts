// `npm run bench`: hyper-nat beside its predecessor, hypertele and plain sockets, interleaved in one run on one DHT.
import { existsSync, readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../../test/support/programs.js'
import { startTestnet } from '../../test/support/testnet.js'
import { tellNoRun } from '../flags.js'
import { type Contender, contenders } from './contenders.js'
import { measureFeel } from './feel.js'
import { measureGuests } from './guests.js'
import { measureIdle } from './idle.js'
import { measureConnect, measureDatagrams, measureStart } from './latency.js'
import { LINE_COUNT, measureLines } from './lines.js'
import { measureLink } from './link.js'
import { installPeers, projectFolder } from './peers.js'
import { readPlan } from './plan.js'
import { Report } from './report.js'
import { measureStreams } from './streams.js'
import { measureThroughput } from './throughput.js'
import { measureUdpRate } from './udp-rate.js'
import { measureWatched } from './watched.js'

type Measure = (report: Report, who: Contender, bootstrap: readonly string[]) => Promise<void>

const measures: Record<string, Measure> = {
  throughput: measureThroughput,
  connect: measureConnect,
  'udp-rate': measureUdpRate,
  'udp-latency': measureDatagrams,
  start: measureStart,
  idle: measureIdle,
  watched: measureWatched
}

const STREAMS = 'streams'
const GUESTS = 'guests'
const LINK = 'link'
const FEEL = 'feel'
const LINES = 'lines'
const RESULTS = 'bench-results.json'

process.exitCode = await main(process.argv.slice(2))

async function main(argv: readonly string[]): Promise<number> {
  const plan = readPlan(argv, {
    measures: [...Object.keys(measures), STREAMS, GUESTS, LINK, FEEL, LINES],
    long: [LINES],
    lines: LINE_COUNT,
    contenders: contenders.map(({ name }) => name)
  })
  if (!('only' in plan)) return tellNoRun(plan)
  const { only, rounds, losses, seed, lines } = plan
  const chosen = contenders.filter(({ name }) => plan.contenders.includes(name))
  const machine = describeMachine()
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n')
  )
  // Streams and guests have no peers to be compared with.
  if (only.some(name => name !== STREAMS && name !== GUESTS)) await installPeers()

  const report = new Report()
  await measureLoopback(report, only, chosen, rounds)
  if (only.includes(STREAMS)) await measureStreams(report, rounds)
  if (only.includes(GUESTS)) await measureGuests(report, plan.guests, rounds)
  if (only.includes(LINK)) await measureLink(report, chosen.filter(everywhere), rounds, losses)
  if (only.includes(FEEL)) await measureFeel(report, chosen.filter(everywhere), rounds)
  if (only.includes(LINES)) await measureLines(report, chosen.filter(everywhere), { rounds, seed, lines })
  report.print('hyper-nat')
  report.write(join(projectFolder, RESULTS), { ...machine, seed })
  console.log(`Every sample is in ${RESULTS}.`)
  return 0
}

async function measureLoopback(
  report: Report,
  only: readonly string[],
  chosen: readonly Contender[],
  rounds: number
) {
  const testnet = await startTestnet(4)
  try {
    for (const [name, measure] of Object.entries(measures)) {
      if (!only.includes(name)) continue
      for (let round = 1; round <= rounds; round++) {
        for (const who of chosen) {
          if (who.only && !who.only.includes(name)) continue
          console.log(`${name}, round ${round} of ${rounds}: ${who.name}`)
          // A contender that fails is a result; the others go on.
          await measure(report, who, testnet.bootstrap).catch(err =>
            report.note(`${name}, ${who.name}: ${firstLine(err)}`)
          )
        }
      }
    }
  } finally {
    await testnet.close()
  }
}

function everywhere({ only }: Contender): boolean {
  return only === undefined
}

function firstLine(err: unknown): string {
  return (err instanceof Error ? err.message : String(err)).split('\n').slice(0, 3).join(' | ')
}

/** What a reader needs to compare two runs. */
function describeMachine(): Record<string, unknown> {
  const congestion = '/proc/sys/net/ipv4/tcp_congestion_control'
  const pinned = findProgram('taskset') ? 'the two ends on different cores' : 'not pinned: no taskset'
  return {
    node: process.version,
    system: `${process.platform} ${release()}`,
    processor: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
    'TCP congestion control': existsSync(congestion) ? readFileSync(congestion, 'utf8').trim() : 'unknown',
    latency: pinned
  }
}
