/** The ports that a running program has open, its children's included. */

import { codeOf, HyperNatError } from '../errors.js'
import { isIPv4Loopback, typedHost } from '../text/address.js'
import type { BoundSocket, RunningProcess } from './bound-socket.js'
import { ephemeralRange, inodesOf, parents, programOf, socketsOfNetwork } from './linux.js'
import { macosProcesses, macosSockets } from './macos.js'
import { windowsProcesses, windowsSockets } from './windows.js'

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

/** The default range of ephemeral ports of Linux, and of other systems. */
const LINUX_EPHEMERAL = [32_768, 60_999] as const
const OTHER_EPHEMERAL = [49_152, 65_535] as const

/**
 * Looks at a process.
 * @throws HyperNatError `NO_SUCH_PROGRAM`, `PROGRAM_FOREIGN` for one of another user on Linux, `UNSUPPORTED` where the tools of the
 * system that tell it are missing
 */
export async function openPorts(pid: number): Promise<RunningProgram> {
  if (process.platform === 'linux') return openPortsOnLinux(pid)
  const isWindows = process.platform === 'win32'
  let found: [BoundSocket[], Map<number, RunningProcess>]
  try {
    found = isWindows
      ? await Promise.all([windowsSockets(), windowsProcesses()])
      : await Promise.all([macosSockets(), macosProcesses()])
  } catch (cause) {
    const tools = isWindows ? 'netstat and powershell' : 'lsof and ps'
    throw new HyperNatError(
      'UNSUPPORTED',
      `The ports of other programs cannot be seen here (${tools} are needed: ${codeOf(cause)}): write the recipe by hand, or share them with hyper-nat server -p.`,
      { cause }
    )
  }
  return portsAmong(pid, ...found)
}

/**
 * The ports of one program and its children among all sockets of a system.
 * @throws HyperNatError `NO_SUCH_PROGRAM`
 */
export function portsAmong(
  pid: number,
  sockets: readonly BoundSocket[],
  processes: ReadonlyMap<number, RunningProcess>
): RunningProgram {
  const own = processes.get(pid)
  if (!own) throw noSuchProgram(pid)
  const family = familyOf(pid, new Map([...processes].map(([one, { parent }]) => [one, parent])))
  const held = sockets.filter(socket => family.has(socket.pid))
  return { name: own.name, ports: toPorts(held, OTHER_EPHEMERAL) }
}

async function openPortsOnLinux(pid: number): Promise<RunningProgram> {
  try {
    const name = await programOf(pid)
    const inodes = new Set(await inodesOf(pid))
    for (const child of familyOf(pid, await parents())) {
      // It may have ended by now.
      if (child !== pid) for (const inode of await inodesOf(child).catch(() => [])) inodes.add(inode)
    }
    const sockets = (await socketsOfNetwork(pid)).filter(({ inode }) => inodes.has(inode))
    return { name, ports: toPorts(sockets, (await ephemeralRange()) ?? LINUX_EPHEMERAL) }
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' || code === 'ESRCH') throw noSuchProgram(pid, cause)
    if (code === 'EACCES' || code === 'EPERM') {
      const message = `Process ${pid} belongs to another user: run hyper-nat learn as that user, or as root.`
      throw new HyperNatError('PROGRAM_FOREIGN', message, { cause })
    }
    throw cause
  }
}

function noSuchProgram(pid: number, cause?: unknown): HyperNatError {
  const where = process.platform === 'win32' ? 'the Task Manager shows' : 'ps, or top, shows'
  const message = `There is no process ${pid}: ${where} the numbers of those that run.`
  return new HyperNatError('NO_SUCH_PROGRAM', message, { cause })
}

/** Each port once, of the sockets that a program on this machine reaches over 127.0.0.1. */
function toPorts(
  sockets: readonly Pick<BoundSocket, 'proto' | 'address' | 'port'>[],
  [least, most]: readonly [number, number]
): OpenPort[] {
  const found = new Map<string, OpenPort>()
  for (const { proto, address, port } of sockets) {
    if (!isIPv4Loopback(typedHost(address))) continue
    found.set(`${proto} ${port}`, { proto, port, ephemeral: least <= port && port <= most })
  }
  return [...found.values()].sort((a, b) => a.port - b.port || (a.proto < b.proto ? -1 : 1))
}

/** A process, all that it started, and those that they started. */
function familyOf(pid: number, parents: ReadonlyMap<number, number>): Set<number> {
  const found = new Set([pid])
  for (let size = 0; size !== found.size; ) {
    size = found.size
    for (const [child, parent] of parents) if (found.has(parent)) found.add(child)
  }
  return found
}
