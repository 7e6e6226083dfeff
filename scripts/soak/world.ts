/**
 * What is soaked: in the lab of namespaces, a server behind a router, three guests (one with a public address, one behind a router like the
 * server's, one that needs the relay), their programs, DHT nodes and a relay.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Home, type Kind, Lab } from '../../test/natlab/lab.js'
import { PEER, PORTS, PublicSide } from '../../test/natlab/pair.js'
import { HyperNat } from '../../test/support/hyper-nat.js'
import { Process, runProgram } from '../../test/support/process.js'
import { clientEntries, newSecret, serverEntries } from '../../test/support/stage.js'
import type { Report } from './traffic.js'

const TRAFFIC = join(dirname(fileURLToPath(import.meta.url)), 'traffic.js')

const SHARES = Object.entries(PORTS).map(([proto, port]) => ({ proto, port }))

/** A port map that comes and goes when options are rewritten. */
const EXTRA = { proto: 'udp', port: 7004 }

/** Where the server's log is: so small that it can be filled. */
const LOG_BYTES = 1 << 20

/** Garbage is collected every 10 s, so that memory shows what is kept: V8 lets a heap grow for long before it collects all of it. */
const nodeArgs = ['--expose-gc', '--import', 'data:text/javascript,setInterval(gc,10000).unref()']

const GUESTS: readonly Kind[] = ['open', 'cone', 'symmetric']

/** A guest's daemon, which may be killed and started again. */
export class Guest {
  daemon: HyperNat
  /** The programs that use its ports; they go on when it is started again. */
  programs: Traffic | null = null

  constructor(
    readonly name: string,
    readonly home: Home,
    readonly options: string
  ) {
    this.daemon = this.#start()
  }

  #start(): HyperNat {
    return new HyperNat(['-c', this.options, '--json'], {
      name: this.name,
      nodeArgs,
      prefix: this.home.prefix
    })
  }

  async kill(): Promise<void> {
    this.daemon.kill('SIGKILL')
    await this.daemon.end()
  }

  restart(): void {
    this.daemon = this.#start()
  }
}

class Traffic extends Process {
  readonly reports: Report[] = []

  protected override onLine(line: string): void {
    this.reports.push(JSON.parse(line))
  }
}

export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'hyper-nat-soak-'))
  readonly logs = join(this.folder, 'logs')
  readonly secret = newSecret()
  readonly guests: Guest[] = []
  server!: HyperNat
  relay!: Awaited<ReturnType<PublicSide['anotherRelay']>>
  serverHome!: Home
  lab!: Lab
  #side!: PublicSide
  #serve: Process | null = null
  #hasExtra = false

  async open(): Promise<void> {
    this.lab = await Lab.open()
    this.#side = new PublicSide(this.lab)
    await this.#side.start()
    this.relay = await this.#side.anotherRelay()
    mkdirSync(this.logs)
    await command('mount', ['-t', 'tmpfs', '-o', `size=${LOG_BYTES}`, 'tmpfs', this.logs])
    this.serverHome = await this.lab.home('cone')
    const [program = '', ...args] = this.serverHome.prefix
    this.#serve = new Process(program, [
      ...args,
      process.execPath,
      PEER,
      'serve',
      ...ports(Object.values(PORTS))
    ])
    await this.#serve.says(/"ok":true/)
    this.writeServer()
    this.server = new HyperNat(['-c', this.#serverFile, '--json'], {
      name: 'server',
      nodeArgs,
      prefix: this.serverHome.prefix
    })
    const { publicKey } = await this.server.event('ready')
    for (const [i, kind] of GUESTS.entries()) {
      const name = `guest ${i + 1} (${kind})`
      const file = join(this.folder, `guest-${i + 1}.json`)
      // The same local ports each time, for programs that live longer than the daemon.
      const schema = clientEntries(SHARES, publicKey).map((entry, n) => ({ ...entry, localPort: 8001 + n }))
      writeFileSync(file, JSON.stringify({ network: this.#network, schema }), { mode: 0o600 })
      this.guests.push(new Guest(name, await this.lab.home(kind), file))
    }
    for (const guest of this.guests) {
      await guest.daemon.event('connected', { ms: 60_000 })
      const [program = '', ...args] = guest.home.prefix
      guest.programs = new Traffic(program, [
        ...args,
        process.execPath,
        TRAFFIC,
        ...ports([8001, 8002, 8003])
      ])
    }
  }

  get #serverFile(): string {
    return join(this.folder, 'server.json')
  }

  get #network(): object {
    return { bootstrap: this.lab.bootstrap.split(','), relay: [this.relay.key] }
  }

  /** Writes the server's options, with one port map more or less than before. */
  writeServer(): void {
    this.#hasExtra = !this.#hasExtra
    const schema = serverEntries(this.#hasExtra ? [...SHARES, EXTRA] : SHARES, this.secret)
    const options = { network: this.#network, log: { file: join(this.logs, 'server.log') }, schema }
    writeFileSync(this.#serverFile, JSON.stringify(options), { mode: 0o600 })
  }

  /** Those whose memory and descriptors are watched: they run from the beginning to the end. */
  get lasting(): { readonly name: string; readonly process: HyperNat }[] {
    const [first, second] = this.guests as [Guest, Guest, Guest]
    return [
      { name: 'server', process: this.server },
      { name: first.name, process: first.daemon },
      { name: second.name, process: second.daemon },
      { name: 'relay', process: this.relay.relay }
    ]
  }

  /** Ends the guests' programs; their last reports have come then. */
  async endPrograms(): Promise<void> {
    for (const { programs } of this.guests) programs?.input('')
    await Promise.all(this.guests.map(({ programs }) => programs?.end()))
  }

  /** Asks all daemons to end. @returns what did not go as it should */
  async endDaemons(): Promise<string[]> {
    const daemons = [...this.guests.map(({ daemon }) => daemon), this.server]
    const endings = await Promise.all(daemons.map(daemon => daemon.stop(10_000)))
    return endings.flatMap(({ code }, i) =>
      code === 0 ? [] : [`exit code ${code} of ${daemons[i]!.describe()}`]
    )
  }

  async close(): Promise<void> {
    const running = [
      ...this.guests.flatMap(({ daemon, programs }) => [daemon, programs]),
      this.server,
      this.#serve
    ]
    await Promise.all(running.map(one => one?.stop()))
    await this.#side?.stop()
    await this.lab?.close()
    await runProgram('umount', [this.logs])
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Runs a program that must succeed. */
export async function command(program: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runProgram(program, [...args])
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
}

function ports(numbers: readonly number[]): string[] {
  return numbers.map(String)
}
