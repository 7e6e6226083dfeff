/** Whose program is at the other end of a connection on this computer. */
import { readFile } from 'node:fs/promises'
import { toolOutput } from './tool.js'

const ROOT = 0

/**
 * Whether it is a program of this user, or of root, who sees everything anyway; true where the system does not tell.
 * @param from the port of the other end, on loopback
 * @param to the port of this one
 */
export async function isOwnConnection(from: number, to: number): Promise<boolean> {
  // Windows has no such numbers, and does not show the arguments of programs to other users.
  const uid = process.getuid?.()
  if (uid === undefined) return true
  if (process.platform === 'darwin') return isInLsof(from, to, uid)
  for (const file of ['tcp', 'tcp6']) {
    const table = await readFile(`/proc/self/net/${file}`, 'utf8').catch(() => '')
    const owner = ownerIn(table, from, to)
    if (owner !== undefined) return owner === uid || owner === ROOT
  }
  return true
}

/** The user of a connection in a file such as /proc/net/tcp, by the ports of its ends. */
export function ownerIn(table: string, from: number, to: number): number | undefined {
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', remote = '', , , , , uid] = line.trim().split(/\s+/)
    if (portOf(local) === from && portOf(remote) === to) return Number(uid)
  }
  return undefined
}

function portOf(place: string): number {
  return Number.parseInt(place.slice(place.indexOf(':') + 1), 16)
}

/** Users see their own sockets with lsof, and no others. */
async function isInLsof(from: number, to: number, uid: number): Promise<boolean> {
  const args = ['-nP', '-a', '-u', `${uid}`, `-iTCP:${to}`, '-Fn']
  const text = await toolOutput('/usr/sbin/lsof', args).catch(() => undefined)
  return text === undefined || uid === ROOT || text.split('\n').some(line => joins(line, from, to))
}

/** Whether a line of lsof is about a connection between two ports: `n127.0.0.1:50123->127.0.0.1:8080`. */
export function joins(line: string, from: number, to: number): boolean {
  return new RegExp(`^n.*:${from}->.*:${to}$`).test(line)
}
