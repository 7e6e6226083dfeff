/** The ports that a running program has open, children included: from /proc, so on Linux only. */

import { codeOf, HyperNatError } from '../errors.js'
import { ephemeralRange, inodesOf, parents, programOf, socketsOfNetwork } from './linux.js'

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
    const name = await programOf(pid)
    const inodes = new Set(await inodesOf(pid))
    for (const child of await childrenOf(pid)) {
      // It may have ended by now.
      for (const inode of await inodesOf(child).catch(() => [])) inodes.add(inode)
    }
    return { name, ports: await portsAt(pid, inodes) }
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

async function portsAt(pid: number, inodes: ReadonlySet<string>): Promise<OpenPort[]> {
  const [least, most] = (await ephemeralRange()) ?? EPHEMERAL
  const found = new Map<string, OpenPort>()
  for (const { proto, address, port, inode } of await socketsOfNetwork(pid)) {
    if (!inodes.has(inode) || !isReachable(address)) continue
    found.set(`${proto} ${port}`, { proto, port, ephemeral: least <= port && port <= most })
  }
  return [...found.values()].sort((a, b) => a.port - b.port || (a.proto < b.proto ? -1 : 1))
}

/** Whether a program on this machine reaches it over 127.0.0.1. */
function isReachable(address: string): boolean {
  return address === '0.0.0.0' || address === '::' || address.startsWith('127.')
}

/** All processes that this one started, and those that they started. */
async function childrenOf(pid: number): Promise<number[]> {
  const all = await parents()
  const found = new Set([pid])
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const [child, parent] of all) if (found.has(parent)) found.add(child)
  }
  found.delete(pid)
  return [...found]
}
