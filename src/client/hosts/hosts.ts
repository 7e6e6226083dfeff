/**
 * The hosts of one server: the processes that run under its secret. Dials the key that they all share, which gives any one of them and
 * nobody else; looks the topic up for the others, and for those that come later; and keeps a session with each.
 */
import b4a from 'b4a'
import { type ErrorCode, HyperNatError } from '../../errors.js'
import type { SharedMapInfo } from '../../events.js'
import { childPublicKey, hostName } from '../../identity/child.js'
import { encodeKey, shortKey } from '../../identity/encoding.js'
import { topicOf } from '../../identity/topic.js'
import type { Log } from '../../log/log.js'
import { Backoff } from '../../network/backoff.js'
import type { NetworkChange } from '../../network/network-watch.js'
import type { Found } from '../../network/topic.js'
import { reject } from '../../session/handshake.js'
import type { DisconnectedStatus } from '../../status.js'
import type { Timer } from '../../util/clock.js'
import { ConnectionStatus } from './connection-status.js'
import { DialSchedule } from './dial-schedule.js'
import { Dialler, type Welcomed } from './dialler.js'
import { Host, type HostDeps, type HostEvents, type WantedMaps } from './host.js'
import { HostSelector, replaced } from './host-health.js'
import { rateLimiterOfHosts } from './host-rates.js'
import { IgnoredKeys } from './ignored-keys.js'
import { OverSessions } from './over-sessions.js'
import { TopicLookup } from './topic-lookup.js'

/** What a host says that does not let us in, and so has no session of ours any more. */
const NO_SESSION: ReadonlySet<ErrorCode> = new Set([
  'NOT_INVITED',
  'INVITE_EXPIRED',
  'TOO_MANY_DEVICES',
  'TOO_MANY_SESSIONS'
])

export interface HostsDeps extends Omit<HostDeps, 'rateLimiter'> {
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
  readonly #deps: HostsDeps & HostDeps
  readonly #events: HostsEvents
  /** By key in hex. */
  readonly #hosts = new Map<string, Host>()
  readonly #ignored: IgnoredKeys
  readonly #choice: HostSelector<Host>
  /** Dials {@link key}. */
  readonly #any: Dialler
  readonly #backoff: Backoff
  readonly #status: ConnectionStatus
  readonly #topicLookup: TopicLookup
  readonly #schedule: DialSchedule
  readonly #over = new OverSessions()
  #wanted: WantedMaps = []
  #anySince = 0
  /** A second connection is being opened while the first works through a relay by TCP. */
  #leavingTcp = false
  #reviewTimer: Timer | null = null
  #unwatch: (() => void) | null = null
  #closed = false

