// Three hosts under one secret, two guests, and hosts that are killed and cut off in turn: nothing new waits longer than 5 s, and what
// is open goes on when its host is back.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { LIMITS } from '../../src/limits.js'
import { pause } from '../support/deadline.js'
import { HyperNat, writeOptions } from '../support/hyper-nat.js'
import { Process, runProgram } from '../support/process.js'
import { clientEntries, newSecret, serverEntries } from '../support/stage.js'
import type { Home } from './lab.js'
import { PEER, PORTS } from './pair.js'
import type { HeldReport, NewcomersReport, UdpReport } from './persistence.js'
import { lab, skip, useLab } from './side.js'

/** How long a new connection, or a UDP conversation that may leave its host, may take when a host dies. */
const FAILOVER_MS = 5000

/** How long it goes on, s: 300 for the whole story. */
const SECONDS = Number(process.env.HYPER_NAT_HOSTS_SECONDS ?? 75)

/** How long a host is away that was killed, and one that is cut off: until its connections are given up. */
const KILLED_MS = 8000
const CUT_MS = LIMITS.deadMs + 5000

/** How long guests may take to see a host that is back. */
const SEEN_MS = 60_000

const SHARES = Object.entries(PORTS).map(([proto, port]) => ({ proto, port }))

useLab()

/** A computer that runs the options.json of all hosts, and what it shares. */
class Host {
  readonly #serve: Process
  #daemon: HyperNat

  constructor(
    readonly name: string,
    readonly home: Home,
    readonly options: string
  ) {
    const [program = '', ...args] = home.prefix
    const ports = Object.values(PORTS).map(String)
    this.#serve = new Process(program, [...args, process.execPath, PEER, 'serve', ...ports])
    this.#daemon = this.#start()
  }

  #start(): HyperNat {
    return new HyperNat(['-c', this.options, '--json'], { name: this.name, prefix: this.home.prefix })
  }

  get daemon(): HyperNat {
    return this.#daemon
  }

  async ready(): Promise<string> {
    await this.#serve.says(/"ok":true/)
    return (await this.#daemon.event('ready')).publicKey
  }

  async kill(): Promise<void> {
    this.#daemon.kill('SIGKILL')
    await this.#daemon.end()
  }

  async restart(): Promise<void> {
    this.#daemon = this.#start()
    await this.ready()
  }

  async cutOff(): Promise<void> {
    await this.#iptables('-I')
  }

  async join(): Promise<void> {
    await this.#iptables('-D')
  }

  async #iptables(action: string): Promise<void> {
    for (const rule of ['INPUT ! -i lo', 'OUTPUT ! -o lo']) {
      const [program = '', ...args] = this.home.prefix
      const command = `iptables -w ${action} ${rule} -j DROP`
      const { code, stderr } = await runProgram(program, [...args, 'sh', '-ec', command])
      assert.equal(code, 0, stderr)
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#daemon.stop(), this.#serve.stop()])
  }
}

/** A computer whose programs want to use what the hosts share. */
class Guest {
  readonly daemon: HyperNat
  #programs: Process | undefined

  constructor(
    readonly name: string,
    readonly home: Home,
    readonly options: string
  ) {
    this.daemon = new HyperNat(['-c', options, '--json'], { name, prefix: home.prefix })
  }

  async start(): Promise<void> {
    const ports = []
    for (const { proto, port } of SHARES) ports.push(String(await this.daemon.localPort(proto, port)))
    const [program = '', ...args] = this.home.prefix
    this.#programs = new Process(program, [...args, process.execPath, PEER, 'persist', ...ports])
    await this.#programs.says(/"started"/)
  }

  async report(): Promise<{
    tcp: NewcomersReport
    tcpudp: NewcomersReport
    held: HeldReport
    udp: UdpReport
  }> {
    this.#programs!.input('')
    const { stdout, stderr } = await this.#programs!.end()
    assert.match(stdout, /"ok":true/, stderr)
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  }

