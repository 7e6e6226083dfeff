/** Rules that span entries: what is each fine alone but cannot stand together. */

import type { Fault } from '../errors.js'
import { encodeKey } from '../identity/encoding.js'
import { keyPairOf } from '../identity/keys.js'
import { transportOf } from '../proto.js'
import { canonicalHost, hostsCollide } from '../text/hosts.js'
import { formatPorts } from '../text/ports.js'
import { isSocketPath } from '../text/socket-path.js'
import { MAX_MAPS } from '../wire/constants.js'
import type { ClientEntry, Entry, ServerEntry } from './entry.js'
import type { Places } from './places.js'

/** An entry and the element of `schema` that it was expanded from. */
export interface Placed<T extends Entry = Entry> {
  readonly index: number
  readonly entry: T
}

/** What two elements of `schema` both claim; collected, so that two equal ranges make one fault. */
interface Clash {
  readonly first: number
  readonly second: number
  readonly what: string
  readonly ports: number[]
}

/**
 * Port maps that exclude each other: two listeners on one local address and port, one (proto, port) shared twice under one
 * secret, more of them under one secret than a session can name, or a share whose target is the local port that leads to it. A socket
 * with a path is one local end, and the target of one port under a secret.
 */
export function findConflicts(placed: readonly Placed[], places: Places): Fault[] {
  return [
    ...localClashes(placed, places),
    ...socketClashes(placed, places),
    ...socketTargets(placed, places),
    ...sharedTwice(placed, places),
    ...sharedTooMany(placed, places),
    ...circles(placed, places)
  ]
}

function localClashes(placed: readonly Placed[], places: Places): Fault[] {
  const seen = new Map<string, Placed<ClientEntry>[]>()
  const clashes = new Map<string, Clash>()
  for (const one of placed) {
    if (!isClient(one) || one.entry.localPort === 0) continue
    const { localPort, localHost, proto } = one.entry
    const transport = transportOf(proto)
    const listeners = seen.get(`${transport} ${localPort}`) ?? []
    seen.set(`${transport} ${localPort}`, listeners)
    const other = listeners.find(listener => hostsCollide(listener.entry.localHost, localHost))
    listeners.push(one)
    if (!other) continue
    const also =
      canonicalHost(other.entry.localHost) === canonicalHost(localHost)
        ? ''
        : ` (as ${other.entry.localHost})`
    collect(clashes, other.index, one.index, `${transport} on ${localHost}${also}`, localPort)
  }
  return [...clashes.values()].map(({ first, second, what, ports }) => ({
    path: places.field(['schema', second, 'localPort']),
    message: `takes local port ${formatPorts(ports)}, ${what}, which ${owner(first, second, places)} already takes; choose another local port, or 0 for any free one`
  }))
}

/** Two port maps that listen on one socket. */
function socketClashes(placed: readonly Placed[], places: Places): Fault[] {
  const seen = new Map<string, number>()
  const faults = new Map<string, Fault>()
  for (const one of placed) {
    if (!isClient(one) || !isSocketPath(one.entry.localHost)) continue
    const { index, entry } = one
    const socket = canonicalHost(entry.localHost)
    const first = seen.get(socket)
    if (first === undefined) {
      seen.set(socket, index)
      continue
    }
    const path = places.field(['schema', index, 'localHost'])
    const message = `is a socket for ${entry.proto} port ${entry.port}, and ${owner(first, index, places)} listens on it for another; a socket leads to one port by one protocol: give each its own`
    if (!faults.has(path)) faults.set(path, { path, message })
  }
  return [...faults.values()]
}

/** Several ports under one secret that lead to one socket, where a guest cannot mean different things by them. */
function socketTargets(placed: readonly Placed[], places: Places): Fault[] {
  const seen = new Map<string, { readonly index: number; readonly port: number }>()
  const faults = new Map<string, Fault>()
  for (const { index, entry } of placed) {
    if (entry.mode !== 'server' || !isSocketPath(entry.host)) continue
    const { port, host, secret } = entry
    const key = `${canonicalHost(host)} ${secret.reveal()}`
    const first = seen.get(key)
    if (!first) seen.set(key, { index, port })
    if (!first || first.port === port) continue
    const path = places.field(['schema', index, 'host'])
    const message = `is a socket for port ${port}, and ${owner(first.index, index, places)} shares it as port ${first.port}; a socket has one port: give each its own`
    if (!faults.has(path)) faults.set(path, { path, message })
  }
  return [...faults.values()]
}

