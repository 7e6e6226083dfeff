/** Whose program is at the other end of a connection on this computer. */
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import { toolOutput } from './tool.js'

const ROOT = 0

/** A connection's state in the system's table; in later ones, Linux no longer tells whose it was. */
const ESTABLISHED = '01'

/** Both ends of a connection, as this process's end has them. */
export type Ends = Pick<net.Socket, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'>

/** Whether its other end is a program of this user, or of root, who sees everything anyway; true where the system does not tell. */
export async function isOwnConnection(ends: Ends): Promise<boolean> {
  // Windows has no such numbers, and does not show the arguments of programs to other users.
  const uid = process.getuid?.()
  if (uid === undefined) return true
  const { remotePort: from = 0, localPort: to = 0 } = ends
  if (process.platform === 'darwin') return isInLsof(from, to, uid)
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map(file => readFile(`/proc/self/net/${file}`, 'utf8').catch(() => ''))
  )
  const owner = ownerIn(tables.join('\n'), ends)
  return owner === undefined || owner === uid || owner === ROOT
}

/**
 * The user of the other end of a connection, in what files such as /proc/net/tcp say.
 * @returns null for one that is over or has been; undefined if this end is not there either
 */
export function ownerIn(table: string, ends: Ends): number | null | undefined {
  const here = placesOf(ends.localAddress, ends.localPort)
  const there = placesOf(ends.remoteAddress, ends.remotePort)
  let known = false
  for (const line of table.split('\n')) {
    const [, local = '', remote = '', state, , , , uid] = line.trim().split(/\s+/)
    if (there.includes(local) && here.includes(remote) && state === ESTABLISHED) return Number(uid)
    known ||= here.includes(local) && there.includes(remote)
  }
  return known ? null : undefined
}

/** How a table writes an address on loopback and its port: each word of the address as a number of a little-endian machine. */
function placesOf(address = '', port = 0): readonly string[] {
  const ipv4 = address.replace(/^::ffff:/i, '')
  if (!net.isIPv4(ipv4)) return []
  const digits = Buffer.from(ipv4.split('.').map(Number).reverse()).toString('hex').toUpperCase()
  const place = `${digits}:${port.toString(16).toUpperCase().padStart(4, '0')}`
  // A socket for both families has it as part of an IPv6 address.
  return [place, `0000000000000000FFFF0000${place}`]
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
