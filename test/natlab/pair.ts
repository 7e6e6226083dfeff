/** One pair of homes: a server in one, a client in the other, bytes through every protocol. */
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DaemonEvent, PathKind } from '../../src/events.js'
import { HyperNat } from '../support/hyper-nat.js'
import { Process, runProgram } from '../support/process.js'
import { newSecret } from '../support/stage.js'
import { DHT_PORT, type Home, type Lab, RELAY_PORT, TCP_RELAY_PORT } from './lab.js'

const FOLDER = dirname(fileURLToPath(import.meta.url))
export const PEER = join(FOLDER, 'peer.js')
const PROXY = join(FOLDER, 'proxy.js')

/** Shared ports: the lab's computers have nothing else on them. */
export const PORTS = { tcp: 7001, udp: 7002, tcpudp: 7003 }

const CHECK_BYTES = 300_000

interface RunningRelay {
  readonly key: string
  readonly relay: HyperNat
  /** Starts it once more, with the same key and port. */
  readonly again: () => Promise<RunningRelay>
}

/** The parts of the public side: DHT nodes, a relay. */
export class PublicSide {
  readonly #processes: Process[] = []
  #relays = 0
  relayKey = ''

  constructor(readonly lab: Lab) {}

  async start(): Promise<void> {
    const dht = this.#run(this.lab.dht, [
      'bootstrap',
      '--host',
      this.lab.dhtHosts.join(','),
      '--port',
      `${DHT_PORT}`,
      '--nodes',
      '2',
      '--json'
    ])
    await dht.says(/"ready"/)
    await this.startRelay()
  }

  async startRelay(): Promise<void> {
    this.relayKey = (await this.anotherRelay()).key
  }

  /** Starts a relay with flags of its own, under a secret of its own unless told. */
  async anotherRelay(flags: readonly string[] = [], secret = newSecret()): Promise<RunningRelay> {
    const port = `${RELAY_PORT + this.#relays++}`
    const common = ['--bootstrap', this.lab.bootstrap, '--json']
    const run = async (): Promise<RunningRelay> => {
      const relay = this.#run(this.lab.relay, ['relay', '--port', port, ...common, ...flags], {
        HYPER_NAT_SECRET: secret
      })
      const [, key] = await relay.says(/"mode":"relay","publicKey":"(\w+)"/)
      return { key: key!, relay, again: run }
    }
    return run()
  }

  #tcp: Promise<string> | null = null

  /** The address of a relay that is reached by TCP. */
  tcpAddress(): Promise<string> {
    this.#tcp ??= this.anotherRelay(['--tcp', `${TCP_RELAY_PORT}`]).then(async ({ relay }) => {
      const [, address] = await relay.says(/"address":"([^"]+)"/)
      return address!
    })
    return this.#tcp
  }

  #proxy: Promise<{ address: string; process: Process }> | null = null

  /** An HTTP proxy: `host:port`. */
  proxy(): Promise<{ address: string; process: Process }> {
    this.#proxy ??= (async () => {
      const [host, port] = [this.lab.address(), '3128']
      const { prefix } = await this.lab.home('open', host)
      const process = started(prefix, PROXY, [host, port])
      this.#processes.push(process)
      await process.says(/^open$/m)
      return { address: `${host}:${port}`, process }
    })()
    return this.#proxy
  }

  #run(home: Pick<Home, 'prefix'>, args: string[], env: Record<string, string> = {}): HyperNat {
    const daemon = new HyperNat(args, { prefix: home.prefix, env })
    this.#processes.push(daemon)
    return daemon
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map(one => one.stop()))
  }
}

/** Runs one of the lab's programs in a home. */
function started(
  [command = '', ...prefix]: readonly string[],
  file: string,
  args: readonly string[]
): Process {
  return new Process(command, [...prefix, process.execPath, file, ...args])
}

/** How a pair came together. */
export interface Meeting {
  /** The first path, or the code of why there is none. */
  readonly path: PathKind | string
  /** `IPv6` where packets travel by that. */
  readonly family?: 'IPv6' | undefined
  /** From the client's start to its `connected`, or to saying why not, ms. */
  readonly ms: number
  /** From the client's start to its `ready`, which a busy machine delays, ms. */
  readonly readyMs: number
}

/** The longest time without an answer. */
export interface Silence {
  readonly ms: number
  /** When it was over, by the time of day. */
  readonly until: number
}

/** How regularly answers came. */
export interface Steady {
  readonly tcp: Silence
  readonly tcpudp: Silence
  readonly udp: Silence
  readonly udpSent: number
  readonly udpLost: number
  /** Bytes of the large transfers, all of them there and back. */
  readonly transferred: number
}

/** The longest time in which nothing that fills packets came back. */
export interface Large {
  readonly tcp: Silence
  readonly tcpudp: Silence
  readonly udp: Silence
}

export interface PairOptions {
  /** Flags of both ends beyond those that every end has. */
  server?: readonly string[]
  client?: readonly string[]
  /** Added to the environment of both ends. */
  env?: Record<string, string>
  /** The server's; a new one if left out. */
  secret?: string
  /** Another TCP port to share, for a program of the test's own. */
  port?: number
}

/** A server and a client that are being brought together. */
export class Pair {
  readonly server: HyperNat
  readonly #secret: string
  readonly #serve: Process
  #client: HyperNat | undefined
  #started = 0

