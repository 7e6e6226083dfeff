/** How many files and sockets the system lets this process have open. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'

/** Longer than a shell takes to start. */
const SHELL_MS = 2000

/** The limit on open descriptors (`ulimit -n`); Infinity where there is none, as on Windows. */
export function descriptorLimit(platform: NodeJS.Platform = process.platform): number {
  if (platform === 'win32') return Number.POSITIVE_INFINITY
  try {
    return limitOf(platform === 'linux' ? limitFromTable() : limitFromShell())
  } catch {
    // Neither is to be had: the system will say when there are too many.
    return Number.POSITIVE_INFINITY
  }
}

/** Descriptors that are open now; 0 where the system does not tell. */
export function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

/** Sockets to punch NATs with have this share of all descriptors at the most. */
const PUNCHING_SHARE = 1 / 4

/**
 * How many sockets to punch NATs with may be open.
 * @param limit of the process
 * @param wanted where there are enough descriptors
 */
export function descriptorsForPunching(limit: number, wanted: number): number {
  return Math.floor(Math.min(wanted, limit * PUNCHING_SHARE))
}

/** Whether one more descriptor is to be had now. */
export function hasFreeDescriptor(): boolean {
  if (process.platform === 'win32') return true
  try {
    closeSync(openSync('/dev/null', 'r'))
    return true
  } catch {
    return false
  }
}

function limitFromTable(): string | undefined {
  return /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
}

/** A shell has the limits of this process. A report of Node.js tells them, too, but may take seconds: it looks names of hosts up. */
function limitFromShell(): string {
  const stdio = ['ignore', 'pipe', 'ignore'] as const
  return execFileSync('/bin/sh', ['-c', 'ulimit -n'], {
    encoding: 'utf8',
    timeout: SHELL_MS,
    stdio: [...stdio]
  })
}

/** @param soft a number, or a word such as `unlimited` */
function limitOf(soft: string | undefined): number {
  const limit = Number(soft)
  return Number.isFinite(limit) && limit > 0 ? limit : Number.POSITIVE_INFINITY
}
