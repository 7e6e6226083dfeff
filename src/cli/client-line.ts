/**
 * The line that a server shows for its friends to paste. It must mean the same in sh, PowerShell and cmd.exe: lists go in
 * double quotes, because PowerShell takes a bare comma for its own list and passes blanks instead.
 */

import type { ServerMapInfo } from '../events.js'
import type { Proto } from '../proto.js'

/** Characters that no shell of the three gives a meaning to; none of them needs escaping inside double quotes either. */
const BARE = /^[A-Za-z0-9._:/+-]+$/

interface Item {
  first: number
  last: number
  readonly protos: string
  readonly anyLocalPort: boolean
}

/** `hyper-nat client ..` that opens every map on the same local ports where that is possible. */
export function clientLine(
  publicKey: string,
  maps: readonly Pick<ServerMapInfo, 'proto' | 'port'>[],
  bootstrap: readonly string[] = []
): string {
  const items = toItems(maps)
  const remote = items.map(range).join(',')
  const local = items.map(item => (item.anyLocalPort ? '0' : range(item))).join(',')
  const protos = items.map(item => item.protos)
  const words = ['hyper-nat', 'client', '-l', local, '-r', remote, '--protocol']
  words.push(protos.every(one => one === protos[0]) ? (protos[0] ?? '') : protos.join(','))
  words.push('-k', publicKey)
  if (bootstrap.length > 0) words.push('--bootstrap', bootstrap.join(','))
  return words.map(quoted).join(' ')
}

/** Ports with their protocols; neighbours with the same ones become ranges. */
function toItems(maps: readonly Pick<ServerMapInfo, 'proto' | 'port'>[]): Item[] {
  const byPort = new Map<number, Proto[]>()
  for (const { port, proto } of maps) {
    const protos = byPort.get(port)
    if (!protos) byPort.set(port, [proto])
    else if (!protos.includes(proto)) protos.push(proto)
  }
  const items: Item[] = []
  const extra: Item[] = []
  for (const [port, all] of byPort) {
    // Programs speak TCP to both of these, so they cannot have the same local port: the second takes any free one.
    const both = all.includes('tcp') && all.includes('tcpudp')
    if (both) extra.push({ first: port, last: port, protos: 'tcpudp', anyLocalPort: true })
    const protos = (both ? all.filter(proto => proto !== 'tcpudp') : all).sort().join('+')
    const previous = items.at(-1)
    if (previous && previous.protos === protos && previous.last + 1 === port) previous.last = port
    else items.push({ first: port, last: port, protos, anyLocalPort: false })
  }
  return [...items, ...extra]
}

function range({ first, last }: Item): string {
  return first === last ? `${first}` : `${first}-${last}`
}

function quoted(word: string): string {
  return BARE.test(word) ? word : `"${word}"`
}
