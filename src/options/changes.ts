/** What is different between two readings of an options file. Pure. */

import { isDeepStrictEqual } from 'node:util'
import type { AccessRules } from '../identity/access-rules.js'
import { encodeKey } from '../identity/encoding.js'
import { keyPairOf } from '../identity/keys.js'
import type { ClientEntry, Entry, Options, ServerEntry } from './entry.js'

/** The entries that belong together: under one secret, or to one server. */
export interface Group<T extends Entry> {
  /** Tells it from others. */
  readonly key: string
  /** The server's public key, in base58. */
  readonly publicKey: string
  readonly entries: readonly T[]
}

/** One announce per secret. */
export function serversOf({ entries }: Pick<Options, 'entries'>): Group<ServerEntry>[] {
  return groupBy(
    entries.filter(entry => entry.mode === 'server'),
    ({ secret }) => encodeKey(keyPairOf(secret).publicKey)
  )
}

/** One session per server and guest: as another guest, it is another session. */
export function clientsOf({ entries }: Pick<Options, 'entries'>): Group<ClientEntry>[] {
  return groupBy(
    entries.filter(entry => entry.mode === 'client'),
    ({ publicKey }) => encodeKey(publicKey),
    ({ guest }) => (guest ? ` ${encodeKey(guest.publicKey)}` : '')
  )
}

function groupBy<T extends Entry>(
  entries: readonly T[],
  publicKeyOf: (entry: T) => string,
  partOf: (entry: T) => string = () => ''
): Group<T>[] {
  const groups = new Map<string, { key: string; publicKey: string; entries: T[] }>()
  for (const entry of entries) {
    const publicKey = publicKeyOf(entry)
    const key = publicKey + partOf(entry)
    const group = groups.get(key)
    if (group) group.entries.push(entry)
    else groups.set(key, { key, publicKey, entries: [entry] })
  }
  return [...groups.values()]
}

/** Whether two entries of a group make the same port map, wherever they stand and whatever it is called. */
export function isSameMap(a: Entry, b: Entry): boolean {
  return isDeepStrictEqual(mapOf(a), mapOf(b))
}

/** What makes the port map of an entry, without what it shares with others of its group. */
function mapOf(entry: Entry): object {
  if (entry.mode === 'server') {
    const { path, secret, access, name, ...map } = entry
    return map
  }
  const { path, localHostPath, publicKey, guest, name, friend, ...map } = entry
  return map
}

/** Those of `entries` that are not among `others`; each of those stands for one. */
export function without<T extends Entry>(entries: readonly T[], others: readonly T[]): T[] {
  // There may be thousands: only those with the same ports are compared.
  const left = new Map<string, T[]>()
  for (const other of others) left.set(portsOf(other), [...(left.get(portsOf(other)) ?? []), other])
  return entries.filter(entry => {
    const alike = left.get(portsOf(entry)) ?? []
    const same = alike.findIndex(other => isSameMap(entry, other))
    if (same >= 0) alike.splice(same, 1)
    return same < 0
  })
}

function portsOf(entry: Entry): string {
  const { mode, proto, port } = entry
  return `${proto} ${port} ${mode === 'client' ? entry.localPort : ''}`
}

/** Whether tickets, and what is shared, are the same. */
export function sharesTheSame(a: readonly ServerEntry[], b: readonly ServerEntry[]): boolean {
  const plain = (entries: readonly ServerEntry[]) =>
    entries.map(entry => ({ ...mapOf(entry), name: entry.name }))
  return isDeepStrictEqual(plain(a), plain(b))
}

export function isSameAccess(a: AccessRules | undefined, b: AccessRules | undefined): boolean {
  return isDeepStrictEqual(a, b)
}

/** Settings, by their names in the file, that need a node of their own, and so wait for the next start. */
export function settingsToRestart(running: Options, next: Options): string[] {
  const changed: string[] = []
  if (!isDeepStrictEqual(running.network, next.network)) changed.push('network')
  if (running.identity !== next.identity) changed.push('identity')
  if (running.control !== next.control) changed.push('control')
  if (!isDeepStrictEqual(running.metrics, next.metrics)) changed.push('metrics')
  if (!isDeepStrictEqual(running.log, next.log)) changed.push('log')
  const { udpIdleSeconds, resumeSeconds, ...limits } = running.limits
  const { udpIdleSeconds: nextIdle, resumeSeconds: nextResume, ...nextLimits } = next.limits
  if (udpIdleSeconds !== nextIdle) changed.push('udpIdle')
  if (resumeSeconds !== nextResume) changed.push('resume')
  if (!isDeepStrictEqual(limits, nextLimits)) changed.push('limits')
  if (!isDeepStrictEqual(running.ui, next.ui)) changed.push('ui')
  return changed
}
