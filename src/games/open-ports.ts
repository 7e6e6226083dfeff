/** The ports that a running program has open, children included: from /proc, so on Linux only. */

import { readdir, readFile, readlink } from 'node:fs/promises'
import { codeOf, HyperNatError } from '../errors.js'

/** A socket that others can send to. */
export interface OpenPort {
  readonly proto: 'tcp' | 'udp'
  readonly port: number
  /** Whether the system gave it the port, as it does for sockets of clients. */
  readonly ephemeral: boolean
}

/** A program and its ports, by number. */
export interface RunningProgram {
  /** What the system calls it. */
  readonly name: string
  readonly ports: readonly OpenPort[]
}

/** What /proc/net calls a TCP socket that listens, and a UDP socket without a partner. */
const LISTENING = '0A'
const UNCONNECTED = '07'

/** Ports that Linux gives out unless told otherwise. */
const EPHEMERAL = [32_768, 60_999] as const

/**
 * Looks at a process.
 * @throws HyperNatError `UNSUPPORTED` elsewhere than on Linux, `NO_SUCH_PROGRAM`, `PROGRAM_FOREIGN` for one of another user
 */
export async function openPorts(pid: number): Promise<RunningProgram> {
  if (process.platform !== 'linux') {
    throw new HyperNatError(
      'UNSUPPORTED',
      'On this system hyper-nat cannot see the ports of other programs: write the recipe by hand, or share them with hyper-nat server -p.'
    )
  }
  try {
    const name = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim()
    const sockets = await socketsOf(pid)
    for (const child of await childrenOf(pid)) {
      // It may have ended by now.
      for (const inode of await socketsOf(child).catch(() => [])) sockets.add(inode)
    }
    return { name, ports: await portsAt(pid, sockets) }
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' || code === 'ESRCH') {
      const message = `There is no process ${pid}: ps, or top, shows the numbers of those that run.`
      throw new HyperNatError('NO_SUCH_PROGRAM', message, { cause })
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const message = `Process ${pid} belongs to another user: run hyper-nat learn as that user, or as root.`
      throw new HyperNatError('PROGRAM_FOREIGN', message, { cause })
    }
    throw cause
  }
}

async function portsAt(pid: number, sockets: ReadonlySet<string>): Promise<OpenPort[]> {
  const [least, most] = await ephemeralRange()
  const found = new Map<string, OpenPort>()
  for (const [file, proto] of [
    ['tcp', 'tcp'],
    ['tcp6', 'tcp'],
    ['udp', 'udp'],
    ['udp6', 'udp']
  ] as const) {
    const text = await readFile(`/proc/${pid}/net/${file}`, 'utf8').catch(() => '')
    for (const { port, inode } of openSockets(text, proto)) {
      if (!sockets.has(inode)) continue
      found.set(`${proto} ${port}`, { proto, port, ephemeral: least <= port && port <= most })
    }
  }
  return [...found.values()].sort((a, b) => a.port - b.port || (a.proto < b.proto ? -1 : 1))
}

/**
 * The sockets of a file such as /proc/net/tcp that a program on this machine can reach over 127.0.0.1 and that wait for
 * anybody: those that listen, or have no partner.
 */
export function openSockets(text: string, proto: 'tcp' | 'udp'): { port: number; inode: string }[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/)
      const [address = '', port = ''] = local.split(':')
      const waits = state === (proto === 'tcp' ? LISTENING : UNCONNECTED) && /:0000$/.test(remote)
      return waits && isReachable(address) ? [{ port: Number.parseInt(port, 16), inode }] : []
    })
}

/** Any address, of either family, or 127.x.y.z: written in hex, four bytes at a time in the order of the machine. */
function isReachable(address: string): boolean {
  return /^0+$/.test(address) || /^.{6}7F$|^7F.{6}$/i.test(address)
}

async function socketsOf(pid: number): Promise<Set<string>> {
  const folder = `/proc/${pid}/fd`
  const inodes = new Set<string>()
  for (const fd of await readdir(folder)) {
    const target = await readlink(`${folder}/${fd}`).catch(() => '')
    const socket = /^socket:\[(\d+)\]$/.exec(target)
    if (socket) inodes.add(socket[1]!)
  }
  return inodes
}

/** All processes that this one started, and those that they started. */
async function childrenOf(pid: number): Promise<number[]> {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const status = await readFile(`/proc/${name}/status`, 'utf8').catch(() => '')
    parents.set(Number(name), Number(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? 0))
  }
  const found = new Set([pid])
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child)
  }
  found.delete(pid)
  return [...found]
}

async function ephemeralRange(): Promise<readonly [number, number]> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '')
  const [least, most] = text.trim().split(/\s+/).map(Number)
  return least && most ? [least, most] : EPHEMERAL
}
