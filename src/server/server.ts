/**
 * One shared secret at one host: announced once, with the port maps of all its entries; hears out clients, and lets them in as
 * guests, whose flows lead to the targets (`guests/`). It listens on the key that all hosts of the secret share, where it is found
 * first, and on one of its own, where it can be told from the others.
 */
import b4a from 'b4a'
import { Access, mayUse, sameMaps, type Visitor } from '../access/access.js'
import { Handshakes } from '../access/handshakes.js'
import type { Players } from '../access/players.js'
import { HyperNatError } from '../errors.js'
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
import type { Deps } from '../network/deps.js'
import { OFFLINE } from '../network/dial-errors.js'
import type { Announced } from '../network/node.js'
import type { StreamLink } from '../network/stream-link.js'
import { reject, serverHandshake } from '../session/handshake.js'
import { ServerSession } from '../session/server-session.js'
import { answersTcp } from '../sockets/tcp.js'
import { mapStatus, Past, type ServerStatus, sessionStatus } from '../status.js'
import type { Timer } from '../util/clock.js'
import { ANNOUNCEMENTS, FEATURES, KEY_BYTES, SESSION_ID_BYTES, VERSIONS } from '../wire/constants.js'
import { welcomeFrame } from '../wire/frames.js'
import type { Hello } from '../wire/handshake.js'
import { Guest } from './guest.js'
import { Guests } from './guests.js'
import { type ServerMap, type SharedMap, SharedMaps } from './shared-maps.js'
import { TargetWatch } from './target-watch.js'
import { Targets } from './targets.js'

/** What a server is made of. */
export interface ServerParts extends Deps {
  readonly keyPair: KeyPair
  readonly maps: readonly ServerMap[]
  /** The addresses of this node's guests. */
  readonly players: Players
  /** Who may come in. */
  readonly access: AccessRules
  /** What to give to friends; left out where one cannot hold it all. */
  readonly ticket?: string | undefined
}

export class Server {
  readonly publicKey: string
  readonly #parts: ServerParts
  readonly #announceKeys: ChildKeyPair
  readonly #host: Uint8Array
  readonly #hostKeys: ChildKeyPair
  readonly #maps: SharedMaps
  readonly #targets: Targets
  readonly #watch: TargetWatch
  #ticket: string | undefined
  readonly #guests: Guests
  /** In the order in which they began. */
  readonly #greetings = new Set<() => void>()
  readonly #handshakes: Handshakes
  readonly #announcements: Announced[] = []
  #announced: ServerStatus['announced'] = 'announcing'
  #admitted = 0
  /** What sessions that are over have carried. */
  readonly #past = new Past()
  #announcer: Announcer
  #access: Access
  #sweep: Timer | null = null
  #reviewTimer: Timer | null = null
  #closed = false

