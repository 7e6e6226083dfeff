/** Numbers and words of the protocol, as people read them. */
import type { PathKind } from '../../events.js'
import type { Proto } from '../../proto.js'
import type { ClientView, GuestView, ServerView, SessionView } from '../wire.js'

export const PATHS: Readonly<Record<PathKind, string>> = {
  lan: 'Same network',
  direct: 'Direct',
  relayed: 'Relayed',
  'relayed (tcp)': 'Relayed (TCP)'
}

/** How everything is that was running when hyper-nat ended. */
export const GONE = ['Not running', 'bad'] as const

export const PROTOS: Readonly<Record<Proto, string>> = { tcp: 'TCP', udp: 'UDP', tcpudp: 'TCP over UDP' }

export function ping({ state, rtt }: Pick<SessionView, 'state' | 'rtt'>): string {
  if (state !== 'up') return 'reconnecting'
  if (rtt === null) return 'measuring'
  return rtt < 10 ? `${rtt.toFixed(1)} ms` : `${Math.round(rtt)} ms`
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}

/** `TCP 25565, UDP 19132`, those of one protocol together. */
export function portsText(maps: readonly { readonly proto: Proto; readonly port: number }[]): string {
  const byProto = new Map<Proto, number[]>()
  for (const { proto, port } of maps) byProto.set(proto, [...(byProto.get(proto) ?? []), port])
  return [...byProto].map(([proto, ports]) => `${PROTOS[proto]} ${ranges(ports)}`).join(', ')
}

function ranges(ports: readonly number[]): string {
  const parts: [number, number][] = []
  for (const port of [...ports].sort((a, b) => a - b)) {
    const last = parts.at(-1)
    if (last && port === last[1] + 1) last[1] = port
    else parts.push([port, port])
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}

export function day(ms: number): string {
  return new Date(ms).toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' })
}

export function time(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit'
  })
}

/** A fault is the rest of a sentence about its field. */
export function sentence(label: string, fault: string): string {
  const text = `${label} ${fault}`
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** What a guest is called; a guest with the public ticket has no name. */
export function guestTitle({ name, key }: Pick<GuestView, 'name' | 'key'>): string {
  return name ?? `Guest ${key}`
}

/** What a server here is called: by its owner, or by its ports. */
export function serverTitle({ names, maps }: Pick<ServerView, 'names' | 'maps'>): string {
  return names.join(', ') || portsText(maps)
}

/** What a server that was joined is called: by its ports, if they have names. */
export function clientTitle({ addresses }: Pick<ClientView, 'addresses'>): string | undefined {
  return [...new Set(addresses.flatMap(({ name }) => name ?? []))].join(', ') || undefined
}

/** Whether one of these sessions has a connection. */
export function isUp({ sessions }: { readonly sessions: readonly Pick<SessionView, 'state'>[] }): boolean {
  return sessions.some(({ state }) => state === 'up')
}
