/** What a process uses over time, and whether it grows. */
import { readdirSync, readFileSync } from 'node:fs'

/** What a process uses at one time. */
export interface Sample {
  /** Milliseconds since the beginning. */
  readonly at: number
  /** Resident memory, MB. */
  readonly memory: number
  readonly descriptors: number
}

/** @returns null when the process is gone */
export function sample(pid: number, at: number): Sample | null {
  try {
    const [, kilobytes = '0'] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return { at, memory: Number(kilobytes) / 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return null
  }
}

/** By how much memory grows, MB per hour: the slope of the line that fits best. */
export function slope(samples: readonly Sample[]): number {
  const n = samples.length
  if (n < 2) return 0
  const meanAt = samples.reduce((sum, { at }) => sum + at, 0) / n
  const meanMemory = samples.reduce((sum, { memory }) => sum + memory, 0) / n
  let above = 0
  let below = 0
  for (const { at, memory } of samples) {
    above += (at - meanAt) * (memory - meanMemory)
    below += (at - meanAt) ** 2
  }
  return below === 0 ? 0 : (above / below) * 3_600_000
}

/** The value that a share of them do not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
