/** The running servers and clients of the options' entries. A reload touches only those that have changed. */

import type { ClientHandle } from './client/handle.js'
import { tryMaps } from './client/open-map.js'
import { HyperNatError } from './errors.js'
import type { DaemonEvent, MapChange } from './events.js'
import type { HyperNat } from './hyper-nat.js'
import type { KeyPair } from './identity/keys.js'
import { ANNOUNCING_TOLD_MS } from './limits.js'
import { type Group, isSameAccess, sharesTheSame, without } from './options/changes.js'
import type { ClientEntry, Entry, ServerEntry } from './options/entry.js'
import type { ServerHandle } from './server/handle.js'
import { hostsCollide } from './text/hosts.js'
import { systemClock } from './util/clock.js'
import { withProgress } from './util/progress.js'

/** What the options say, and what runs because of it. */
interface Running<T extends Entry, H> {
  group: Group<T>
  readonly handle: H
}

export interface RunningEntriesDeps {
  readonly node: HyperNat
  /** The keys of guests that have been at a server before. */
  former(publicKey: string): Promise<readonly Uint8Array[]>
  /** The key pair to join a server with; undefined: the node's own. */
  identityFor(publicKey: Uint8Array): Promise<KeyPair | undefined>
  emit(event: DaemonEvent): void
  /** Whether the daemon is being closed: failures are no news then. */
  isClosed(): boolean
}

export class RunningEntries {
  /** By the keys of their groups. */
  readonly #servers = new Map<string, Running<ServerEntry, ServerHandle>>()
  readonly #clients = new Map<string, Running<ClientEntry, ClientHandle>>()

  constructor(private readonly outside: RunningEntriesDeps) {}

  get clients(): Iterable<Readonly<Running<ClientEntry, ClientHandle>>> {
    return this.#clients.values()
  }

  /** Opens clients, one after the other. @throws what the first failure throws */
  async openClients(groups: readonly Group<ClientEntry>[]): Promise<void> {
    for (const group of groups) await this.#open(group)
  }

  /** The same, with a warning for each that cannot be opened; the next reload tries it again. */
  async openFreeClients(groups: readonly Group<ClientEntry>[]): Promise<void> {
    for (const group of groups) await this.#attempt(group, () => this.#open(group))
  }

  /** Announces servers, side by side. @throws what the first failure throws */
  announceServers(groups: readonly Group<ServerEntry>[]): Promise<void> {
    return this.#announce(groups.map(group => this.#share(group)))
  }

  /** Closes what the options no longer contain, and opens what is new. A failure is a warning; the next reload tries again. */
  async change(
    servers: readonly Group<ServerEntry>[],
    clients: readonly Group<ClientEntry>[]
  ): Promise<{ added: MapChange[]; removed: MapChange[] }> {
    const before = this.#groups
    await this.#remove(servers, clients)
    await this.#begin(servers, clients)
    const after = this.#groups
    return { added: changesOf(after, before), removed: changesOf(before, after) }
  }