  constructor(
    readonly lab: Lab,
    readonly serverHome: Home,
    readonly clientHome: Home,
    readonly options: PairOptions = {}
  ) {
    this.#secret = options.secret ?? newSecret()
    const ports = Object.values(PORTS)
    this.#serve = started(serverHome.prefix, PEER, ['serve', ...ports.map(String)])
    const maps = ['-p', this.#maps.ports, '--protocol', this.#maps.protos]
    this.server = new HyperNat(['server', ...maps, ...this.#common, ...(options.server ?? [])], {
      name: 'server',
      prefix: serverHome.prefix,
      env: { HYPER_NAT_SECRET: this.#secret, ...options.env }
    })
  }

  get #maps(): { ports: string; protos: string } {
    const extra = this.options.port === undefined ? [] : [this.options.port]
    return {
      ports: [...Object.values(PORTS), ...extra].join(','),
      protos: [...Object.keys(PORTS), ...extra.map(() => 'tcp')].join(',')
    }
  }

  get #common(): string[] {
    return ['--json', '--bootstrap', this.lab.bootstrap]
  }

  get client(): HyperNat {
    if (!this.#client) throw new Error('the client has not been started')
    return this.#client
  }

  /** Starts the client, and waits for a connection or for why there is none. */
  async meet(waitMs = 30_000): Promise<Meeting> {
    const { publicKey } = await this.server.event('ready', { ms: 30_000 })
    await this.#serve.says(/"ok":true/)
    const flags = ['-r', this.#maps.ports, '-l', '0', '--protocol', this.#maps.protos]
    this.#started = performance.now()
    this.#client = new HyperNat(
      ['client', ...flags, '-k', publicKey, ...this.#common, ...(this.options.client ?? [])],
      { name: 'client', prefix: this.clientHome.prefix, env: { ...this.options.env } }
    )
    let readyMs = 0
    this.#client.event('ready', { ms: waitMs }).then(
      () => {
        readyMs = this.elapsed
      },
      () => {}
    )
    const up = this.#client.event('connected', { ms: waitMs })
    // Whichever comes first; the other one's deadline must not end the process.
    const waiting = this.#client.event('waiting', { ms: waitMs })
    const event: DaemonEvent = await Promise.any([up, waiting])
    const ms = this.elapsed
    if (event.event === 'connected') return { path: event.path, family: event.family, ms, readyMs }
    return { path: event.event === 'waiting' ? event.code : '', ms, readyMs }
  }

  /** Waits for a connection though there was none at first. */
  async meetLater(ms: number): Promise<Meeting | null> {
    try {
      const { path, family } = await this.client.event('connected', { ms })
      return { path, family, ms: this.elapsed, readyMs: 0 }
    } catch {
      return null
    }
  }

  /** Since the client was started, ms. */
  get elapsed(): number {
    return Math.round(performance.now() - this.#started)
  }

  /** Waits until both ends tell of a path; resolves with the time since the client's start. */
  async onPath(path: PathKind, ms: number): Promise<number> {
    await Promise.all(
      [this.server, this.client].map(end => end.event('connected', { ms, where: e => e.path === path }))
    )
    return this.elapsed
  }

  /** Sends bytes through every map and compares what comes back. */
  async check(bytes = CHECK_BYTES): Promise<void> {
    const { code, stdout, stderr } = await this.#peer('check', [bytes])
    if (code !== 0) throw new Error(`wrong bytes: ${stdout}${stderr}\n${this.describe()}`)
  }

  /** Keeps small writes going on every map during `body`, compares all, and tells how regularly they came back. */
  async steadily(body: () => Promise<void>): Promise<Steady> {
    return (await this.#during('steady', body)) as Steady
  }

  /** The same with transfers and datagrams that fill packets. */
  async largely(body: () => Promise<void>): Promise<Large> {
    const { tcp, tcpudp, udp } = (await this.#during('large', body)) as Large
    return { tcp, tcpudp, udp }
  }

  async #during(mode: string, body: () => Promise<void>): Promise<unknown> {
    const peer = new Process(this.clientHome.prefix[0]!, await this.#peerArgs(mode, []))
    try {
      await peer.says(/"started"/)
      await body()
    } finally {
      peer.input('')
    }
    const { code, stdout, stderr } = await peer.end()
    if (code !== 0) throw new Error(`the flows were harmed: ${stdout}${stderr}\n${this.describe()}`)
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  }

  async #peer(mode: string, extra: number[]) {
    return runProgram(this.clientHome.prefix[0]!, await this.#peerArgs(mode, extra), { ms: 60_000 })
  }

  async #peerArgs(mode: string, extra: number[]): Promise<string[]> {
    const ports = []
    for (const [proto, port] of Object.entries(PORTS)) ports.push(await this.client.localPort(proto, port))
    return [
      ...this.clientHome.prefix.slice(1),
      process.execPath,
      PEER,
      mode,
      ...[...ports, ...extra].map(String)
    ]
  }

  describe(): string {
    return [this.server, this.#client].map(end => end?.describe() ?? '').join('\n')
  }

  async close(): Promise<void> {
    await Promise.all([this.server, this.#client, this.#serve].map(one => one?.stop()))
  }
}
