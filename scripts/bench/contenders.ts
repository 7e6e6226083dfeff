// What is measured: hyper-nat, its predecessor, hypertele, and plain sockets as the line to compare with. Each is two
// processes of its own, started from its command line, on the same DHT.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import HyperDHT from 'hyperdht'
import { encodeKey } from '../../src/identity/encoding.js'
import { keyPairOf } from '../../src/identity/keys.js'
import { Secret } from '../../src/identity/secret.js'
import { HyperNat, installedFile, writeOptions } from '../../test/support/hyper-nat.js'
import { Process } from '../../test/support/process.js'
import { findProgram } from '../../test/support/programs.js'
import { freePort } from '../../test/support/servers.js'
import { clientEntries, newSecret, serverEntries } from '../../test/support/stage.js'
import { peersFolder } from './peers.js'

/** A tunnel that is up: where to connect to, and whose processes to watch. */
export interface Route {
  readonly host: string
  readonly tcp: number
  readonly udp: number
  readonly client?: Process
  readonly server?: Process
  /** When the client's process was started, by performance.now(). */
  readonly clientStarted?: number
  close(): Promise<void>
}

export interface Site {
  /** `host:port` of the DHT's first nodes. */
  readonly bootstrap: readonly string[]
  /** How to start a program at each end: pinned to a core, or in a network namespace. */
  readonly atClient: readonly string[]
  readonly atServer: readonly string[]
  /** Where the target listens. */
  readonly bindHost: string
  /** The address that plain sockets use to reach it. */
  readonly targetHost: string
  /** Where a program at the client's end finds the tunnel's local ports. */
  readonly localHost: string
}

export interface Contender {
  readonly name: string
  readonly udp: boolean
  /** What it is measured for, when that is not everything. */
  readonly only?: readonly string[]
  /** Opens a tunnel to `port`, TCP and (when it can) UDP; resolves when the client's port is open. */
  open(site: Site, port: number): Promise<Route>
  /** Starts the server, right behind it the client, and waits for neither. Missing where there is nothing to start. */
  start?(site: Site, port: number): Promise<Route>
}

export const direct: Contender = {
  name: 'direct',
  udp: true,
  async open(site, port) {
    return { host: site.targetHost, tcp: port, udp: port, close: async () => {} }
  }
}

/**
 * This project's own, with maps of these protocols.
 * @param extra what its UDP maps have besides, at both ends
 * @param options what its options hold besides
 */
export function hyperNatWith(
  name: string,
  protos: readonly string[],
  extra: object = {},
  options: object = {}
): Contender {
  const launch = async (site: Site, port: number, wait: boolean): Promise<Route> => {
    const shares = protos.map(proto => ({ proto, port, ...(proto === 'udp' && extra) }))
    const network = { bootstrap: site.bootstrap }
    const files: { remove(): void }[] = []
    const start = (name: string, schema: object[], prefix: readonly string[]) => {
      const written = writeOptions({ schema, network, ...options })
      files.push(written)
      const program = [process.execPath, installedFile]
      return new HyperNat(['-c', written.file, '--json'], { name, prefix, program })
    }
    // One port for both protocols: iperf3 needs that for its datagrams.
    const local = await freePort()
    const secret = newSecret()
    const entries = clientEntries(shares, publicKeyOf(secret)).map((entry, i) => ({
      ...entry,
      localPort: local,
      ...(protos[i] === 'udp' && extra)
    }))
    const server = start('server', serverEntries(shares, secret), site.atServer)
    let client: HyperNat | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
      for (const file of files) file.remove()
    }
    try {
      if (wait) await server.event('ready')
      const clientStarted = performance.now()
      client = start('client', entries, site.atClient)
      if (wait) await client.event('connected')
      return { host: site.localHost, tcp: local, udp: local, client, server, clientStarted, close }
    } catch (err) {
      await close()
      throw err
    }
  }
  return { name, udp: protos.includes('udp'), ...opened(launch) }
}

export const hyperNat1: Contender = {
  name: 'hyper-nat 1.1.3',
  udp: true,
  ...opened(async (site, port, wait) => {
    const start = (prefix: readonly string[], args: string[]) =>
      startPeer(site, prefix, join('hyper-nat-1', 'index.js'), args)
    const local = await freePort()
    const secret = newSecret()
    const protos = ['--protocol', 'tcp,udp']
    const server = start(site.atServer, ['server', '-p', `${port},${port}`, ...protos, '-s', secret])
    let client: Process | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
    }
    try {
      // It says that it listens before it is announced; its client tries three times, a second apart.
      if (wait) await server.says(/listening for remote connections for udp/)
      const clientStarted = performance.now()
      client = start(site.atClient, [
        'client',
        '-l',
        `${local},${local}`,
        '-r',
        `${port},${port}`,
        ...protos,
        '-k',
        publicKeyOf(secret)
      ])
      if (wait)
        await Promise.all([client.says(/TCP stream ready/, 30_000), client.says(/UDP stream ready/, 30_000)])
      return { host: site.localHost, tcp: local, udp: local, client, server, clientStarted, close }
    } catch (err) {
      await close()
      throw err
    }
  })
}