function sharedTwice(placed: readonly Placed[], places: Places): Fault[] {
  const seen = new Map<string, number>()
  const clashes = new Map<string, Clash>()
  for (const { index, entry } of placed) {
    if (entry.mode !== 'server') continue
    const key = `${entry.proto} ${entry.port} ${entry.secret.reveal()}`
    const first = seen.get(key)
    if (first === undefined) seen.set(key, index)
    else collect(clashes, first, index, entry.proto, entry.port)
  }
  return [...clashes.values()].map(({ first, second, what, ports }) => ({
    path: places.field(['schema', second, 'port']),
    message: `shares ${what} port ${formatPorts(ports)}, which ${owner(first, second, places)} already shares under the same secret; take one out, or give it another secret`
  }))
}

/** A server with more could tell no client what it shares. */
function sharedTooMany(placed: readonly Placed[], places: Places): Fault[] {
  const counts = new Map<string, { index: number; maps: number }>()
  for (const { index, entry } of placed) {
    if (entry.mode !== 'server') continue
    const secret = entry.secret.reveal()
    counts.set(secret, { index, maps: (counts.get(secret)?.maps ?? 0) + 1 })
  }
  return [...counts.values()]
    .filter(({ maps }) => maps > MAX_MAPS)
    .map(({ index, maps }) => ({
      path: places.field(['schema', index, 'port']),
      message: `makes ${maps} ports with their protocols under one secret; ${MAX_MAPS} are the most: share fewer, or give some another secret`
    }))
}

/** Each connection of such a port would be answered by another one to it, without an end. */
function circles(placed: readonly Placed[], places: Places): Fault[] {
  const clients = placed.filter(isClient)
  if (clients.length === 0) return []
  const clashes = new Map<string, Clash>()
  for (const first of bySecret(placed).values()) {
    const key = encodeKey(keyPairOf(first.entry.secret).publicKey)
    const own = clients.filter(({ entry }) => encodeKey(entry.publicKey) === key)
    for (const { index, entry } of own.length > 0 ? placed : []) {
      if (entry.mode !== 'server' || entry.secret.reveal() !== first.entry.secret.reveal()) continue
      const { port, host, proto } = entry
      const same = own.find(
        ({ entry: { proto: by, port: of, localPort, localHost } }) =>
          by === proto &&
          of === port &&
          (localPort === port || isSocketPath(localHost)) &&
          hostsCollide(localHost, host)
      )
      if (same) collect(clashes, index, same.index, `${transportOf(proto)} on ${host}`, port)
    }
  }
  return [...clashes.values()].map(({ first, second, what, ports }) => ({
    path: places.field(['schema', second, 'localPort']),
    message: `takes local port ${formatPorts(ports)}, ${what}, where ${places.entry(first)} looks for the program that it shares, and leads back to that; choose another local port`
  }))
}

function isClient(placed: Placed): placed is Placed<ClientEntry> {
  return placed.entry.mode === 'client'
}

function owner(first: number, second: number, places: Places): string {
  return first === second ? 'this entry' : places.entry(first)
}

function collect(
  clashes: Map<string, Clash>,
  first: number,
  second: number,
  what: string,
  port: number
): void {
  const key = `${first} ${second} ${what}`
  const clash = clashes.get(key)
  if (clash) clash.ports.push(port)
  else clashes.set(key, { first, second, what, ports: [port] })
}

/** Server entries by their secret, in the order of the file; several entries may share one. */
export function bySecret(placed: readonly Placed[]): Map<string, Placed<ServerEntry>> {
  const first = new Map<string, Placed<ServerEntry>>()
  for (const one of placed) {
    if (one.entry.mode !== 'server') continue
    const text = one.entry.secret.reveal()
    if (!first.has(text)) first.set(text, one as Placed<ServerEntry>)
  }
  return first
}
