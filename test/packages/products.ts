import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { connectTcp, readAll, UdpClient } from '../support/clients.js'
import type { HyperNat } from '../support/hyper-nat.js'
import { bindUdpEcho, listenTcpHash, onOnePort } from '../support/servers.js'
import { newSecret, type Stage } from '../support/stage.js'
import { root } from '../unit/root.js'

export const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

/** A file that `npm run package` has made: `-linux-x64.tar.gz`. */
export function product(ending: string): string {
  return join(root, 'packages', `hyper-nat${ending}`)
}

/** Programs are for Linux on x64, which most machines of developers are; elsewhere nothing is built. */
export const notHere =
  process.platform === 'linux' && process.arch === 'x64' ? false : 'packages are built on Linux, x64'

const TCP_BYTES = 8 << 20
const DATAGRAMS = 200

/** How many datagrams are on their way at a time: loopback drops what nobody reads in time. */
const AT_ONCE = 10

/** Where a program runs, and how to end it there. */
export interface Side {
  start(stage: Stage, args: readonly string[], name: string): HyperNat
  /** Asks the program to end; resolves when it has. */
  end(daemon: HyperNat): Promise<void>
}

/** What a program may take beyond what was measured. */
const ROOM = 1.1

/** Fails when a product has grown by more than a tenth, in megabytes. */
export function checkSize(file: string, expected: number, say: (text: string) => void): void {
  const mb = statSync(file).size / 1e6
  say(`${file.slice(root.length + 1)}: ${mb.toFixed(1)} MB`)
  assert.ok(mb < expected * ROOM, `${file} has ${mb.toFixed(1)} MB, expected were ${expected}`)
}

/** A program that runs on this system. */
export function linuxSide(program?: readonly string[]): Side {
  return {
    start: (stage, args, name) => stage.start(args, { program, name }),
    async end(daemon) {
      const { code } = await daemon.stop(20_000)
      assert.equal(code, 0, daemon.describe())
    }
  }
}

/** Carries bytes over every protocol from a guest's ports to a host's, and back. */
export async function carryBytes(stage: Stage, host: Side, guest: Side, bytes = TCP_BYTES): Promise<void> {
  const { bootstrap } = await stage.testnet()
  const network = ['--json', '--bootstrap', bootstrap.join(','), '--no-port-mapping']
  const [tcp, udp] = await onOnePort(
    () => listenTcpHash(),
    port => bindUdpEcho({ port })
  )
  await stage.use(tcp)
  await stage.use(udp)
  const thin = await stage.use(listenTcpHash())
  const ports = ['-p', `${tcp.port},${udp.port},${thin.port}`, '--protocol', 'tcp,udp,tcpudp']
  const server = host.start(stage, ['server', ...ports, '-s', newSecret(), ...network], 'host')
  const ready = await server.event('ready', { ms: 120_000 })
  assert.ok(ready.mode === 'server' && ready.ticket)
  const client = guest.start(
    stage,
    ['join', ready.ticket, '-l', '0', ...network.filter(w => w !== '--no-port-mapping')],
    'guest'
  )
  await client.event('connected', { ms: 120_000 })
  for (const [proto, port] of [
    ['tcp', tcp.port],
    ['tcpudp', thin.port]
  ] as const) {
    const data = stage.random.bytes(proto === 'tcp' ? bytes : bytes / 8)
    const socket = await connectTcp(await client.localPort(proto, port))
    socket.end(data)
    const answer = await readAll(socket, 120_000)
    assert.equal(answer.toString(), createHash('sha256').update(data).digest('hex'), proto)
    socket.destroy()
  }
  const game = await stage.use(UdpClient.open(await client.localPort('udp', udp.port)))
  const payloads = Array.from({ length: DATAGRAMS }, (_, index) =>
    Buffer.from(`${index} ${stage.random.bytes(40).toString('hex')}`)
  )
  for (let at = 0; at < payloads.length; at += AT_ONCE) {
    const some = payloads.slice(at, at + AT_ONCE)
    for (const one of some) await game.send(one)
    await Promise.all(some.map(one => game.receive(got => got.equals(one), 30_000, `datagram ${at}`)))
  }
  await guest.end(client)
  await host.end(server)
}