export const hypertele: Contender = {
  name: 'hypertele',
  udp: false,
  ...opened(async (site, port, wait) => {
    const seed = randomBytes(32)
    const local = await freePort()
    const server = startPeer(site, site.atServer, join('hypertele', 'server.js'), [
      '-l',
      `${port}`,
      '--seed',
      seed.toString('hex')
    ])
    let client: Process | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
    }
    try {
      if (wait) await server.says(/hypertele: ([0-9a-f]{64})/)
      const clientStarted = performance.now()
      const key = publicKeyOfSeed(seed).toString('hex')
      client = startPeer(site, site.atClient, join('hypertele', 'client.js'), ['-p', `${local}`, '-s', key])
      if (wait) await client.says(/Server ready/)
      return { host: site.localHost, tcp: local, udp: 0, client, server, clientStarted, close }
    } catch (err) {
      await close()
      throw err
    }
  })
}

/** The least that a program on hyperdht can be: what it takes to start and to keep in memory, hyperdht itself takes. */
export const bareDht: Contender = {
  name: 'bare hyperdht',
  udp: false,
  only: ['start', 'idle'],
  ...opened(async (site, port, wait) => {
    const start = (prefix: readonly string[], args: readonly string[]) => {
      const file = fileURLToPath(new URL('bare-dht.js', import.meta.url))
      const [command = '', ...rest] = [...prefix, process.execPath, file, ...args, site.bootstrap.join(',')]
      return new Process(command, rest)
    }
    const seed = randomBytes(32)
    const local = await freePort()
    const server = start(site.atServer, ['server', `${port}`, seed.toString('hex')])
    let client: Process | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
    }
    try {
      if (wait) await server.says(/ready/)
      const clientStarted = performance.now()
      client = start(site.atClient, ['client', `${local}`, publicKeyOfSeed(seed).toString('hex')])
      if (wait) await client.says(/ready/)
      return { host: site.localHost, tcp: local, udp: 0, client, server, clientStarted, close }
    } catch (err) {
      await close()
      throw err
    }
  })
}

/** What a tunnel of nothing but Node's sockets would take; it repeats nothing, so that only small exchanges can be measured. */
export const bare: Contender = {
  name: 'bare',
  udp: false,
  only: ['connect'],
  async open(site, port) {
    const start = (prefix: readonly string[], args: readonly string[]) => {
      const file = fileURLToPath(new URL('bare.js', import.meta.url))
      const [command = '', ...rest] = [...prefix, process.execPath, file, ...args]
      return new Process(command, rest)
    }
    const local = await freePort()
    const server = start(site.atServer, ['server', `${port}`])
    let client: Process | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
    }
    try {
      const [, peer = ''] = await server.says(/port (\d+)/)
      client = start(site.atClient, ['client', `${local}`, peer])
      await client.says(/ready/)
      return { host: site.localHost, tcp: local, udp: 0, client, server, close }
    } catch (err) {
      await close()
      throw err
    }
  }
}

/** Both ways to start the two ends of a tunnel. */
function opened(
  launch: (site: Site, port: number, wait: boolean) => Promise<Route>
): Required<Pick<Contender, 'open' | 'start'>> {
  return { open: (site, port) => launch(site, port, true), start: (site, port) => launch(site, port, false) }
}

/** Of a server with this secret: the same for hyper-nat 1. */
function publicKeyOf(secret: string): string {
  return encodeKey(keyPairOf(new Secret(secret)).publicKey)
}

function publicKeyOfSeed(seed: Buffer): Buffer {
  return Buffer.from(HyperDHT.keyPair(seed).publicKey)
}

function startPeer(site: Site, prefix: readonly string[], file: string, args: readonly string[]): Process {
  const node = [process.execPath, '--require', join(peersFolder, 'bootstrap.cjs')]
  const [command = '', ...rest] = [...prefix, ...node, join(peersFolder, 'node_modules', file), ...args]
  return new Process(command, rest, { env: { ...process.env, BENCH_BOOTSTRAP: site.bootstrap.join(',') } })
}

/** In the order in which they are measured in each round. */
export const contenders: readonly Contender[] = [
  direct,
  bare,
  hyperNatWith('hyper-nat', ['tcp', 'udp']),
  hyperNat1,
  hypertele,
  bareDht
]

/** Everything on this machine; each end on a core of its own, where that can be had. */
export function loopbackSite(bootstrap: readonly string[], pinned: boolean): Site {
  const pin = (core: number) => (pinned && findProgram('taskset') ? ['taskset', '-c', `${core}`] : [])
  return {
    bootstrap,
    atClient: pin(0),
    atServer: pin(1),
    bindHost: '127.0.0.1',
    targetHost: '127.0.0.1',
    localHost: '127.0.0.1'
  }
}