  async close(): Promise<void> {
    await Promise.all([this.daemon.stop(), this.#programs?.stop()])
  }
}

/** What the guests have told so far. */
function marks(guests: readonly Guest[]): number[] {
  return guests.map(guest => guest.daemon.mark)
}

/** Resolves when every guest has told of a session with this host since `from`. */
async function seenAgain(guests: readonly Guest[], from: readonly number[], host: Host): Promise<void> {
  const name = (await host.daemon.event('connected', { ms: SEEN_MS })).host
  await Promise.all(
    guests.map((guest, i) =>
      guest.daemon.event('connected', { from: from[i]!, ms: SEEN_MS, where: event => event.host === name })
    )
  )
}

test('hosts killed and cut off in turn: no new connection fails for longer than 5 s', {
  skip,
  timeout: (SECONDS + 120) * 1000
}, async t => {
  const secret = newSecret()
  const { bootstrap } = lab
  const network = { bootstrap: bootstrap.split(',') }
  const shared = writeOptions({ schema: serverEntries(SHARES, secret), network })
  const kinds = ['open', 'cone', 'fullcone'] as const
  const hosts: Host[] = []
  const guests: Guest[] = []
  let wanted: ReturnType<typeof writeOptions> | undefined
  try {
    for (const kind of kinds) hosts.push(new Host(`host (${kind})`, await lab.home(kind), shared.file))
    const [publicKey] = await Promise.all(hosts.map(host => host.ready()))
    const schema = clientEntries(SHARES, publicKey!).map(entry =>
      'proto' in entry && entry.proto === 'udp' ? { ...entry, failover: true } : entry
    )
    wanted = writeOptions({ schema, network })
    for (const name of ['guest 1', 'guest 2'])
      guests.push(new Guest(name, await lab.home('cone'), wanted.file))
    await Promise.all(hosts.map(host => seenAgain(guests, [0, 0], host)))
    await Promise.all(guests.map(guest => guest.start()))
    const kills = await disturb(t, hosts, guests)
    for (const guest of guests) {
      const { tcp, tcpudp, held, udp } = await guest.report()
      t.diagnostic(
        `${guest.name}: ${tcp.tried + tcpudp.tried} new connections, ${tcp.failed + tcpudp.failed} failed, ` +
          `the longest wait ${tcp.worst} ms (tcp), ${tcpudp.worst} ms (tcpudp); held ones were reset ` +
          `${held.resets} times, and stood still for ${held.worst} ms; UDP for ${udp.worst} ms, ` +
          `lost ${udp.lost} of ${udp.sent}`
      )
      for (const { worst } of [tcp, tcpudp, udp]) {
        assert.ok(worst < FAILOVER_MS, `${worst} ms\n${guest.daemon.describe()}`)
      }
      assert.ok(held.worst > KILLED_MS / 2, 'no host that was used was away')
      assert.ok(held.worst < CUT_MS + SEEN_MS, `${held.worst} ms`)
      assert.ok(held.resets <= kills, `${held.resets} resets, ${kills} hosts killed`)
      assert.ok(!guest.daemon.events.some(e => e.event === 'waiting'), 'there was always a host')
    }
  } finally {
    await Promise.all([...hosts, ...guests].map(one => one.close()))
    shared.remove()
    wanted?.remove()
  }
})

/** Takes a host away in turn, by each means, until the time is over; the next one goes when the last is back. @returns how many were killed */
async function disturb(t: TestContext, hosts: readonly Host[], guests: readonly Guest[]): Promise<number> {
  const end = performance.now() + SECONDS * 1000
  let kills = 0
  for (let round = 0; performance.now() < end; round++) {
    const host = hosts[round % hosts.length]!
    const killed = round % 2 === 0
    const from = marks(guests)
    if (killed) kills++
    if (killed) await host.kill()
    else await host.cutOff()
    await pause(killed ? KILLED_MS : CUT_MS)
    const back = performance.now()
    if (killed) await host.restart()
    else await host.join()
    await seenAgain(guests, from, host)
    const ms = performance.now() - back
    t.diagnostic(
      `${host.name} ${killed ? 'killed' : 'cut off'}, seen again ${ms.toFixed()} ms after its return`
    )
  }
  return kills
}
