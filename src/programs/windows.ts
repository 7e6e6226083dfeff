/** Sockets and processes as netstat and tasklist of Windows show them. */
import type { BoundSocket, RunningProcess } from './bound-socket.js'
import { toolOutput } from './tool.js'

export async function windowsSockets(): Promise<BoundSocket[]> {
  const [sockets, tasks] = await Promise.all([
    toolOutput('netstat.exe', ['-ano']),
    toolOutput('tasklist.exe', ['/FO', 'CSV', '/NH']).catch(() => '')
  ])
  return netstatSockets(sockets, taskNames(tasks))
}

/**
 * Reads what `netstat -ano` tells. The names of states are in the user's language; a socket that listens has no partner.
 * @param names of processes, by their numbers
 */
export function netstatSockets(text: string, names: ReadonlyMap<number, string>): BoundSocket[] {
  return text.split(/\r?\n/).flatMap(line => {
    const socket = /^\s*(TCP|UDP)\s+(\S+):(\d+)\s+(\S+)\s+(?:\S+\s+)?(\d+)\s*$/i.exec(line)
    if (!socket) return []
    const [, proto, host, port, partner, pid] = socket as unknown as [
      string,
      string,
      string,
      string,
      string,
      string
    ]
    const waits = /^(\*:\*|0\.0\.0\.0:0|\[::\]:0)$/.test(partner)
    if (!waits) return []
    return [
      {
        proto: proto.toLowerCase() === 'udp' ? ('udp' as const) : ('tcp' as const),
        address: host.replace(/^\[|\]$/g, '').replace(/%\d+$/, ''),
        port: Number(port),
        pid: Number(pid),
        program: names.get(Number(pid)) ?? 'a program'
      }
    ]
  })
}

/** Reads `tasklist /FO CSV /NH`: the names of programs by the numbers of their processes. */
export function taskNames(text: string): Map<number, string> {
  const names = new Map<number, string>()
  for (const line of text.split(/\r?\n/)) {
    const task = /^"([^"]+)","(\d+)"/.exec(line)
    if (task) names.set(Number(task[2]), task[1]!)
  }
  return names
}

/** Numbers of the process and of its parent, and the name of its program. */
const PROCESSES =
  'Get-CimInstance Win32_Process | ForEach-Object { "$($_.ProcessId) $($_.ParentProcessId) $($_.Name)" }'

/** All processes, by their numbers. */
export async function windowsProcesses(): Promise<Map<number, RunningProcess>> {
  const text = await toolOutput('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', PROCESSES])
  return cimProcesses(text)
}

/** Reads lines of two numbers and a name. */
export function cimProcesses(text: string): Map<number, RunningProcess> {
  const found = new Map<number, RunningProcess>()
  for (const line of text.split(/\r?\n/)) {
    const process = /^(\d+) (\d+) (.+?)\s*$/.exec(line)
    if (!process) continue
    const [, pid, parent, name] = process
    found.set(Number(pid), { parent: Number(parent), name: name!.replace(/\.exe$/i, '') })
  }
  return found
}
