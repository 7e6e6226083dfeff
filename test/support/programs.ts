import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian keeps daemons and games where PATH may not lead, and sshd insists on being started by its whole path. */
const folders = ['/usr/sbin', '/usr/games', ...(process.env.PATH ?? '').split(delimiter)]

/** The whole path of a program, or undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  return folders.map(folder => join(folder, name)).find(existsSync)
}

/**
 * Whether a test of real programs must be skipped, and why. On a machine that runs checks (CI is set) they must be there: a
 * test that is skipped everywhere is none.
 */
export function missing(...programs: string[]): string | false {
  const absent = programs.filter(name => findProgram(name) === undefined)
  if (absent.length === 0 || process.env.CI) return false
  return `${absent.join(', ')} not installed`
}

/** The path to start a program by; its name, for the system's own error, when there is none. */
export function programPath(name: string): string {
  return findProgram(name) ?? name
}
