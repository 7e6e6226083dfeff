// What is measured: hyper-nat, its predecessor, hypertele, and plain sockets as the line to compare with. Each is two
// processes of its own, started from its command line, on the same DHT.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HyperNat, writeOptions } from '../../test/support/hyper-nat.js'
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
  return {
    name,
    udp: protos.includes('udp'),
    async open(site, port) {
      const shares = protos.map(proto => ({ proto, port, ...(proto === 'udp' && extra) }))
      const network = { bootstrap: site.bootstrap }
      const files: { remove(): void }[] = []
      const start = (name: string, schema: object[], prefix: readonly string[]) => {
        const written = writeOptions({ schema, network, ...options })
        files.push(written)
        return new HyperNat(['-c', written.file, '--json'], { name, prefix })
      }
      const server = start('server', serverEntries(shares, newSecret()), site.atServer)
      let client: HyperNat | undefined
      const close = async () => {
        await Promise.all([client?.stop(), server.stop()])
        for (const file of files) file.remove()
      }
      try {
        const { publicKey } = await server.event('ready')
        const clientStarted = performance.now()
        // One port for both protocols: iperf3 needs that for its datagrams.
        const local = await freePort()
        const entries = clientEntries(shares, publicKey).map((entry, i) => ({
          ...entry,
          localPort: local,
          ...(protos[i] === 'udp' && extra)
        }))
        client = start('client', entries, site.atClient)
        await client.event('connected')
        return { host: site.localHost, tcp: local, udp: local, client, server, clientStarted, close }
      } catch (err) {
        await close()
        throw err
      }
    }
  }
}

export const hyperNat1: Contender = {
  name: 'hyper-nat 1.1.3',
  udp: true,
  async open(site, port) {
    const start = (prefix: readonly string[], args: string[]) =>
      startPeer(site, prefix, join('hyper-nat-1', 'index.js'), args)
    const local = await freePort()
    const protos = ['--protocol', 'tcp,udp']
    const server = start(site.atServer, ['server', '-p', `${port},${port}`, ...protos, '-s', newSecret()])
    let client: Process | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
    }
    try {
      const [, key = ''] = await server.says(/-k (\w+)/)
      // It says that it listens before it is announced; its client tries three times, a second apart.
      await server.says(/listening for remote connections for udp/)
      const clientStarted = performance.now()
      client = start(site.atClient, [
        'client',
        '-l',
        `${local},${local}`,
        '-r',
        `${port},${port}`,
        ...protos,
        '-k',
        key
      ])
      await Promise.all([client.says(/TCP stream ready/, 30_000), client.says(/UDP stream ready/, 30_000)])
      return { host: site.localHost, tcp: local, udp: local, client, server, clientStarted, close }
    } catch (err) {
      await close()
      throw err
    }
  }
}

export const hypertele: Contender = {
  name: 'hypertele',
  udp: false,
  async open(site, port) {
    const seed = randomBytes(32).toString('hex')
    const local = await freePort()
    const server = startPeer(site, site.atServer, join('hypertele', 'server.js'), [
      '-l',
      `${port}`,
      '--seed',
      seed
    ])
    let client: Process | undefined
    const close = async () => {
      await Promise.all([client?.stop(), server.stop()])
    }
    try {
      const [, key = ''] = await server.says(/hypertele: ([0-9a-f]{64})/)
      const clientStarted = performance.now()
      client = startPeer(site, site.atClient, join('hypertele', 'client.js'), ['-p', `${local}`, '-s', key])
      await client.says(/Server ready/)
      return { host: site.localHost, tcp: local, udp: 0, client, server, clientStarted, close }
    } catch (err) {
      await close()
      throw err
    }
  }
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
  hypertele
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
