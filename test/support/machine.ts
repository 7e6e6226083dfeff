import { readFileSync } from 'node:fs'

/** The clock ticks of /proc/PID/stat are 1/100 s on every Linux that node runs on. */
const TICKS_PER_SECOND = 100

/** Resident memory of a process in bytes; Linux only. */
export function residentBytes(pid: number): number {
  return statusKilobytes(pid, 'VmRSS') * 1024
}

/** The most resident memory that a process ever had, in bytes; Linux only. */
export function peakResidentBytes(pid: number): number {
  return statusKilobytes(pid, 'VmHWM') * 1024
}

function statusKilobytes(pid: number, field: string): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const line = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)
  if (!line) throw new Error(`no ${field} in /proc/${pid}/status`)
  return Number(line[1])
}

/** CPU time that a process has used, user and system, in seconds; Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets and may hold spaces: count from its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** The numbers of the cores that this process may use; none where the system does not tell. */
export function allowedCores(): number[] {
  if (!isLinux) return []
  const [, list = ''] = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
  return list.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}

export const isLinux = process.platform === 'linux'
export const isRoot = process.getuid?.() === 0