  constructor(deps: HostsDeps, events: HostsEvents) {
    const { limits, clock, timeOfDay, emit, log, node } = deps
    const publicKey = encodeKey(deps.publicKey)
    this.#deps = { ...deps, rateLimiter: rateLimiterOfHosts(deps) }
    this.#events = events
    this.#ignored = new IgnoredKeys(limits)
    this.#choice = new HostSelector(limits)
    this.#backoff = new Backoff(limits)
    this.#status = new ConnectionStatus({
      clock,
      timeOfDay,
      holdMs: limits.hostHoldMs,
      tell: ({ code, message }) => emit({ event: 'waiting', publicKey, code, message })
    })
    const topic = topicOf(deps.publicKey)
    this.#topicLookup = new TopicLookup({
      clock,
      limits,
      log,
      lookUp: () => node.lookUp(topic),
      found: found => this.#onFound(found)
    })
    this.#schedule = new DialSchedule({
      clock,
      limits,
      hosts: () => [...this.#hosts.values()],
      // Any host may answer the dial of the shared key: others wait for that a little.
      held: () => this.#any.busy && this.#now - this.#anySince < limits.hostHoldMs,
      full: () => this.connected.length >= limits.hosts,
      forget: host => this.#forget(host)
    })
    this.key = childPublicKey(deps.publicKey)
    this.#any = new Dialler(deps, this.key, {
      opened: () => {
        if (this.#someAnswer() && !this.#leavingTcp) return false
        if (!this.live.some(host => host.dialler.greeting)) return true
        // It may be the one that was reached by its own key meanwhile.
        this.#any.later(limits.redialMs, () => this.#dialAny())
        return false
      },
      resume: () => this.#lone()?.session ?? null,
      over: () => this.#over.of(null),
      welcomed: welcomed => {
        this.#leavingTcp = false
        this.#onWelcomed(null, welcomed)
      },
      failed: err => {
        this.#leavingTcp = false
        this.#onAnyFailed(err)
      }
    })
  }

  start(): void {
    this.#unwatch = this.#deps.node.onChange(changes => this.#onNetworkChange(changes))
    this.#dialAny()
    this.#topicLookup.start()
  }

  close(): void {
    this.#closed = true
    this.#unwatch?.()
    this.#schedule.close()
    this.#reviewTimer?.cancel()
    this.#topicLookup.close()
    this.#status.stop()
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

  /** What the host in use shares; without a connection, what the one that was up last has said. */
  get shared(): SharedMapInfo[] {
    const before = [...this.#hosts.values()].filter(host => host.proven).sort((a, b) => b.seenAt - a.seenAt)
    return (this.chosen ?? before[0])?.shared ?? []
  }

  /** All that a connection leads to now. */
  get connected(): Host[] {
    return this.live.filter(host => host.connected)
  }

  /** That there is no connection, and why; null while there is one. */
  get disconnected(): DisconnectedStatus | null {
    const { since, cause } = this.#status
    if (since === null) return null
    const next = Math.min(this.#any.againAt, ...[...this.#hosts.values()].map(host => host.dialAt))
    const dials = this.#any.busy || this.#someDialled() || next === Number.POSITIVE_INFINITY
    return {
      since,
      cause: cause && { code: cause.code, message: cause.message },
      nextDial: dials ? null : this.#deps.timeOfDay() + Math.max(0, next - this.#now)
    }
  }

  /** Other port maps are wanted now. */
  setMaps(wanted: WantedMaps): void {
    this.#wanted = wanted
    for (const host of this.#hosts.values()) host.setMaps(wanted)
  }

  /** Whether there are hosts, and none shares this port map. */
  refuse(map: number): boolean {
    const live = this.live
    return live.length > 0 && live.every(host => host.mapId(map) === null)
  }

  get #now(): number {
    return this.#deps.clock.now()
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
    const taken = [...this.#hosts.values()].filter(host => host.connected || host.dialler.greeting)
    return taken.length >= this.#deps.limits.hosts
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
    this.#schedule.run()
    this.#dialAnyLater()
    this.#topicLookup.hurry()
    this.#onFailure(err)
  }

  /**
   * Dials any host again in a while, unless one is connected or several may come back.
   * @param ms left out: longer each time
   */
  #dialAnyLater(ms?: number): void {
    if (this.#any.busy || this.live.length > 1 || this.#someConnected()) return
    this.#any.later(ms ?? this.#backoff.next(this.#now), () => this.#dialAny())
  }

  /** No connection, for this cause. */
  #onFailure(err: HyperNatError): void {
    if (this.#closed || this.#someConnected()) return
    // There is still hope in the others that the topic names.
    this.#status.failed(err, this.#topicLookup.busy || this.#someDialled())
  }

  /** Dials a second connection at once where the first is lost or cannot survive; pings those that may survive. */
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
      this.#any.redial()
    }
    if (!this.#someConnected()) this.#topicLookup.soon()
    this.#schedule.run()
  }

  /** UDP works again: dials a second connection to the one host that is connected by TCP. */
  #leaveTcp(): boolean {
    const lone = this.#lone()
    if (!lone?.connected || lone.path !== 'relayed (tcp)') return false
    this.#leavingTcp = true
    this.#any.redial()
    return true
  }

  // --- each host ---

  readonly #hostEvents: HostEvents = {
    // The one whose place it takes goes first: so events tell of it in the order in which people think of it.
    taken: () => this.#reviewSilent(),
    up: host => this.#onUp(host),
    lost: host => this.#onTrouble(host),
    silent: (host, ms) => {
      if (ms < this.#deps.limits.silentMs) return
      host.suspect()
      this.#onTrouble(host)
    },
    ended: (host, code, reason, wasUp) => this.#onEnded(host, code, reason, wasUp),
    over: (host, session) => this.#over.add(host.key, session),
    shares: () => this.#events.up(),
    udp: (host, flow, payload, map) => this.#events.udp(host, flow, payload, map)
  }

  #add(key: Uint8Array): Host {
    const host = new Host(this.#deps, key, this.#wanted, this.#hostEvents, host => ({
      // While any host is being greeted, that may be this one: a second greeting would begin a second session.
      opened: () => {
        if (host.answers) host.dialAt = Number.POSITIVE_INFINITY
        else if (this.#any.greeting) this.#schedule.later(host, this.#deps.limits.redialMs)
        else if (!host.session && this.#full()) this.#schedule.later(host, host.nextWait())
        else return true
        return false
      },
      resume: () => host.session,
      over: () => this.#over.of(host.key),
      welcomed: welcomed => this.#onWelcomed(host, welcomed),
      failed: err => {
        if (host.session && NO_SESSION.has(err.code)) this.#giveUp(host, err.code)
        else this.#schedule.later(host, host.nextWait())
        // Of a lone one the dial of any host tells.
        if (host.session && this.live.length > 1) this.#onFailure(err)
      }
    }))
    this.#hosts.set(hex(host.key), host)
    return host
  }

  /** Makes room in the table for a key that was found: one that was found before has had its turn. */
  #makeRoom(): boolean {
    if (this.#hosts.size < this.#deps.limits.knownHosts) return true
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
    this.#over.forget(host.key)
  }

  /** Forgets a host, and that it was found, for a while. */
  #rest(host: Host): void {
    this.#forget(host)
    this.#ignored.add(hex(host.key), this.#now)
    this.#schedule.run()
  }

  /** @param from whose key was dialled; null for the key that all share */
  #onWelcomed(from: Host | null, welcomed: Welcomed): void {
    const { publicKey, limits, log } = this.#deps
    const { link, welcome, asked, over } = welcomed
    const key = childPublicKey(publicKey, hostName(welcome.host))
    if (from && !b4a.equals(key, from.key)) {
      // It holds the key that was dialled, but that is no host's.
      log.debug({ key: shortKey(from.key) }, 'a stranger under the topic')
      link.destroy()
      return this.#rest(from)
    }
    this.#over.told(key, over)
    const known = from ?? this.#hosts.get(hex(key))
    if (welcome.resumed && (!known?.session || known.session !== asked)) {
      // Its time ran out while the server was answering.
      reject(link, 'SESSION_EXPIRED', '')
      if (from) this.#schedule.later(from, from.nextWait())
      this.#dialAnyLater()
      return this.#onFailure(new HyperNatError('SESSION_EXPIRED', 'The session ended before it came back.'))
    }
    if (known?.session && known.session !== asked) {
      // Reached twice; what it has of ours must not be lost.
      this.#decline(key, welcomed)
      if (!known.answers) this.#schedule.later(known, 0)
      return
    }
    if (!known?.session && this.connected.length >= limits.hosts) {
      this.#decline(key, welcomed)
      if (from) this.#schedule.later(from, from.nextWait())
      return
    }
    // One that has proved to be a host may take the place of those that have not.
    const out = known || this.#hosts.size < limits.knownHosts ? undefined : this.#idle()[0]
    if (out) this.#forget(out)
    this.#ignored.delete(hex(key))
    const host = known ?? this.#add(key)
    if (!host.session && this.live.length >= 2 * limits.hosts) this.#giveUpLongestAway()
    host.take(welcomed)
  }

  /** Does not take the session that a host has begun. */
  #decline(key: Uint8Array, { link, welcome }: Welcomed): void {
    if (!welcome.resumed) this.#over.add(key, b4a.from(welcome.session))
    reject(link, 'GOODBYE', '')
  }

  /** One that waits for its host makes room for one that answers. */
  #giveUpLongestAway(): void {
    const away = this.live.filter(host => !host.connected).sort((a, b) => a.lastReceived - b.lastReceived)
    if (away[0]) this.#giveUp(away[0], 'CONNECTION_LOST')
  }

  #onUp(host: Host): void {
    this.#status.over()
    // One that is being greeted may be another host.
    if (!this.#any.greeting) this.#any.stop()
    host.seenAt = this.#now
    // The dial of any host was to reach the one that was lost, and has led to this one.
    for (const other of this.live) {
      if (!other.connected && other.dialAt === Number.POSITIVE_INFINITY) other.dialAt = this.#now
    }
    this.#events.up()
    this.#schedule.run()
  }

  /** A host is silent, or its connection is gone. */
  #onTrouble(host: Host): void {
    if (this.#closed || host.session === null) return
    if (!this.#someConnected()) this.#status.begin()
    this.#reviewSilent()
    if (host.session === null) return
    const wait = this.#backoff.lost(host.held, this.#now)
    if (this.#lone() !== host) this.#schedule.later(host, wait === 0 ? 0 : host.nextWait())
    else if (wait === 0) this.#dialAny()
    else this.#dialAnyLater(wait)
    this.#topicLookup.soon()
  }

  #onEnded(host: Host, code: ErrorCode, reason: string, wasUp: boolean): void {
    if (this.#closed) return
    if (!this.#someConnected()) this.#status.begin()
    if (host.held) this.#backoff.reset()
    if (code === 'GOODBYE') this.#rest(host)
    else this.#schedule.later(host, host.nextWait())
    this.#topicLookup.soon()
    this.#dialAnyLater()
    // The cause was reported when the connection was lost.
    if (wasUp) this.#onFailure(new HyperNatError(code, reason || `The session ended (${code}).`))
  }

  /**
   * Gives up the hosts that were started again: nobody has to wait for them. The others may come back; but while one answers,
   * what was opened after one fell silent, and before that was noticed, does not wait for it.
   */
  #reviewSilent(): void {
    this.#reviewTimer?.cancel()
    const { clock, limits, log } = this.#deps
    for (const host of replaced(this.live, this.#now, limits)) {
      log.info({ host: host.name }, 'another host was started in place of a silent one, which is given up')
      this.#giveUp(host, 'CONNECTION_LOST')
    }
    const live = this.live
    if (live.length < 2 || live.every(host => host.answers)) return
    if (this.#someAnswer()) {
      for (const { session, lastReceived } of live)
        if (this.#now - lastReceived >= limits.silentMs) session!.resetUnconfirmed()
    }
    this.#reviewTimer = clock.after(limits.pingUrgentMs, () => this.#reviewSilent())
  }

  /** Ends the session with a host, which is dialled again. */
  #giveUp(host: Host, code: ErrorCode): void {
    host.giveUp(code)
    if (!this.#someConnected()) this.#status.begin()
    this.#schedule.later(host, host.nextWait())
    this.#topicLookup.soon()
    this.#dialAnyLater()
  }

  /** What the topic names. */
  #onFound(found: readonly Found[]): void {
    const now = this.#now
    for (const { key, relayAddresses } of found) {
      const name = hex(key)
      if (this.#ignored.has(name, now)) continue
      let host = this.#hosts.get(name)
      if (!host && !this.#makeRoom()) break
      host ??= this.#add(key)
      if (!host.proven) host.seenAt = now
      host.dialler.relayAddresses = relayAddresses
    }
    this.#schedule.run()
  }
}

function hex(key: Uint8Array): string {
  return b4a.toString(key, 'hex')
}
