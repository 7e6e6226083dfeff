/**
 * `npm run soak -- --minutes 30`: a server and three guests in the lab of namespaces, all protocols, and one random disaster after the
 * other. Prints memory, descriptors and latency over time; fails on a byte that is lost, doubled or wrong, on a connection that ended
 * without a cause, on memory or descriptors that grow, and on a wrong exit code. Linux, root.
 */
import { parseArgs } from 'node:util'
import { noLab } from '../../test/natlab/lab.js'
import { pause } from '../../test/support/deadline.js'
import { Random } from '../../test/support/random.js'
import { readFlags, tellNoRun, wrongFlags } from '../flags.js'
import { DISASTERS, type Disaster } from './disasters.js'
import { quantile, type Sample, sample, slope } from './figures.js'
import { World } from './world.js'

const SAMPLE_MS = 5000
const TELL_MS = 60_000

/** Caches and code fill at first: memory is judged from this share of the run on, and only of a run that is long enough. */
const WARM = 0.4
const JUDGED_MINUTES = 20

/** How much memory may grow while it is judged, MB per hour; and descriptors over the run, beside connections that come and go. */
const GROWTH = 60
const DESCRIPTORS = 40

/** How long after a disaster that may end connections they may end: as long as sessions wait, and a little more. */
const EXCUSED_MS = 80_000

/** A held connection may wait as long as a path is away, and as long as it then takes to find another. */
const STANDSTILL_MS = 55_000

const usage = `npm run soak -- [--minutes MINUTES] [--seed SEED] [--only WORD]

MINUTES is 30 if left out. The SEED of a run makes the same disasters in the same order; WORD chooses those with this word in their name.`
const flags = readFlags(
  () =>
    parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        minutes: { type: 'string', default: '30' },
        seed: { type: 'string' },
        only: { type: 'string', default: '' }
      }
    }),
  usage
)
if (!('values' in flags)) process.exit(tellNoRun(flags))
const { values } = flags
const minutes = Number(values.minutes)
const seed = values.seed === undefined ? undefined : Number(values.seed)
const disasters = DISASTERS.filter(({ name }) => name.includes(values.only))
if (!(minutes > 0) || Number.isNaN(seed) || disasters.length === 0) {
  process.exit(
    tellNoRun(wrongFlags('MINUTES and SEED are numbers, and WORD is part of the name of a disaster.', usage))
  )
}
const reason = noLab('prlimit', 'mount')
if (reason) {
  console.error(`Skipped: ${reason}.`)
  process.exit(0)
}

const random = seed === undefined ? new Random() : new Random(seed)
const world = new World()
const faults: string[] = []
const happened: { readonly disaster: Disaster; readonly from: number; to: number }[] = []
const samples = new Map<string, { readonly pid: number; readonly list: Sample[] }>()
const began = Date.now()

function takeSamples(): void {
  for (const { name, process } of world.lasting) {
    let of = samples.get(name)
    // The relay is killed now and then: another process begins anew.
    if (of?.pid !== process.pid) samples.set(name, (of = { pid: process.pid, list: [] }))
    const taken = sample(process.pid, Date.now() - began)
    if (taken) of.list.push(taken)
  }
}

function tell(): void {
  const figures = [...samples].flatMap(([name, { list }]) => {
    const last = list.at(-1)
    return last ? [`${name} ${last.memory.toFixed()} MB, ${last.descriptors} descriptors`] : []
  })
  const rtts = world.guests.flatMap(({ programs }) =>
    programs!.reports.slice(-TELL_MS / SAMPLE_MS).flatMap(one => one.rtts)
  )
  const latency = `p50 ${quantile(rtts, 0.5).toFixed(1)} ms, p99 ${quantile(rtts, 0.99).toFixed(1)} ms`
  console.log(`${((Date.now() - began) / 60_000).toFixed(1)} min: ${figures.join('; ')}; ${latency}`)
}

