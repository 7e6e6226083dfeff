// A hostile guest floods the server with handshakes, with opens, with datagrams: a session that is up hardly notices, and the
// server's memory stays bounded. The server has a core of its own, as it has elsewhere: where the flood takes turns with it, what comes
// meanwhile overflows its socket, and the system's turns are what is measured. With HYPER_NAT_NO_LIMITS=1 the server runs without its limits, and these tests fail.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LIMITS } from '../../src/limits.js'
import { connectTcp } from '../support/clients.js'
import { pause } from '../support/deadline.js'
import type { Flood } from '../support/hostile.js'
import { allowedCores, cpuSeconds, isLinux, residentBytes } from '../support/machine.js'
import { Process, runProgram } from '../support/process.js'
import { findProgram } from '../support/programs.js'
import { listenTcpEcho } from '../support/servers.js'
import { staged } from '../support/stage.js'

/** Long enough for a p99 that means something on a machine that does nothing else, and strict about it. */
const LONG = process.env.HYPER_NAT_FLOOD_LONG === '1'
/** Quiet and flood take turns, so that what else runs on the machine disturbs both alike. */
const ROUNDS = LONG ? 20 : 6
const ROUND_MS = 400
/** The 99th percentile of some 500 pings is the fifth worst: what else runs on the machine may spoil a series, but not three. */
const SERIES = LONG ? 1 : 3
/** A flood has so many of its kind. The guest has what others leave of this machine: where that is little, it takes more series. */
const ENOUGH = 1000
const MOST_SERIES = 12
/** What was on its way when the flood was stopped is gone after this. */
const SETTLE_MS = 100
/** Between two pings, so that the rate is a game's. */
const PAUSE_MS = 3
/** A p99 below this says nothing on two cores that others use: the turns of the scheduler take so long. */
const NOISE_MS = LONG ? 0 : 25
/** What a flood may add to the server's memory: the heap grows by what garbage there is between two collections. */
const GROWTH_BYTES = (LONG ? 144 : 96) << 20

const LIMITS_OFF = {
  limits: {
    sessions: 65_536,
    flowsPerSecond: 0,
    framesPerSecond: 0,
    udpPerSecond: 0,
    datagramsPerSecond: 0,
    greetings: 65_536,
    handshakesPerMinute: 10_000_000,
    addressHandshakesPerMinute: 10_000_000,
    handshakeLooksPerSecond: 10_000_000
  }
}

/** A UDP target that takes all, and answers nothing but how many there were, when it is asked. */
const SINK = `
  const socket = require('node:dgram').createSocket('udp4')
  let count = 0
  socket.on('message', () => count++)
  socket.bind(0, '127.0.0.1', () => console.log('port', socket.address().port))
  process.stdin.on('data', () => console.log('took', count))
`

/** Keeps the first of the programs to one core, and the others off it, where the system lets us. */
async function keepApart(first: Process, others: readonly Process[]): Promise<void> {
  const taskset = findProgram('taskset')
  const [core, ...rest] = allowedCores()
  if (!taskset || core === undefined || rest.length === 0) return
  const place = ({ pid }: Process, cores: readonly number[]) =>
    runProgram(taskset, ['--all-tasks', '--cpu-list', '--pid', cores.join(','), `${pid}`])
  await place(first, [core])
  for (const other of others) await place(other, rest)
}

/** Round trips, ms, one ping after the other for so long. */
async function pingPong(ping: () => Promise<void>, ms: number): Promise<number[]> {
  const times: number[] = []
  const end = performance.now() + ms
  while (performance.now() < end) {
    const started = performance.now()
    await ping()
    times.push(performance.now() - started)
    await pause(PAUSE_MS)
  }
  return times
}

class Times {
  readonly #sorted: number[]

  constructor(times: readonly number[]) {
    this.#sorted = [...times].sort((a, b) => a - b)
  }

  p(share: number): number {
    return this.#sorted[Math.min(this.#sorted.length - 1, Math.floor(this.#sorted.length * share))]!
  }

