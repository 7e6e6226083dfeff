import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { until } from './deadline.js'
import { HyperNat, type HyperNatStart, writeOptions } from './hyper-nat.js'
import { Random } from './random.js'
import { startTestnet, type Testnet } from './testnet.js'

interface Closable {
  close(): unknown
}

/** One server entry for a daemon's options: the target's port on this machine. */
export interface Share {
  proto: string
  port: number
  host?: string
}

/**
 * What one integration test uses: a DHT of its own, daemons, servers. At the end everything is taken down in reverse order;
 * the daemons must end as a user's would (asked once, exit code 0, soon), and nothing may be left in this process either.
 */
export class Stage {
  readonly random = new Random()
  #undo: (() => unknown)[] = []
  #daemons: HyperNat[] = []
  #testnet: Testnet | undefined
  readonly #before = resources()

  constructor(readonly t: TestContext) {}

  /** Something to undo at the end. */
  defer(undo: () => unknown): void {
    this.#undo.push(undo)
  }

  /** Something to close at the end. */
  async use<T extends Closable>(thing: T | Promise<T>): Promise<T> {
    const resource = await thing
    this.defer(() => resource.close())
    return resource
  }

  /** The test's DHT: started at the first call. */
  async testnet(): Promise<Testnet> {
    this.#testnet ??= await this.use(startTestnet())
    return this.#testnet
  }

  /** Starts hyper-nat with these arguments, `--json` and the test's DHT. */
  async run(args: readonly string[], name?: string): Promise<HyperNat> {
    const { bootstrap } = await this.testnet()
    return this.start(
      [...args, '--json', '--bootstrap', bootstrap.join(',')],
      name === undefined ? {} : { name }
    )
  }

  /** Starts hyper-nat with an options.json of these entries. */
  async daemon(
    schema: readonly object[],
    extra: Record<string, unknown> = {},
    options: HyperNatStart = {}
  ): Promise<HyperNat> {
    const { bootstrap } = await this.testnet()
    const written = writeOptions({ schema, network: { bootstrap }, ...extra })
    this.defer(() => written.remove())
    return this.start(['-c', written.file, '--json'], options)
  }

  /** Starts hyper-nat with exactly these arguments. */
  start(args: readonly string[], options: HyperNatStart = {}): HyperNat {
    const daemon = new HyperNat(args, options)
    this.#daemons.push(daemon)
    this.defer(() => this.#end(daemon))
    return daemon
  }

  /** A server and a client, connected, with every share mapped to a free local port. */
  async tunnel(
    shares: readonly Share[],
    extra: {
      server?: Record<string, unknown>
      client?: Record<string, unknown>
      serverEnv?: Record<string, string>
    } = {}
  ): Promise<Tunnel> {
    const secret = newSecret()
    const { serverEnv: env = {} } = extra
    const server = await this.daemon(serverEntries(shares, secret), extra.server, { name: 'server', env })
    const { publicKey } = await server.event('ready')
    const client = await this.daemon(clientEntries(shares, publicKey), extra.client, { name: 'client' })
    await client.event('connected')
    return { server, client, secret, publicKey, localPort: (proto, port) => client.localPort(proto, port) }
  }

  async #end(daemon: HyperNat): Promise<void> {
    if (!daemon.running) return
    const asked = performance.now()
    const { code } = await daemon.stop(10_000)
    const ms = performance.now() - asked
    if (daemon.json) assert.deepEqual(daemon.strayLines, [], 'with --json, stdout has JSON lines only')
    // Windows has no SIGTERM: a process is ended there without being asked.
    if (process.platform === 'win32') return
    assert.equal(code, 0, `exit code 0 after SIGTERM: ${daemon.describe()}`)
    assert.ok(ms < 3_000, `ends within 3 s of SIGTERM, took ${ms.toFixed()} ms: ${daemon.describe()}`)
  }

  async close(): Promise<void> {
    const errors: unknown[] = []
    for (const undo of this.#undo.reverse()) {
      try {
        await undo()
      } catch (err) {
        errors.push(err)
      }
    }
    if (errors.length > 0) throw errors[0]
    await until(5_000, 'sockets and processes of this test to be gone', () => {
      const left = resources()
      return Object.entries(left).every(([kind, count]) => count <= (this.#before[kind] ?? 0))
    }).catch(err => assert.fail(`${err.message}; left: ${JSON.stringify(resources())}`))
  }

  /** For a failure's message: how to repeat it, and what the daemons said. */
  describe(): string {
    return [`HYPER_NAT_TEST_SEED=${this.random.seed}`, ...this.#daemons.map(d => d.describe())].join('\n')
  }
}

export interface Tunnel {
  readonly server: HyperNat
  readonly client: HyperNat
  readonly secret: string
  readonly publicKey: string
  localPort(proto: string, port: number): Promise<number>
}

/** A secret that no other test has, strong enough for no warning. */
export function newSecret(): string {
  return randomBytes(24).toString('hex')
}

export function serverEntries(shares: readonly Share[], secret: string): object[] {
  return shares.map(share => ({ mode: 'server', secret, ...share }))
}

export function clientEntries(shares: readonly Share[], publicKey: string): object[] {
  return shares.map(({ proto, port }) => ({ mode: 'client', proto, port, localPort: 0, publicKey }))
}

/** Declares a test with a stage of its own. */
export function staged(
  name: string,
  body: (stage: Stage) => Promise<void>,
  options: { timeout?: number; skip?: boolean | string } = {}
): void {
  test(name, { timeout: 60_000, ...options }, async t => {
    const stage = new Stage(t)
    let failed = false
    try {
      await body(stage)
    } catch (err) {
      failed = true
      t.diagnostic(stage.describe())
      throw err
    } finally {
      // The test's own failure says more than what its ruins fail with.
      await stage.close().catch(err => {
        if (!failed) throw err
      })
    }
  })
}

/** Sockets and child processes that keep this process alive, counted by kind. */
function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) {
    if (/TCP|UDP|Process/.test(kind)) counts[kind] = (counts[kind] ?? 0) + 1
  }
  return counts
}