  async #open(group: Group<ClientEntry>): Promise<void> {
    const { publicKey, guest } = group.entries[0]!
    const { node, identityFor } = this.outside
    const identity = guest ? undefined : await identityFor(publicKey)
    const handle = await node.open({ publicKey, maps: group.entries, guest, identity })
    this.#clients.set(group.key, { group, handle })
  }

  async #share(group: Group<ServerEntry>): Promise<void> {
    const { secret, access } = group.entries[0]!
    const former = await this.outside.former(group.publicKey)
    const handle = await this.outside.node.share({ secret, maps: group.entries, former, ...access })
    this.#servers.set(group.key, { group, handle })
  }

  /** Many secrets take a while to announce: it says now and then how far it is. @throws what a job throws first */
  #announce(jobs: readonly Promise<void>[]): Promise<void> {
    return withProgress(jobs, systemClock, ANNOUNCING_TOLD_MS, announced => {
      const servers = jobs.length
      if (servers > 1) this.outside.emit({ event: 'announcing', announced, servers })
    })
  }

  get #groups(): Group<Entry>[] {
    return [...this.#servers.values(), ...this.#clients.values()].map(({ group }) => group)
  }

  /**
   * Updates who may join the running servers.
   * @returns whether anything changed
   */
  updateAccess(servers: readonly Group<ServerEntry>[]): boolean {
    let changed = false
    for (const { key, entries } of servers) {
      const running = this.#servers.get(key)
      const { access } = entries[0]!
      if (!running || isSameAccess(running.group.entries[0]!.access, access)) continue
      running.handle.update(access ?? {})
      const group = running.group.entries.map(entry => ({ ...entry, access }))
      running.group = { ...running.group, entries: group as ServerEntry[] }
      changed = true
    }
    return changed
  }

  /**
   * @param before what the options said until now: what of that is not open has been warned of, and is no reason to refuse other changes
   * @throws OptionsError for all local ports that are wanted now and cannot be had
   */
  async tryPorts(
    clients: readonly Group<ClientEntry>[],
    before: readonly Group<ClientEntry>[]
  ): Promise<void> {
    const running = [...this.#clients.values()].flatMap(({ group }) => group.entries)
    const wanted = clients.flatMap(({ entries }) => entries)
    const fresh = clients.flatMap(({ key, entries }) =>
      without(entries, before.find(group => group.key === key)?.entries ?? [])
    )
    const ours = (entry: ClientEntry): boolean =>
      running.some(
        other =>
          isSamePlace(other, entry) ||
          (isInTheWay(other, entry) && !wanted.some(one => isSamePlace(one, other)))
      )
    await tryMaps(fresh.filter(entry => !ours(entry)))
  }

  /** Ends what is gone, so that what comes may take its place. */
  async #remove(
    servers: readonly Group<ServerEntry>[],
    clients: readonly Group<ClientEntry>[]
  ): Promise<void> {
    const closing: Promise<void>[] = []
    for (const [key, { handle }] of this.#servers) {
      if (servers.some(group => group.key === key)) continue
      this.#servers.delete(key)
      closing.push(handle.close())
    }
    for (const [key, running] of this.#clients) {
      const group = clients.find(one => one.key === key)
      if (!group) {
        this.#clients.delete(key)
        closing.push(running.handle.close())
        continue
      }
      const { entries } = running.group
      const gone = without(entries, group.entries)
      if (gone.length === 0) continue
      const kept = without(entries, gone)
      running.group = { ...running.group, entries: kept }
      closing.push(running.handle.setMaps(kept))
    }
    await Promise.all(closing)
  }

  async #begin(
    servers: readonly Group<ServerEntry>[],
    clients: readonly Group<ClientEntry>[]
  ): Promise<void> {
    for (const group of clients) {
      const running = this.#clients.get(group.key)
      await this.#attempt(group, async () => {
        if (!running) return this.#open(group)
        if (without(group.entries, running.group.entries).length === 0) return
        await running.handle.setMaps(group.entries)
        running.group = group
      })
    }
    await this.#announce(
      servers.map(group =>
        this.#attempt(group, async () => {
          const running = this.#servers.get(group.key)
          if (!running) return this.#share(group)
          const same = sharesTheSame(running.group.entries, group.entries)
          running.group = group
          if (!same) running.handle.setMaps(group.entries)
        })
      )
    )
  }

  /** What fails leaves the rest as it is; the next reload tries it again. */
  async #attempt({ publicKey }: Group<Entry>, change: () => Promise<void>): Promise<void> {
    try {
      await change()
    } catch (err) {
      if (!(err instanceof HyperNatError) || this.outside.isClosed()) throw err
      this.outside.emit({ event: 'warning', code: err.code, message: err.message, publicKey })
    }
  }
}

/** The port maps of `some` that are not among those of `others`. */
function changesOf(some: readonly Group<Entry>[], others: readonly Group<Entry>[]): MapChange[] {
  return some.flatMap(({ key, publicKey, entries }) => {
    const other = others.find(group => group.key === key)
    return without(entries, other?.entries ?? []).map(entry => changeOf(entry, publicKey))
  })
}

function changeOf(entry: Entry, publicKey: string): MapChange {
  const { proto, port } = entry
  if (entry.mode === 'server') return { mode: 'server', publicKey, proto, port, host: entry.host }
  const { localHost, localPort } = entry
  return { mode: 'client', publicKey, proto, port, localHost, localPort }
}

function isSamePlace(a: ClientEntry, b: ClientEntry): boolean {
  return hasSamePort(a, b) && a.localHost === b.localHost
}

/** Whether one of two places keeps the other from being opened: at the same address, however it is written, or at all of them. */
function isInTheWay(a: ClientEntry, b: ClientEntry): boolean {
  return hasSamePort(a, b) && hostsCollide(a.localHost, b.localHost)
}

function hasSamePort(a: ClientEntry, b: ClientEntry): boolean {
  return (a.proto === 'udp') === (b.proto === 'udp') && a.localPort === b.localPort
}