/** One disaster after the other, with a rest between them, until the time is over. */
async function run(): Promise<void> {
  const end = began + minutes * 60_000
  while (Date.now() < end) {
    await pause(random.between(3000, 10_000))
    const disaster = disasters[random.between(0, disasters.length - 1)]!
    const one = { disaster, from: Date.now(), to: Number.POSITIVE_INFINITY }
    happened.push(one)
    await disaster.run(world, random)
    one.to = Date.now()
    for (const { name, process } of world.lasting) {
      if (!process.running) throw new Error(`${name} has ended: ${process.describe()}`)
    }
  }
}

function judge(): void {
  for (const [index, { name, programs }] of world.guests.entries()) {
    const { reports } = programs!
    const sum = (value: (report: (typeof reports)[number]) => number) =>
      reports.reduce((all, one) => all + value(one), 0)
    for (const { wrong, resets } of reports) {
      faults.push(...wrong.map(what => `${name}: ${what}`))
      for (const { at, proto, code } of resets) {
        const isExcused = happened.some(
          ({ disaster, from, to }) => disaster.ends.includes(index) && at >= from && at <= to + EXCUSED_MS
        )
        if (!isExcused)
          faults.push(`${name}: a ${proto} connection ended (${code}) at ${new Date(at).toISOString()}`)
      }
    }
    const twice = sum(({ udp }) => udp.twice)
    if (twice > 0) faults.push(`${name}: ${twice} datagrams came twice`)
    const longest = Math.max(0, ...reports.map(one => one.standstill))
    if (longest > STANDSTILL_MS) faults.push(`${name}: a connection stood still for ${longest} ms`)
    const rtts = reports.flatMap(one => one.rtts)
    console.log(
      `${name}: ${(sum(({ bytes }) => bytes) / 1e6).toFixed()} MB, ${sum(({ resets }) => resets.length)} connections ended, ` +
        `${sum(({ answered }) => answered)} new ones answered, ${sum(({ failed }) => failed)} failed, longest standstill ${longest} ms, ` +
        `UDP ${sum(({ udp }) => udp.back)} of ${sum(({ udp }) => udp.sent)}, ` +
        `round trip p50 ${quantile(rtts, 0.5).toFixed(1)} ms, p99 ${quantile(rtts, 0.99).toFixed(1)} ms`
    )
  }
  for (const [name, { list }] of samples) {
    const warm = list.filter(({ at }) => at >= minutes * 60_000 * WARM)
    const growth = slope(warm)
    const least = (part: readonly Sample[]) => Math.min(...part.map(one => one.descriptors))
    const opened = least(list.slice(-12)) - least(list.slice(0, 12))
    console.log(`${name}: memory grows by ${growth.toFixed()} MB an hour, descriptors by ${opened}`)
    if (minutes >= JUDGED_MINUTES && name !== 'relay' && growth > GROWTH)
      faults.push(`${name}: memory grows by ${growth.toFixed()} MB an hour`)
    if (opened > DESCRIPTORS) faults.push(`${name}: ${opened} descriptors more than at the beginning`)
  }
}

console.log(`seed ${random.seed}, ${minutes} minutes`)
const timers: NodeJS.Timeout[] = []
try {
  await world.open()
  timers.push(setInterval(takeSamples, SAMPLE_MS), setInterval(tell, TELL_MS))
  await run()
  // What is under way comes back; what is open now is to stay.
  await pause(15_000)
  takeSamples()
  await world.endPrograms()
  tell()
  judge()
  faults.push(...(await world.endDaemons()))
} catch (err) {
  faults.push(err instanceof Error ? (err.stack ?? err.message) : String(err))
} finally {
  for (const timer of timers) clearInterval(timer)
  await world.close()
}
const counts = new Map<string, number>()
for (const { disaster } of happened) counts.set(disaster.name, (counts.get(disaster.name) ?? 0) + 1)
console.log(
  `${happened.length} disasters: ${[...counts].map(([name, count]) => `${name} (${count})`).join(', ')}`
)
if (faults.length > 0) {
  console.log(`\n${faults.length} faults:\n${faults.slice(0, 50).join('\n')}`)
  for (const { disaster, from, to } of happened) {
    console.log(`${new Date(from).toISOString()} ${disaster.name}, ${((to - from) / 1000).toFixed(1)} s`)
  }
} else console.log('no fault')
process.exit(faults.length > 0 ? 1 : 0)
