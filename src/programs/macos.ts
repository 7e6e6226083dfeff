/** Sockets and processes as lsof and ps of macOS show them. */
import { basename } from 'node:path'
import type { BoundSocket, RunningProcess } from './bound-socket.js'
import { toolOutput } from './tool.js'

/** Numbers in place of names, only sockets of the internet, fields on lines of their own. */
const LSOF = ['-nP', '-iTCP', '-sTCP:LISTEN', '-iUDP', '-FpcPn']

export async function macosSockets(): Promise<BoundSocket[]> {
  return lsofSockets(await toolOutput('/usr/sbin/lsof', LSOF))
}

/**
 * Reads what lsof tells: a letter for the kind of each line. `p` and `c` are the process and its program, `P` and `n` the protocol
 * and the place of each of its sockets.
 */
export function lsofSockets(text: string): BoundSocket[] {
  const found = new Map<string, BoundSocket>()
  let pid = 0
  let program = ''
  let proto: BoundSocket['proto'] = 'tcp'
  for (const line of text.split('\n')) {
    const value = line.slice(1)
    if (line.startsWith('p')) pid = Number(value)
    else if (line.startsWith('c')) program = value
    else if (line.startsWith('P')) proto = value.toLowerCase() === 'udp' ? 'udp' : 'tcp'
    else if (line.startsWith('n')) {
      // With a partner, an arrow leads to it.
      const place = /^(?:\[(.+)\]|(.+)):(\d+)$/.exec(value)
      if (!place || value.includes('->')) continue
      const host = place[1] ?? place[2]!
      const socket = { proto, address: host === '*' ? '0.0.0.0' : host, port: Number(place[3]), pid, program }
      found.set(Object.values(socket).join(' '), socket)
    }
  }
  return [...found.values()]
}

/** All processes, by their numbers. */
export async function macosProcesses(): Promise<Map<number, RunningProcess>> {
  return psProcesses(await toolOutput('/bin/ps', ['-axo', 'pid=,ppid=,comm=']))
}

/** Reads `ps -axo pid=,ppid=,comm=`: the last column is the path of the program. */
export function psProcesses(text: string): Map<number, RunningProcess> {
  const found = new Map<number, RunningProcess>()
  for (const line of text.split('\n')) {
    const process = /^\s*(\d+)\s+(\d+)\s+(.+?)\s*$/.exec(line)
    if (!process) continue
    const [, pid, parent, path] = process
    found.set(Number(pid), { parent: Number(parent), name: basename(path!) })
  }
  return found
}