  toString(): string {
    const of = (share: number) => this.p(share).toFixed(1)
    return `p50 ${of(0.5)} p90 ${of(0.9)} p99 ${of(0.99)} max ${of(1)} ms of ${this.#sorted.length}`
  }
}

for (const kind of ['handshakes', 'opens', 'datagrams', 'resets'] as const satisfies readonly Flood[]) {
  staged(`a flood of ${kind} leaves a session's ping-pong alone, and memory bounded`, async stage => {
    const { bootstrap } = await stage.testnet()
    const tcp = await stage.use(listenTcpEcho())
    // In a process of its own: what it costs to take the flood must not disturb the one that measures.
    const sink = new Process(process.execPath, ['-e', SINK])
    stage.defer(() => sink.stop())
    const [, udpPort] = await sink.says(/port (\d+)/)
    const shares = [
      { proto: 'tcp', port: tcp.port },
      { proto: 'udp', port: Number(udpPort) }
    ]
    const extra = process.env.HYPER_NAT_NO_LIMITS ? LIMITS_OFF : {}
    const { server, publicKey, localPort } = await stage.tunnel(shares, { server: extra })
    const socket = await connectTcp(await localPort('tcp', tcp.port))
    socket.setNoDelay(true)
    stage.defer(() => socket.destroy())
    const ping = async (): Promise<void> => {
      const answer = once(socket, 'data')
      socket.write('ping')
      await answer
    }
    const program = join(dirname(fileURLToPath(import.meta.url)), '..', 'support', 'hostile.js')
    const hostile = new Process(process.execPath, [
      program,
      kind,
      publicKey,
      bootstrap.join(','),
      `${SERIES * ROUNDS * ROUND_MS}`
    ])
    stage.defer(() => hostile.stop())
    await hostile.says(/"up"/, 30_000)
    await keepApart(server, [hostile, sink])
    await pingPong(ping, ROUND_MS)

    const memory = () => (isLinux ? residentBytes(server.pid) : 0)
    const spent = () => (isLinux ? cpuSeconds(server.pid) : 0)
    const [before, cpu] = [memory(), spent()]
    let grown = 0
    let [rounds, sent] = [0, 0]
    const measure = async (): Promise<[was: Times, is: Times]> => {
      const [quiet, loud]: [number[], number[]] = [[], []]
      for (let i = 0; i < ROUNDS; i++) {
        quiet.push(...(await pingPong(ping, ROUND_MS)))
        hostile.input('on\n', false)
        loud.push(...(await pingPong(ping, ROUND_MS)))
        hostile.input('off\n', false)
        const [, count] = await hostile.says(new RegExp(`"round":${++rounds},"sent":(\\d+)`), 30_000)
        sent = Number(count)
        grown = Math.max(grown, memory() - before)
        await pause(SETTLE_MS)
      }
      return [new Times(quiet), new Times(loud)]
    }
    let [was, is] = await measure()
    const isLeftAlone = (): boolean => is.p(0.99) <= Math.max(2 * was.p(0.99), NOISE_MS)
    const isFlood = (): boolean => sent > ENOUGH
    let series = 1
    for (; series < (isFlood() ? SERIES : MOST_SERIES); series++) {
      if (isFlood() && isLeftAlone()) break
      ;[was, is] = await measure()
    }
    hostile.input('')
    await hostile.end()
    await ping()
    const figures = `${sent} ${kind}: ${was} before, ${is} under it, ${(grown / 2 ** 20).toFixed(0)} MB more, ${(spent() - cpu).toFixed(1)} s of CPU`
    stage.t.diagnostic(figures)
    assert.ok(isFlood(), `it was a flood: ${figures}`)
    assert.ok(isLeftAlone(), figures)
    sink.input('?\n', false)
    const taken = Number((await sink.says(/took (\d+)/))[1])
    // On its way is some still when a round ends, and what the last one saved is there at the start of the next.
    const most = (LIMITS.udpPerSecond * series * ROUNDS * ROUND_MS * 1.5) / 1000
    assert.ok(taken <= most, `the target had ${taken} datagrams to take, of ${most} at the most: ${figures}`)
    assert.ok(grown <= GROWTH_BYTES, figures)
  })
}