  constructor(parts: ServerParts) {
    this.#parts = parts
    this.publicKey = encodeKey(parts.keyPair.publicKey)
    this.#announceKeys = childKeyPair(parts.keyPair)
    this.#host = parts.random(KEY_BYTES)
    this.#hostKeys = childKeyPair(parts.keyPair, hostName(this.#host))
    this.#maps = new SharedMaps(parts.maps)
    this.#watch = new TargetWatch({
      clock: parts.clock,
      maps: () => this.#maps.list,
      onchange: (map, state) => this.#tellTarget(map, state),
      ontcp: map => this.#tellTcp(map)
    })
    this.#targets = new Targets({
      ...parts,
      maps: this.#maps,
      onreach: (map, state) => this.#watch.learn(map, state)
    })
    this.#guests = new Guests(parts)
    this.#ticket = parts.ticket
    this.#access = new Access(parts.access, parts.keyPair)
    this.#handshakes = new Handshakes(parts.limits)
    this.#announcer = this.#newAnnouncer()
  }

  /** For the maps that are shared now. */
  #newAnnouncer(): Announcer {
    const { limits } = this.#parts
    return new Announcer({
      ...this.#parts,
      maps: this.#maps.list,
      isHeard: () => this.#guests.size > 0,
      announce: (map, payload) => this.#tellGuests(map, payload),
      answers: (host, port) => answersTcp(host, port, limits.targetMs)
    })
  }

  /** The old one's ears are shut before the new ones are opened, on the same ports perhaps. */
  #changeAnnouncer(): void {
    const old = this.#announcer
    const fresh = this.#newAnnouncer()
    this.#announcer = fresh
    void old.close().then(() => fresh.start())
  }

  /** Passes on what the game behind a map announces to its LAN. */
  #tellGuests(mapId: number, payload: Uint8Array): void {
    const map = this.#maps.find(mapId)
    if (!map) return
    for (const { session, visitor } of this.#guests.all) {
      if (mayUse(visitor, map)) session.sendUdp(mapId, ANNOUNCEMENTS, payload)
    }
  }

  /** Announces the server; resolves when it can be found. */
  async start(): Promise<void> {
    const { node, emit, clock, limits, keyPair } = this.#parts
    await this.#targets.tryAddresses()
    if (this.#closed) return
    const onlink = (link: StreamLink) => this.#onLink(link)
    const hides = (key: Uint8Array, address: string) => this.#hides(key, address)
    const relayed = childKeyPair(keyPair, RELAYED)
    const announcing = [
      node.announce(
        this.#announceKeys,
        onlink,
        reached => {
          this.#announced = reached ? 'announced' : 'unreached'
          if (reached) this.#parts.log.info('announced')
          else emit({ event: 'warning', code: OFFLINE.code, message: OFFLINE.message })
        },
        relayed,
        undefined,
        hides
      ),
      node.announce(this.#hostKeys, onlink, () => {}, relayed, topicOf(keyPair.publicKey), hides)
    ]
    for (const one of announcing)
      one.then(
        announcement => this.#announcements.push(announcement),
        () => {}
      )
    await Promise.all([...announcing, this.#announcer.start()])
    if (this.#closed) return
    if (this.#announced === 'announcing') this.#announced = 'announced'
    const sweep = (): void => {
      this.#guests.sweep(clock.now())
      this.#sweep = clock.after(udpSweepMs(limits), sweep)
    }
    sweep()
    this.#tellReady()
    this.#watch.check()
  }

  #tellTcp({ port }: SharedMap): void {
    const message = `Port ${port} is shared over UDP, but a program answers there over TCP. If that is the one to share, set its protocol to tcp.`
    this.#parts.emit({ event: 'warning', code: 'TARGET_IS_TCP', message })
  }

  #tellTarget({ proto, port, host, name }: SharedMap, state: 'answers' | 'closed'): void {
    const map = { proto, port, host, ...(name !== undefined && { name }) }
    this.#parts.emit({ event: 'target', publicKey: this.publicKey, ...map, state })
  }

  #tellReady(): void {
    const ticket = this.#ticket
    this.#parts.emit({
      event: 'ready',
      mode: 'server',
      publicKey: this.publicKey,
      ...(ticket && { ticket }),
      ...(this.#access.isPrivate && { private: true as const }),
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
    void this.#targets.tryAddresses()
    this.#tellReady()
    this.#watch.check()
  }

  #changeMaps(guest: Guest, before: readonly SharedMap[]): void {
    const { session, visitor, udp } = guest
    const now = this.#maps.of(visitor)
    const had = before.filter(map => mayUse(visitor, map))
    session.learnMaps(now)
    const gone = had.filter(map => !now.includes(map))
    if (gone.length === 0 && had.length === now.length) return
    for (const { id } of gone) {
      session.resetFlows(id, 'MAP_NOT_SHARED')
      udp.drop(({ map }) => map === id)
    }
    if (!session.sendMaps(now)) guest.link?.destroy()
  }

  /** Other rules from now on. Sessions that they do not concern go on; those of who may no longer come in end at once. */
  update(rules: AccessRules): void {
    this.#access = new Access(rules, this.#parts.keyPair)
    this.#review()
  }

  /** Judges everybody who is here, and again when the next one's time is over. */
  #review(): void {
    this.#reviewTimer?.cancel()
    this.#reviewTimer = null
    const { clock, limits, log, timeOfDay } = this.#parts
    const now = timeOfDay()
    let next = Number.POSITIVE_INFINITY
    for (const guest of this.#guests.all) {
      const verdict = this.#access.judge(guest.key, now)
      if (verdict instanceof HyperNatError) {
        log.info({ peer: guest.label, code: verdict.code }, 'session ended: no longer let in')
        guest.session.close(verdict.code, verdict.message)
      } else if (guest.visitor.name !== undefined && verdict.name === undefined) {
        // The server is open to everybody, but not to what this one was.
        guest.session.close('NOT_INVITED', 'The owner of the server has taken back this invite.')
      } else if (!sameMaps(verdict, guest.visitor)) {
        guest.session.close('ACCESS_CHANGED', 'The owner of the server has changed what this invite is for.')
      } else {
        guest.visitor = verdict
        next = Math.min(next, verdict.expires - now)
      }
    }
    if (this.#closed || next === Number.POSITIVE_INFINITY) return
    // The time of day may be set, and run on while the machine sleeps.
    this.#reviewTimer = clock.after(Math.min(next, limits.expiryLookMs), () => this.#review())
  }

  /** Whether who shakes hands gets no answer: for who it is, or because there are too many. */
  #hides(key: Uint8Array, address: string): boolean {
    const { clock, log, timeOfDay } = this.#parts
    const known = this.#access.knows(key) || this.#guests.of(key).length > 0
    const source = known ? { key: b4a.toString(key, 'hex') } : { address }
    if (!this.#handshakes.admits(source, clock.now())) {
      log.debug({ peer: shortKey(key), address }, 'too many handshakes: got no answer')
      return true
    }
    const hidden = this.#access.hides(key, timeOfDay())
    if (hidden) log.info({ peer: shortKey(key) }, 'not invited: got no answer')
    return hidden
  }

  status(): ServerStatus {
    const ticket = this.#ticket
    const sessions = this.#guests.all.map(guest => {
      const { session, key, visitor, since, link, udp } = guest
      return sessionStatus(session, {
        peer: encodeKey(key),
        name: visitor.name,
        address: this.#targets.shownAddress(guest) ?? undefined,
        host: nameOfHost(this.#host),
        path: link?.path ?? null,
        since,
        conversations: udp.values().map(({ map }) => map)
      })
    })
    const past = this.#past.maps
    return {
      publicKey: this.publicKey,
      ...(ticket && { ticket }),
      private: this.#access.isPrivate,
      announced: this.#announced,
      maps: this.#maps.list.map(map => ({
        host: map.host,
        ...(map.name !== undefined && { name: map.name }),
        target: this.#watch.of(map),
        ...mapStatus(map, past, sessions)
      })),
      sessions,
      overall: this.#past.overall(sessions),
      admitted: this.#admitted
    }
  }

  /** Says goodbye to its clients, so that they know at once, and unannounces. */
  async close(): Promise<void> {
    this.#closed = true
    this.#watch.close()
    this.#sweep?.cancel()
    this.#reviewTimer?.cancel()
    for (const giveUp of this.#greetings) giveUp()
    for (const { session } of this.#guests.all) session.close('GOODBYE', 'The server was stopped.')
    await Promise.all([this.#announcer.close(), ...this.#announcements.map(one => one.close())])
  }

  #onLink(link: StreamLink): void {
    const { clock, limits, log } = this.#parts
    if (this.#closed) return link.destroy()
    // Who means well needs one round trip; who has waited longest is likeliest to say nothing at all.
    const [longest] = this.#greetings
    if (this.#greetings.size >= limits.greetings) longest?.()
    const giveUp = serverHandshake(
      { link, sharedKey: this.#parts.keyPair.publicKey, clock, timeoutMs: limits.greetingMs },
      result => {
        this.#greetings.delete(giveUp)
        if (result instanceof HyperNatError) {
          log.info({ peer: shortKey(link.remoteKey), code: result.code }, 'client turned away')
        } else this.#onHello(link, result)
      }
    )
    this.#greetings.add(giveUp)
  }

  #onHello(link: StreamLink, hello: Hello): void {
    const { random, timeOfDay } = this.#parts
    const visitor = this.#access.judge(link.remoteKey, timeOfDay())
    if (visitor instanceof HyperNatError) return this.#refuse(link, visitor)
    const resumed = hello.resume && this.#guests.find(hello.resume.session, link.remoteKey)
    const tooMany = resumed ? null : this.#guests.refuseDevice(link.remoteKey, visitor)
    if (tooMany) return this.#refuse(link, tooMany)
    if (!resumed && !this.#guests.hasRoom()) {
      return reject(link, 'TOO_MANY_SESSIONS', 'The server has as many guests as it takes: try again later.')
    }
    const guest = resumed ?? this.#admit(link, visitor)
    guest.link = link
    link.onpath = was => {
      if (guest.session.link === link) this.#tellConnected(guest, was)
    }
    const sendKey = random(KEY_BYTES)
    const welcome = welcomeFrame({
      versions: VERSIONS,
      features: FEATURES,
      session: guest.session.id,
      host: this.#host,
      datagramKey: sendKey,
      maps: this.#maps.of(guest.visitor),
      resumed: resumed ? { highest: guest.session.highest, flows: guest.session.positions() } : null
    })
    const message = link.alloc(welcome.byteLength)
    message.set(welcome)
    link.write(message)
    guest.session.attach({
      link,
      sendKey,
      receiveKey: b4a.from(hello.datagramKey),
      features: hello.features,
      resumed: resumed ? hello.resume : null
    })
  }

  #refuse(link: StreamLink, { code, message }: HyperNatError): void {
    this.#parts.log.info({ peer: shortKey(link.remoteKey), code }, 'client turned away')
    reject(link, code, message)
  }

  #admit(link: StreamLink, visitor: Visitor): Guest {
    const { clock, limits, games, log, random, timeOfDay, players, keyPair } = this.#parts
    const id = random(SESSION_ID_BYTES)
    const key = b4a.from(link.remoteKey)
    const address = players.enter(this.#playerOf(key), playerNumber(keyPair, key))
    const session = new ServerSession(
      id,
      {
        clock,
        limits,
        defer: fn => setImmediate(fn),
        chance: Math.random,
        games,
        rateLimiter: this.#guests.rateLimiterOf(key, visitor)
      },
      {
        up: () => this.#tellConnected(guest),
        lost: code => this.#tellDisconnected(guest, code),
        ended: (code, reason) => {
          const wasUp = guest.session.wasUp
          this.#guests.delete(guest)
          this.#past.add(session)
          players.leave(this.#playerOf(guest.key))
          guest.udp.clear()
          log[code === 'INTERNAL' ? 'error' : 'debug']({ peer: guest.label, code, reason }, 'session ended')
          if (wasUp) this.#tellDisconnected(guest, code)
        },
        silent: () => {
          this.#parts.node.ask()
          guest.link?.suspect()
        },
        open: (flow, proto) => this.#targets.connect(guest, flow, proto),
        udp: (map, flow, payload) => this.#targets.send(guest, map, flow, payload)
      }
    )
    const guest = new Guest(session, key, address, visitor, timeOfDay(), limits, log, clock)
    session.learnMaps(this.#maps.of(visitor))
    this.#guests.add(guest)
    this.#admitted++
    // With the others' times, it is known when to look next.
    if (visitor.expires < Number.POSITIVE_INFINITY) this.#review()
    return guest
  }

  #tellConnected(guest: Guest, was?: PathKind): void {
    const address = this.#targets.shownAddress(guest)
    const { path } = guest.link!
    const more = { ...(was && { was }), ...(address && { address }) }
    this.#parts.emit({ event: 'connected', ...this.#who(guest), path, ...more })
  }

  #tellDisconnected(guest: Guest, code: string): void {
    this.#parts.emit({ event: 'disconnected', ...this.#who(guest), code })
  }

  #who({ key, visitor: { name } }: Guest) {
    const host = nameOfHost(this.#host)
    return { publicKey: this.publicKey, peer: encodeKey(key), ...(name !== undefined && { name }), host }
  }

  /** What tells a guest of this server from all others of the node. */
  #playerOf(key: Uint8Array): string {
    return `${this.publicKey} ${b4a.toString(key, 'hex')}`
  }
}
