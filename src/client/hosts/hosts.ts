/**
 * The hosts of one server: whoever runs under its secret. Dials the key that they all share, which gives any one of them and
 * nobody else; looks the topic up for the others, and for those that come later; and keeps a session with each.
 */
import b4a from 'b4a'
import { type ErrorCode, HyperNatError } from '../../errors.js'
import { childPublicKey, hostName } from '../../identity/child.js'
import { encodeKey, shortKey } from '../../identity/encoding.js'
import { topicOf } from '../../identity/topic.js'
import type { Log } from '../../log/log.js'
import { Backoff } from '../../network/backoff.js'
import type { NetworkChange } from '../../network/network-watch.js'
import type { Found } from '../../network/topic.js'
import { reject } from '../../session/handshake.js'
import type { AbsenceStatus } from '../../status.js'
import type { Timer } from '../../util/clock.js'
import { TokenBucket } from '../../util/token-bucket.js'
import { Absence } from './absence.js'
import { Dialler, type Greeted } from './dialler.js'
import { Host, type HostEvents, type HostParts } from './host.js'
import { Search } from './search.js'
import { HostChoice, isDead } from './standing.js'

export interface HostsParts extends HostParts {
  readonly log: Log
}

export interface HostsEvents {
  /** There is a session to use, or port maps of one. */
  up(): void
  /** A UDP payload came, for the host's number of a map. The view is valid during the call only. */
  udp(host: Host, flow: number, payload: Uint8Array, map: number): void
}

export class Hosts {
  /** The key that all hosts listen on. */
  readonly key: Uint8Array
  readonly #parts: HostsParts
  readonly #events: HostsEvents
  /** By key in hex. */
  readonly #hosts = new Map<string, Host>()
  /** Keys that are not dialled for a while, strangers' and of hosts that said goodbye, until when, ms; the oldest first. */
  readonly #resting = new Map<string, number>()
  readonly #choice: HostChoice<Host>
  /** Dials {@link key}. */
  readonly #any: Dialler
  readonly #backoff: Backoff
  readonly #strangers: TokenBucket
  readonly #absence: Absence
  readonly #search: Search
  #anySince = 0
  /** A connection is being opened beside one that works, which goes through a relay by TCP. */
  #leavingTcp = false
  #dialTimer: Timer | null = null
  #judgeTimer: Timer | null = null
  #unwatch: (() => void) | null = null
  #closed = false

