/**
 * One shared secret at one host: announced once, with the port maps of all its entries. Clients that `Admission` lets in become
 * guests, whose flows lead to the `Targets`. The server listens on the key that all hosts of the secret share, where it is found
 * first, and on a key of its own, which tells it from the other hosts.
 */
import b4a from 'b4a'
import { type Grant, mayUse } from '../access/access.js'
import type { Players } from '../access/players.js'
import type { PathKind } from '../events.js'
import { udpSweepMs } from '../flows/udp.js'
import type { AccessRules } from '../identity/access-rules.js'
import { type ChildKeyPair, childKeyPair, hostName, RELAYED } from '../identity/child.js'
import { encodeKey, shortKey } from '../identity/encoding.js'
import { nameOfHost } from '../identity/host-name.js'
import type { KeyPair } from '../identity/keys.js'
import { playerNumber } from '../identity/player-address.js'
import { topicOf } from '../identity/topic.js'
import { Announcer } from '../lan/announcer.js'
import { LogThrottle } from '../log/throttle.js'
import type { Deps } from '../network/deps.js'
import { OFFLINE } from '../network/dial-errors.js'
import type { Announced } from '../network/node.js'
import type { StreamLink } from '../network/stream-link.js'
import { within } from '../network/within.js'
import { ServerSession } from '../session/server-session.js'
import type { SessionUsage } from '../sockets/key-usage.js'
import { elsewhereText } from '../sockets/other-address.js'
import type { Resources } from '../sockets/resources.js'
import { ClosedSessions, mapStatus, type ServerStatus, sessionStatus } from '../status.js'
import type { Timer } from '../util/clock.js'
import {
  ANNOUNCEMENTS,
  FEATURE,
  featuresOf,
  KEY_BYTES,
  SESSION_ID_BYTES,
  VERSIONS
} from '../wire/constants.js'
import { welcomeFrame } from '../wire/frames.js'
import { Admission, type Admitted } from './admission.js'
import { Guest } from './guest.js'
import { GuestTable } from './guests.js'
import { RosterSender } from './roster-sender.js'
import { type ServerMap, type SharedMap, SharedMaps } from './shared-maps.js'
import { TargetWatch } from './target-watch.js'
import { Targets } from './targets.js'

/** Between two events that a guest begins to connect, ms. */
const KNOCK_REST_MS = 1000

/** What a server is made of. */
export interface ServerDeps extends Deps {
  readonly keyPair: KeyPair
  readonly maps: readonly ServerMap[]
  /** The addresses of this node's guests. */
  readonly players: Players
  /** What peers may use of this process. */
  readonly resources: Resources
  /** Who may come in. */
  readonly access: AccessRules
  /** Keys of guests of an earlier run. */
  readonly former: readonly Uint8Array[]
  /** What to give to friends; left out where one cannot hold it all. */
  readonly ticket?: string | undefined
  /** Whether a server of this node shares the port. */
  readonly isShared: (port: number) => boolean
}

export class Server {
  readonly publicKey: string
  readonly #deps: ServerDeps
  readonly #announceKeys: ChildKeyPair
  readonly #host: Uint8Array
  readonly #startedAt: number
  readonly #hostKeys: ChildKeyPair
  readonly #maps: SharedMaps
  readonly #targets: Targets
  readonly #watch: TargetWatch
  #ticket: string | undefined
  readonly #guests: GuestTable
  readonly #admission: Admission
  #announcements: readonly Promise<Announced>[] = []
  #announced: ServerStatus['announced'] = 'announcing'
  #admitted = 0
  /** What sessions that are over have carried. */
  readonly #closedSessions = new ClosedSessions()
  #announcer: Announcer
  /** Guests who begin to connect. */
  readonly #knocks: LogThrottle
  #sweep: Timer | null = null
  readonly #roster: RosterSender
  readonly #closing = new AbortController()

