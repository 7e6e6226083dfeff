/** Sockets and processes as /proc shows them. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { ipv6Text } from '../text/ipv6.js'
import type { BoundSocket } from './bound-socket.js'

/** What /proc/net calls a TCP socket that listens, and a UDP socket without a partner. */
const LISTENING = '0A'
const UNCONNECTED = '07'

const FILES = [
  ['tcp', 'tcp'],
  ['tcp6', 'tcp'],
  ['udp', 'udp'],
  ['udp6', 'udp']
] as const

/** Sockets of a network, each with the number by which its owner holds it. */
export type NumberedSocket = Pick<BoundSocket, 'proto' | 'address' | 'port'> & { readonly inode: string }

/** Those of this network, whose owners this user may see. */
export async function linuxSockets(): Promise<BoundSocket[]> {
  const sockets = new Map((await socketsOfNetwork('self')).map(socket => [socket.inode, socket]))
  const found: BoundSocket[] = []
  for (const pid of await processes()) {
    const own = await inodesOf(pid).catch(() => [])
    const held = own.flatMap(inode => sockets.get(inode) ?? [])
    if (held.length === 0) continue
    const program = await programOf(pid).catch(() => undefined)
    // It may have ended by now.
    if (program === undefined) continue
    found.push(...held.map(({ proto, address, port }) => ({ proto, address, port, pid, program })))
  }
  return found
}

/** The sockets of the network that a process is in, whosever they are. */
export async function socketsOfNetwork(pid: number | 'self'): Promise<NumberedSocket[]> {
  const lists = FILES.map(async ([file, proto]) => {
    const text = await readFile(`/proc/${pid}/net/${file}`, 'utf8').catch(() => '')
    return numberedSockets(text, proto)
  })
  return (await Promise.all(lists)).flat()
}

/** The sockets of a file such as /proc/net/tcp that accept any peer. */
export function numberedSockets(text: string, proto: 'tcp' | 'udp'): NumberedSocket[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [, local = '', remote = '', state, , , , , , inode = ''] = line.trim().split(/\s+/)
      const [hex = '', port = ''] = local.split(':')
      const waits = state === (proto === 'tcp' ? LISTENING : UNCONNECTED) && /:0000$/.test(remote)
      return waits ? [{ proto, address: addressOf(hex), port: Number.parseInt(port, 16), inode }] : []
    })
}

/** An address in hex, four bytes at a time in the order of the machine: on all that Node.js runs on, the low one first. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap(word =>
    (word.match(/../g) ?? []).reverse().map(byte => Number.parseInt(byte, 16))
  )
  const ipv4 = bytes.slice(-4).join('.')
  if (bytes.length === 4) return ipv4
  const isMapped = bytes.slice(0, 10).every(byte => byte === 0) && bytes[10] === 255 && bytes[11] === 255
  return isMapped ? ipv4 : ipv6Text(Uint8Array.from(bytes))
}

/** The sockets that a process holds. */
export async function inodesOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`
  const inodes: string[] = []
  for (const fd of await readdir(folder)) {
    const target = await readlink(`${folder}/${fd}`).catch(() => '')
    const socket = /^socket:\[(\d+)\]$/.exec(target)
    if (socket) inodes.push(socket[1]!)
  }
  return inodes
}

/** What Node.js 24 names the main thread, and so the process. */
const THREAD_OF_NODE = 'MainThread'

/** The name of a process's program, without characters that do not print: it may be anything. */
export async function programOf(pid: number): Promise<string> {
  const name = (await readFile(`/proc/${pid}/comm`, 'utf8')).trim()
  const program = name === THREAD_OF_NODE ? await commandOf(pid) : name
  return program.replace(/\p{C}/gu, '?')
}

/** The file name of the program that was started. */
async function commandOf(pid: number): Promise<string> {
  const [first = ''] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
  return basename(first) || THREAD_OF_NODE
}

/** The numbers of all processes. */
async function processes(): Promise<number[]> {
  return (await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(Number)
}

/** The parent of each process. */
export async function parents(): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  for (const pid of await processes()) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    found.set(pid, Number(/^PPid:\s*(\d+)/m.exec(status)?.[1] ?? 0))
  }
  return found
}

/** The ports that the system gives to sockets of clients. */
export async function ephemeralRange(): Promise<readonly [number, number] | undefined> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').catch(() => '')
  const [least, most] = text.trim().split(/\s+/).map(Number)
  return least && most ? [least, most] : undefined
}