  constructor(parts: HostsParts, events: HostsEvents) {
    const { limits, clock, timeOfDay, emit, log, node } = parts
    const publicKey = encodeKey(parts.publicKey)
    this.#parts = parts
    this.#events = events
    this.#choice = new HostChoice(limits)
    this.#backoff = new Backoff(limits)
    this.#strangers = new TokenBucket(limits.hostDialsPerMinute / 60_000, limits.hostDialsPerMinute)
    this.#absence = new Absence({
      clock,
      timeOfDay,
      holdMs: limits.hostHoldMs,
      tell: ({ code, message }) => emit({ event: 'waiting', publicKey, code, message })
    })
    const topic = topicOf(parts.publicKey)
    this.#search = new Search({
      clock,
      limits,
      log,
      lookUp: () => node.lookUp(topic),
      found: found => this.#onFound(found)
    })
    this.key = childPublicKey(parts.publicKey)
    this.#any = new Dialler(parts, this.key, {
      opened: () => {
        if (this.#someAnswer() && !this.#leavingTcp) return false
        if (!this.live.some(host => host.dialler.greeting)) return true
        // It may be the one that was reached by its own key meanwhile.
        this.#any.later(limits.redialMs, () => this.#dialAny())
        return false
      },
      resume: () => this.#lone()?.session ?? null,
      greeted: greeted => {
        this.#leavingTcp = false
        this.#onGreeted(null, greeted)
      },
      failed: err => {
        this.#leavingTcp = false
        this.#onAnyFailed(err)
      }
    })
  }

  start(): void {
    this.#unwatch = this.#parts.node.onChange(changes => this.#onNetworkChange(changes))
    this.#dialAny()
    this.#search.start()
  }

  close(): void {
    this.#closed = true
    this.#unwatch?.()
    this.#dialTimer?.cancel()
    this.#judgeTimer?.cancel()
    this.#search.close()
    this.#absence.stop()
    this.#any.close()
    for (const host of this.#hosts.values()) host.close()
  }

  /**
   * The host for a new flow; null when there is none now.
   * @param map the place of its port map among those that are wanted
   */
  pick(map: number): Host | null {
    const now = this.#now
    const live = this.live
    let host = this.#choice.pick(live, now)
    if (host && host.mapId(map) === null) {
      host = this.#choice.best(
        live.filter(other => other.mapId(map) !== null),
        now
      )
    }
    // The one host there is will come back; of several, another may be first.
    return host && (host.connected || live.length === 1) ? host : null
  }

  /** The host that new flows go to now, whatever they are for; null when there is none. */
  get chosen(): Host | null {
    const host = this.#choice.pick(this.live, this.#now)
    return host?.connected ? host : null
  }

  /** All that a connection leads to now. */
  get connected(): Host[] {
    return this.live.filter(host => host.connected)
  }

  /** That there is no connection, and why; null while there is one. */
  get absence(): AbsenceStatus | null {
    const { since, cause } = this.#absence
    if (since === null) return null
    const next = Math.min(this.#any.againAt, ...[...this.#hosts.values()].map(host => host.dialAt))
    const dials = this.#any.busy || this.#someDialled() || next === Number.POSITIVE_INFINITY
    return {
      since,
      cause: cause && { code: cause.code, message: cause.message },
      nextDial: dials ? null : this.#parts.timeOfDay() + Math.max(0, next - this.#now)
    }
  }

  /** Other port maps are wanted now. */
  rewant(): void {
    for (const host of this.#hosts.values()) host.rewant()
  }

  /** Whether there are hosts, and none shares this port map. */
  refuse(map: number): boolean {
    const live = this.live
    return live.length > 0 && live.every(host => host.mapId(map) === null)
  }

  get #now(): number {
    return this.#parts.clock.now()
  }

  /** Those that a session leads to, or led to a moment ago. */
  get live(): Host[] {
    return [...this.#hosts.values()].filter(host => host.session !== null)
  }

  /** The one host that there is a session with; null if there are several. */
  #lone(): Host | null {
    const live = this.live
    return live.length === 1 ? live[0]! : null
  }

  /** Whether there are as many sessions as there may be, with those that others are about to give. */
  #full(): boolean {
    const taken = [...this.#hosts.values()].filter(host => host.session || host.dialler.greeting)
    return taken.length >= this.#parts.limits.hosts
  }

  #someConnected(): boolean {
    return this.connected.length > 0
  }

  #someAnswer(): boolean {
    return this.live.some(host => host.answers)
  }

  /** Whether a host is dialled, or greeted, by its own key. */
  #someDialled(): boolean {
    return [...this.#hosts.values()].some(host => host.dialler.busy)
  }

  // --- any host ---

  #dialAny(): void {
    if (this.#any.busy) return
    this.#anySince = this.#now
    this.#any.dial()
  }

  #onAnyFailed(err: HyperNatError): void {
    const lone = this.#lone()
    // Others may have left the place that it announced itself at.
    if (lone && !lone.answers) lone.dialAt = this.#now
    this.#pump()
    this.#dialAnyLater()
    this.#search.hurry()
    this.#onFailure(err)
  }

  /** Unless there is somebody, or several who may come back: then any host is not wanted. */
  #dialAnyLater(): void {
    if (this.#any.busy || this.live.length > 1 || this.#someConnected()) return
    this.#any.later(this.#backoff.next(this.#now), () => this.#dialAny())
  }

  /** No connection, for this cause. */
  #onFailure(err: HyperNatError): void {
    if (this.#closed || this.#someConnected()) return
    // There is still hope in the others that the topic names.
    this.#absence.failed(err, this.#search.busy || this.#someDialled())
  }

  /** Dials at once where a connection is gone or cannot live, beside it; what may live on is asked. */
  #onNetworkChange(changes: ReadonlySet<NetworkChange>): void {
    const severed = changes.has('lost') || changes.has('woken')
    if (changes.has('udp') && this.#leaveTcp()) return
    this.#backoff.reset()
    const live = this.live
    for (const host of live) {
      host.session!.probe()
      if (host.connected && !severed) continue
      host.dialler.stop()
      if (live.length > 1) host.dialAt = this.#now
    }
    const lone = live.length > 1 ? null : live[0]
    if (live.length === 0 || (lone && (severed || !lone.connected))) {
      this.#anySince = this.#now
      this.#any.dialAnew()
    }
    if (!this.#someConnected()) this.#search.soon()
    this.#pump()
  }

  /** UDP works again: dials the one host beside the connection that it has by TCP. */
  #leaveTcp(): boolean {
    const lone = this.#lone()
    if (!lone?.connected || lone.path !== 'relayed (tcp)') return false
    this.#leavingTcp = true
    this.#any.dialAnew()
    return true
  }

  // --- each host ---

  readonly #hostEvents: HostEvents = {
    // The one whose place it takes goes first: so events tell of it in the order in which people think of it.
    taken: () => this.#judge(),
    up: host => this.#onUp(host),
    lost: host => this.#onTrouble(host),
    silent: (host, ms) => {
      if (ms < this.#parts.limits.silentMs) return
      host.suspect()
      this.#onTrouble(host)
    },
    ended: (host, code, reason, wasUp) => this.#onEnded(host, code, reason, wasUp),
    shares: () => this.#events.up(),
    udp: (host, flow, payload, map) => this.#events.udp(host, flow, payload, map)
  }

  #add(key: Uint8Array): Host {
    const host = new Host(this.#parts, key, this.#hostEvents, host => ({
      // While any host is being greeted, that may be this one: a second greeting would begin a second session.
      opened: () => {
        if (host.answers) host.dialAt = Number.POSITIVE_INFINITY
        else if (this.#any.greeting) this.#dialLater(host, this.#parts.limits.redialMs)
        else if (!host.session && this.#full()) this.#dialLater(host, host.nextWait())
        else return true
        return false
      },
      resume: () => host.session,
      greeted: greeted => this.#onGreeted(host, greeted),
      failed: err => {
        this.#dialLater(host, host.nextWait())
        // Of a lone one the dial of any host tells.
        if (host.session && this.live.length > 1) this.#onFailure(err)
      }
    }))
    this.#hosts.set(hex(host.key), host)
    return host
  }

  /** Makes room in the table for a key that was found: one that was found before has had its turn. */
  #makeRoom(): boolean {
    if (this.#hosts.size < this.#parts.limits.knownHosts) return true
    const out = this.#idle().find(host => host.tried && !host.proven)
    if (out) this.#forget(out)
    return out !== undefined
  }

  /** Those that nothing is going on with. */
  #idle(): Host[] {
    return [...this.#hosts.values()].filter(host => !host.session && !host.dialler.busy)
  }

  #forget(host: Host): void {
    host.close()
    this.#hosts.delete(hex(host.key))
  }

  /** Forgets a host, and that it was found, for a while. */
  #rest(host: Host): void {
    const { strangers, strangerRestMs } = this.#parts.limits
    this.#forget(host)
    if (this.#resting.size >= strangers) this.#resting.delete(this.#resting.keys().next().value!)
    this.#resting.set(hex(host.key), this.#now + strangerRestMs)
    this.#pump()
  }

  /** @param from whose key was dialled; null for the key that all share */
  #onGreeted(from: Host | null, greeted: Greeted): void {
    const { publicKey, limits, log } = this.#parts
    const { link, welcome, asked } = greeted
    const key = childPublicKey(publicKey, hostName(welcome.host))
    if (from && !b4a.equals(key, from.key)) {
      // It holds the key that was dialled, but that is no host's.
      log.debug({ key: shortKey(from.key) }, 'a stranger under the topic')
      link.destroy()
      return this.#rest(from)
    }
    const known = from ?? this.#hosts.get(hex(key))
    if (welcome.resumed && (!known?.session || known.session !== asked)) {
      // Its time ran out while the server was answering.
      link.destroy()
      if (from) this.#dialLater(from, from.nextWait())
      this.#dialAnyLater()
      return this.#onFailure(new HyperNatError('SESSION_EXPIRED', 'The session ended before it came back.'))
    }
    if (known?.session && known.session !== asked) {
      // Reached twice; what it has of ours must not be lost.
      reject(link, 'GOODBYE', '')
      if (!known.answers) this.#dialLater(known, 0)
      return
    }
    if (!known?.session && this.live.length >= limits.hosts) {
      reject(link, 'GOODBYE', '')
      if (from) this.#dialLater(from, from.nextWait())
      return
    }
    // One that has proved to be a host may take the place of those that have not.
    const out = known || this.#hosts.size < limits.knownHosts ? undefined : this.#idle()[0]
    if (out) this.#forget(out)
    this.#resting.delete(hex(key))
    const host = known ?? this.#add(key)
    host.take(greeted)
  }

  #onUp(host: Host): void {
    this.#backoff.reset()
    this.#absence.over()
    // One that is being greeted may be another host.
    if (!this.#any.greeting) this.#any.stop()
    host.seenAt = this.#now
    this.#events.up()
    this.#pump()
  }

  /** A host is silent, or its connection is gone. */
  #onTrouble(host: Host): void {
    if (this.#closed || host.session === null) return
    if (!this.#someConnected()) this.#absence.begin()
    this.#judge()
    if (host.session === null) return
    if (this.#lone() === host) this.#dialAny()
    else this.#dialLater(host, 0)
    this.#search.soon()
  }

  #onEnded(host: Host, code: ErrorCode, reason: string, wasUp: boolean): void {
    if (this.#closed) return
    if (!this.#someConnected()) this.#absence.begin()
    if (code === 'GOODBYE') this.#rest(host)
    else this.#dialLater(host, host.nextWait())
    this.#search.soon()
    this.#dialAnyLater()
    // Why there is no connection was told when it was lost.
    if (wasUp) this.#onFailure(new HyperNatError(code, reason || `The session ended (${code}).`))
  }

  /** Gives up the hosts that are dead: while others answer, nobody has to wait for them. */
  #judge(): void {
    this.#judgeTimer?.cancel()
    const { clock, limits, log } = this.#parts
    for (const host of this.live) {
      const others = this.live.filter(other => other !== host)
      if (!isDead(host, others, this.#now, limits)) continue
      log.info({ host: host.name }, 'a host is silent while others answer: it is given up')
      host.giveUp('CONNECTION_LOST')
      host.seenAt = this.#now
      this.#dialLater(host, host.nextWait())
      this.#search.soon()
    }
    const live = this.live
    if (live.length < 2 || live.every(host => host.answers)) return
    this.#judgeTimer = clock.after(limits.pingUrgentMs, () => this.#judge())
  }

  // --- dialling hosts ---

  #dialLater(host: Host, ms: number): void {
    host.dialAt = this.#now + ms
    this.#pump()
  }

  /** Dials those whose time has come, and sees to it that this is done again when the next one's has. */
  #pump(): void {
    this.#dialTimer?.cancel()
    if (this.#closed) return
    const { clock, limits } = this.#parts
    const now = this.#now
    // What any host may answer is as good as these, and nobody else can.
    const hold = this.#any.busy && now - this.#anySince < limits.hostHoldMs
    let next = Number.POSITIVE_INFINITY
    for (const host of [...this.#hosts.values()]) {
      if (host.dialler.busy || host.answers) continue
      if (!host.session && now - host.seenAt >= limits.hostForgetMs) {
        this.#forget(host)
      } else if (host.dialAt <= now && this.#mayDial(host, hold)) {
        if (!host.proven) this.#strangers.take(1)
        host.dialler.dial()
      } else {
        const refused = now + (hold ? limits.redialMs : limits.lookUpMs)
        next = Math.min(next, host.dialAt > now ? host.dialAt : refused)
      }
    }
    if (next < Number.POSITIVE_INFINITY) this.#dialTimer = clock.after(next - now, () => this.#pump())
  }

  #mayDial(host: Host, hold: boolean): boolean {
    const { limits } = this.#parts
    const now = this.#now
    if (host.session) return true
    if (hold || this.live.length >= limits.hosts) return false
    if (host.proven) return true
    const dialling = [...this.#hosts.values()].filter(other => !other.proven && other.dialler.busy)
    return dialling.length < limits.hostDials && this.#strangers.has(1, now)
  }

  /** What the topic names. */
  #onFound(found: readonly Found[]): void {
    const now = this.#now
    for (const [name, until] of this.#resting) if (until <= now) this.#resting.delete(name)
    for (const { key, relayAddresses } of found) {
      const name = hex(key)
      if (this.#resting.has(name)) continue
      let host = this.#hosts.get(name)
      if (!host && !this.#makeRoom()) break
      host ??= this.#add(key)
      if (!host.proven) host.seenAt = now
      host.dialler.relayAddresses = relayAddresses
    }
    this.#pump()
  }
}

function hex(key: Uint8Array): string {
  return b4a.toString(key, 'hex')
}
