/** How many files and sockets the system lets this process have open. */
import { readdirSync, readFileSync } from 'node:fs'

/** The part of a diagnostic report of Node.js that tells limits. */
interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft: number | string } }
}

/** The limit on open descriptors (`ulimit -n`); Infinity where there is none, as on Windows. */
export function descriptorLimit(): number {
  try {
    // Much faster than a report, where the system has it.
    const [, soft] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    if (soft !== undefined) return limitOf(soft)
  } catch {
    // Not Linux.
  }
  const report = process.report?.getReport() as unknown as Report | undefined
  return limitOf(report?.userLimits?.open_files?.soft)
}

/** Descriptors that are open now; 0 where the system does not tell. */
export function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

function limitOf(soft: number | string | undefined): number {
  const limit = Number(soft)
  return Number.isFinite(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY
}