  constructor(deps: ServerDeps) {
    this.#deps = deps
    this.publicKey = encodeKey(deps.keyPair.publicKey)
    this.#knocks = new LogThrottle(deps.clock, KNOCK_REST_MS)
    this.#announceKeys = childKeyPair(deps.keyPair)
    this.#host = deps.random(KEY_BYTES)
    this.#startedAt = deps.clock.now()
    this.#hostKeys = childKeyPair(deps.keyPair, hostName(this.#host))
    this.#maps = new SharedMaps(deps.maps)
    this.#watch = new TargetWatch({
      clock: deps.clock,
      maps: () => this.#maps.list.filter(({ handler }) => !handler),
      onchange: (map, state) => this.#emitTarget(map, state),
      ontcp: map => this.#warnTcp(map),
      onelsewhere: (map, address) => this.#warnElsewhere(map, address)
    })
    this.#targets = new Targets({
      ...deps,
      maps: this.#maps,
      publicKey: this.publicKey,
      onreach: (map, state) => this.#watch.learn(map, state)
    })
    this.#guests = new GuestTable(deps)
    this.#roster = new RosterSender({ ...deps, guests: () => this.#guests.all }, deps.access.roster === true)
    this.#ticket = deps.ticket
    this.#admission = new Admission({ ...deps, guests: this.#guests })
    this.#announcer = this.#newAnnouncer()
  }

  /** For the maps that are shared now. */
  #newAnnouncer(): Announcer {
    return new Announcer({
      ...this.#deps,
      maps: this.#maps.list,
      isHeard: () => this.#guests.size > 0,
      announce: (map, payload) => this.#forwardAnnouncement(map, payload),
      answers: map => this.#watch.of(map) === 'answers'
    })
  }

  /** Closes the old listeners before it opens the new ones, which may use the same ports. */
  #changeAnnouncer(): void {
    const old = this.#announcer
    const fresh = this.#newAnnouncer()
    this.#announcer = fresh
    void old.close().then(() => fresh.start())
  }

  /** Passes on what the game behind a map announces to its LAN. */
  #forwardAnnouncement(mapId: number, payload: Uint8Array): void {
    const map = this.#maps.find(mapId)
    if (!map) return
    for (const { session, grant } of this.#guests.all) {
      if (mayUse(grant, map)) session.sendUdp(mapId, ANNOUNCEMENTS, payload)
    }
  }

  /** Announces the server; resolves when it can be found. */
  async start(): Promise<void> {
    const { node, emit, clock, limits, keyPair } = this.#deps
    await this.#targets.checkAddresses()
    if (this.#closed) return
    const onlink = (link: StreamLink) => this.#onLink(link)
    const hides = (key: Uint8Array, address: string): boolean => {
      const hidden = this.#admission.hides(key, address)
      if (!hidden) this.#onKnock(key)
      return hidden
    }
    const relayed = childKeyPair(keyPair, RELAYED)
    const { signal } = this.#closing
    this.#announcements = [
      node.announce(
        this.#announceKeys,
        onlink,
        reached => {
          const late = reached && this.#announced === 'unreached'
          this.#announced = reached ? 'announced' : 'unreached'
          if (late) emit({ event: 'announced', publicKey: this.publicKey })
          if (reached) this.#deps.log.info('announced')
          else emit({ event: 'warning', code: OFFLINE.code, message: OFFLINE.message })
        },
        relayed,
        undefined,
        hides,
        signal
      ),
      node.announce(this.#hostKeys, onlink, () => {}, relayed, topicOf(keyPair.publicKey), hides, signal)
    ]
    await Promise.all([...this.#announcements, this.#announcer.start()])
    if (this.#closed) return
    if (this.#announced === 'announcing') this.#announced = 'announced'
    const sweep = (): void => {
      this.#guests.sweep(clock.now())
      this.#sweep = clock.after(udpSweepMs(limits), sweep)
    }
    sweep()
    this.#roster.start()
    this.#emitReady()
    this.#lookAtTargets()
  }

  #lookAtTargets(): void {
    this.#watch.check()
    void this.#targets.checkHosts()
  }

  /** A guest begins to connect. Strangers can do that as often as they like: one a second is reported. */
  #onKnock(key: Uint8Array): void {
    const isHere = this.#guests.of(key).some(({ session }) => session.state === 'up')
    if (isHere || !this.#knocks.admits('')) return
    this.#deps.emit({ event: 'connecting', publicKey: this.publicKey, peer: encodeKey(key) })
  }

  #warnTcp({ port }: SharedMap): void {
    const message = `Port ${port} is shared over UDP, but a program answers there over TCP. If that is the one to share, set its protocol to tcp.`
    this.#deps.emit({ event: 'warning', code: 'TARGET_IS_TCP', message })
  }

  #warnElsewhere({ proto, port, host }: SharedMap, address: string): void {
    const maps = [{ proto, port, host }]
    const warning = { code: 'TARGET_ELSEWHERE', message: elsewhereText(port, host, address), maps }
    this.#deps.emit({ event: 'warning', ...warning, publicKey: this.publicKey, host: address })
  }

  #emitTarget({ proto, port, host, name }: SharedMap, state: 'answers' | 'closed'): void {
    const map = { proto, port, host, ...(name !== undefined && { name }) }
    this.#deps.emit({ event: 'target', publicKey: this.publicKey, ...map, state })
  }

  #emitReady(): void {
    const ticket = this.#ticket
    this.#deps.emit({
      event: 'ready',
      mode: 'server',
      publicKey: this.publicKey,
      ...(ticket && { ticket }),
      ...(this.#admission.isPrivate && { private: true as const }),
      maps: this.#maps.list.map(({ proto, port, host }) => ({ proto, port, host }))
    })
  }

  /**
   * Other port maps from now on, with the ticket that names them. Flows of those that are gone, or lead elsewhere, are reset;
   * the others go on.
   */
  setMaps(maps: readonly ServerMap[], ticket: string | undefined): void {
    const before = this.#maps.list
    this.#maps.change(maps)
    this.#ticket = ticket
    for (const guest of this.#guests.all) this.#changeMaps(guest, before)
    this.#changeAnnouncer()
    this.#targets.mapsChanged()
    void this.#targets.checkAddresses()
    this.#emitReady()
    this.#lookAtTargets()
  }

  #changeMaps(guest: Guest, before: readonly SharedMap[]): void {
    const { session, grant, udp } = guest
    const now = this.#maps.of(grant)
    const had = before.filter(map => mayUse(grant, map))
    session.traffic.learn(now)
    const kept = new Set(now.map(({ id }) => id))
    const gone = had.filter(({ id }) => !kept.has(id))
    if (gone.length === 0 && had.length === now.length) return
    for (const { id } of gone) {
      session.resetMap(id, 'MAP_NOT_SHARED')
      udp.drop(({ map }) => map === id)
    }
    if (!session.sendMaps(now)) guest.link?.destroy()
  }

  shares(port: number): boolean {
    return this.#maps.list.some(map => map.port === port)
  }

  status(): ServerStatus {
    const ticket = this.#ticket
    const sessions = this.#guests.all.map(guest => {
      const { session, key, grant, since, link, udp } = guest
      return sessionStatus(session, {
        peer: encodeKey(key),
        name: grant.name,
        address: this.#targets.shownAddress(guest) ?? undefined,
        host: nameOfHost(this.#host),
        path: link?.path ?? null,
        family: link?.family,
        since,
        conversations: udp.values().map(({ map }) => map)
      })
    })
    const past = this.#closedSessions.maps
    return {
      publicKey: this.publicKey,
      ...(ticket && { ticket }),
      private: this.#admission.isPrivate,
      announced: this.#announced,
      maps: this.#maps.list.map(map => ({
        host: map.host,
        ...(map.name !== undefined && { name: map.name }),
        target: this.#watch.of(map),
        ...mapStatus(map, past, sessions)
      })),
      sessions,
      overall: this.#closedSessions.overall(sessions),
      admitted: this.#admitted
    }
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted
  }

  /** Closes all sessions, so that clients know at once, and unannounces; the keys are free then. */
  async close(): Promise<void> {
    this.#closing.abort()
    this.#watch.close()
    this.#sweep?.cancel()
    this.#roster.close()
    this.#admission.close()
    for (const { session } of this.#guests.all) session.close('GOODBYE', 'The server was stopped.')
    const announced = this.#announcements.map(one => one.then(announcement => announcement.close()))
    // One that waits for its turn holds no key.
    const closed = within(Promise.allSettled(announced), this.#deps.limits.closeMs)
    await Promise.all([this.#announcer.close(), closed])
  }

  /** Replaces the rules. Sessions that they do not concern go on; those that are no longer allowed end at once. */
  update(rules: AccessRules): void {
    this.#admission.update(rules)
    this.#roster.show(rules.roster === true)
  }

  #onLink(link: StreamLink): void {
    this.#admission.handshake(link, admitted => this.#welcome(admitted))
  }

  get #features(): number {
    return featuresOf(this.#deps.node.ipv6 !== null)
  }

  /** Lets the guest look for an IPv6 path beside the connection that carries its session now. */
  #search(guest: Guest, keys: { readonly sendKey: Uint8Array; readonly receiveKey: Uint8Array }): void {
    const { ipv6 } = this.#deps.node
    const { session, link } = guest
    this.#endSearch(guest)
    if (!ipv6 || !link || link.family === 'IPv6' || link.path === 'lan' || !session.has(FEATURE.IPV6)) return
    guest.search = ipv6.server({
      ...keys,
      keyPair: this.#hostKeys,
      remoteKey: guest.key,
      told: guest.toldAddresses,
      tell: addresses => session.sendAddresses(addresses),
      opened: second => this.#onLink(second)
    })
  }

  #endSearch(guest: Guest): void {
    if (guest.search) this.#deps.node.ipv6?.end(guest.search)
    guest.search = null
  }

  /** Begins a session with an admitted client, or goes on with the one that it comes back to. */
  #welcome({ link, hello, resumed, grant }: Admitted): void {
    const { random, clock } = this.#deps
    const guest = resumed ?? this.#newGuest(link, grant)
    // The same session over another connection is the same to its guest.
    const was = guest.session.state === 'up' && link.family === 'IPv6' ? guest.link?.path : undefined
    guest.was = was
    guest.link = link
    link.onpath = was => {
      if (guest.session.link === link) this.#emitConnected(guest, was)
    }
    const sendKey = random(KEY_BYTES)
    const welcome = welcomeFrame({
      versions: VERSIONS,
      features: this.#features,
      session: guest.session.id,
      host: this.#host,
      datagramKey: sendKey,
      maps: this.#maps.of(guest.grant),
      resumed: resumed
        ? { highest: guest.session.flows.tcp.highest, flows: guest.session.flows.tcp.positions() }
        : null,
      uptime: Math.round(clock.now() - this.#startedAt)
    })
    const message = link.alloc(welcome.byteLength)
    message.set(welcome)
    link.write(message)
    const receiveKey = b4a.from(hello.datagramKey)
    guest.session.attach({
      link,
      sendKey,
      receiveKey,
      features: hello.features,
      resumed: resumed ? hello.resume : null
    })
    if (guest.session.link === link) this.#search(guest, { sendKey, receiveKey })
  }

  #newGuest(link: StreamLink, grant: Grant): Guest {
    const { clock, limits, games, trace, log, random, timeOfDay, players, keyPair } = this.#deps
    const id = random(SESSION_ID_BYTES)
    const key = b4a.from(link.remoteKey)
    const address = players.enter(this.#playerOf(key), playerNumber(keyPair, key))
    const usage = this.#deps.resources.enter(b4a.toString(key, 'hex'), grant.name ?? shortKey(key))
    const session = new ServerSession(
      id,
      {
        clock,
        limits,
        defer: fn => setImmediate(fn),
        chance: Math.random,
        games,
        trace,
        rateLimiter: this.#guests.rateLimiterOf(key, grant, usage.memory),
        budgets: usage,
        features: this.#features
      },
      {
        up: () => this.#emitConnected(guest, guest.was),
        lost: code => {
          this.#endSearch(guest)
          this.#emitDisconnected(guest, code)
        },
        addresses: addresses => guest.search?.onAddresses(addresses),
        ended: (code, reason, wasUp) => {
          this.#endSearch(guest)
          this.#guests.delete(guest)
          this.#closedSessions.add(session)
          players.leave(this.#playerOf(guest.key))
          guest.udp.clear()
          usage.leave(sessionUsage)
          log[code === 'INTERNAL' ? 'error' : 'debug']({ peer: guest.label, code, reason }, 'session ended')
          if (wasUp) this.#emitDisconnected(guest, code)
        },
        silent: () => {
          this.#deps.node.ask()
          guest.link?.suspect()
        },
        open: (flow, proto) => this.#targets.connect(guest, flow, proto),
        udp: (map, flow, payload) => this.#targets.send(guest, map, flow, payload)
      }
    )
    const guest = new Guest(session, key, address, grant, timeOfDay(), usage, limits, log, clock)
    const sessionUsage: SessionUsage = {
      bytes: () => session.keptBytes,
      windowBytes: () => session.flows.windowBytes,
      awaySince: () => session.lostAt,
      end: () => session.close('TOO_MANY_FLOWS', 'The server keeps more for this guest than one may have.')
    }
    usage.addSession(sessionUsage)
    session.traffic.learn(this.#maps.of(grant))
    this.#guests.add(guest)
    this.#admitted++
    // With the others' times, it is known when to look next.
    if (grant.expires < Number.POSITIVE_INFINITY) this.#admission.review()
    return guest
  }

  #emitConnected(guest: Guest, was?: PathKind): void {
    const address = this.#targets.shownAddress(guest)
    const { path, family } = guest.link!
    const more = {
      ...(was && { was }),
      ...(family === 'IPv6' && { family }),
      ...(address && { address })
    }
    this.#deps.emit({ event: 'connected', ...this.#who(guest), path, ...more })
  }

  #emitDisconnected(guest: Guest, code: string): void {
    this.#deps.emit({ event: 'disconnected', ...this.#who(guest), code })
  }

  #who({ key, grant: { name } }: Guest) {
    const host = nameOfHost(this.#host)
    return { publicKey: this.publicKey, peer: encodeKey(key), ...(name !== undefined && { name }), host }
  }

  /** What tells a guest of this server from all others of the node. */
  #playerOf(key: Uint8Array): string {
    return `${this.publicKey} ${b4a.toString(key, 'hex')}`
  }
}
