/** How many files and sockets the system lets this process have open. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

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

/** Sockets to punch NATs with, one for each handshake of the last 10 s, as many as are answered at once and in that time. */
const PUNCHING = 300
/** They have this share where there are few descriptors. */
const PUNCHING_SHARE = 1 / 4

/**
 * How many descriptors the sockets of flows may take.
 * @param limit of the process
 * @param open those that are open before there are any
 * @param reserved for files, the control socket and the page, at the least
 */
export function descriptorsForFlows(limit: number, open: number, reserved: number): number {
  return Math.floor(limit - open - Math.max(reserved, Math.min(PUNCHING, limit * PUNCHING_SHARE)))
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
