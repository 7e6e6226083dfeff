/**
 * One shared secret at one host: announced once, with the port maps of all its entries; hears out clients, keeps their
 * sessions, and joins their flows to the targets. It listens on the key that all hosts of the secret share, where it is found
 * first, and on one of its own, where it can be told from the others.
 */
import type net from 'node:net'
import b4a from 'b4a'
import { Access, mayUse, refuseDevice, sameMaps, type Visitor } from './access/access.js'
import { Handshakes } from './access/handshakes.js'
import type { Players } from './access/players.js'
import type { AccessRules } from './access/rules.js'
import type { Clock, Timer } from './clock.js'
import type { ErrorCode } from './errors.js'
import { codeOf, HyperNatError } from './errors.js'
import type { DaemonEvent, PathKind, ServerMapInfo } from './events.js'
import type { ByteFlow } from './flows/byte-flow.js'
import { Ration } from './flows/ration.js'
import { UdpFlows } from './flows/udp.js'
import { nameOfHost } from './hosts/host.js'
import { type ChildKeyPair, childKeyPair, hostName, RELAYED } from './identity/child.js'
import { encodeKey, shortKey } from './identity/encoding.js'
import type { KeyPair } from './identity/keys.js'
import { playerAddress, playerNumber } from './identity/player-address.js'
import { topicOf } from './identity/topic.js'
import { Announcer } from './lan/announcer.js'
import type { Lobby } from './lan/lobby.js'
import type { Limits } from './limits.js'
import type { Log } from './log.js'
import { OFFLINE } from './network/dial-errors.js'
import type { Announced, Node } from './network/node.js'
import type { StreamLink } from './network/stream-link.js'
import type { Hello, WireMap } from './session/frames.js'
import { welcomeFrame } from './session/frames.js'
import { greetClient, turnAway } from './session/greeting.js'
import { Session } from './session/session.js'
import { ANNOUNCEMENTS, KEY_BYTES, SESSION_ID_BYTES, VERSION } from './session/wire.js'
import { proxyHeader } from './sockets/proxy-header.js'
import { isNotOurs, isOurs } from './sockets/source-address.js'
import { answersTcp, dialTcp, joinTcp, targetCode } from './sockets/tcp.js'
import { dialUdp, type UdpTarget } from './sockets/udp.js'
import { mapStatus, Past, type ServerStatus, sessionStatus } from './status.js'

/** A port map, and how its target is spoken to. */
export interface ServerMap extends ServerMapInfo {
  /** The target, which is on IPv4 loopback, sees each guest come from an address of its own. */
  readonly playerAddresses: boolean
  /** Each TCP connection to the target begins with a header of the PROXY protocol, version 2. */
  readonly proxyProtocol: boolean
  /** Small UDP payloads are sent to guests twice. */
  readonly duplicate: boolean
  /** What its game's LAN discovery wants of it. */
  readonly lobby?: Lobby | undefined
}

/** A port map with the number that stands for it on the wire. */
type SharedMap = ServerMap & WireMap

/** What a server is made of. */
export interface ServerParts {
  readonly node: Node
  readonly keyPair: KeyPair
  readonly maps: readonly ServerMap[]
  /** The addresses of this node's guests. */
  readonly players: Players
  /** Who may come in. */
  readonly access: AccessRules
  /** What to give to friends; left out where one cannot hold it all. */
  readonly ticket?: string | undefined
  readonly clock: Clock
  /** Milliseconds since 1970, which a user may set back. */
  readonly timeOfDay: () => number
  readonly limits: Limits
  readonly log: Log
  readonly random: (size: number) => Uint8Array
  readonly emit: (event: DaemonEvent) => void
}

/** One UDP flow, and the number of its map. */
interface Conversation {
  readonly map: number
  readonly target: UdpTarget
}

/** One client's session with its UDP flows. */
class Guest {
  readonly udp: UdpFlows<number, Conversation>
  link: StreamLink | null = null

  constructor(
    readonly session: Session,
    readonly key: Uint8Array,
    /** The loopback address that stands for it. */
    readonly address: string,
    /** Who it is. */
    public visitor: Visitor,
    /** When the session began, milliseconds since 1970. */
    readonly since: number,
    limits: Limits,
    onforget: (flow: number, conversation: Conversation, cause: string) => void
  ) {
    this.udp = new UdpFlows(limits.udpFlows, limits.udpIdleSeconds * 1000, onforget)
  }

  /** What logs call it. */
  get label(): string {
    return this.visitor.name ?? shortKey(this.key)
  }
}

export class Server {
  readonly publicKey: string
  readonly #parts: ServerParts
  readonly #announceKeys: ChildKeyPair
  readonly #host: Uint8Array
  readonly #hostKeys: ChildKeyPair
  #maps: readonly SharedMap[] = []
  #nextMap = 1
  #ticket: string | undefined
  readonly #guests = new Map<string, Guest>()
  /** Whether all sessions, if there are any, are of one client. */
  #isOneGuest = true
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
    this.#maps = parts.maps.map(map => ({ ...map, id: this.#nextMap++ }))
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
      maps: this.#maps,
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
    const map = this.#maps.find(({ id }) => id === mapId)
    if (!map) return
    for (const { session, visitor } of this.#guests.values()) {
      if (mayUse(visitor, map)) session.sendUdp(mapId, ANNOUNCEMENTS, payload)
    }
  }

  /** Announces the server; resolves when it can be found. */
  async start(): Promise<void> {
    const { node, emit, clock, limits, keyPair } = this.#parts
    await this.#tryAddresses()
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
      for (const guest of this.#guests.values()) guest.udp.sweep(clock.now())
      this.#sweep = clock.after(Math.min(10_000, limits.udpIdleSeconds * 500), sweep)
    }
    sweep()
    this.#tellReady()
  }

  #tellReady(): void {
    const ticket = this.#ticket
    this.#parts.emit({
      event: 'ready',
      mode: 'server',
      publicKey: this.publicKey,
      ...(ticket && { ticket }),
      ...(this.#access.isPrivate && { private: true as const }),
      maps: this.#maps.map(({ proto, port, host }) => ({ proto, port, host }))
    })
  }

  /**
   * Other port maps from now on, with the ticket that names them. Flows of those that are gone, or lead elsewhere, are reset;
   * the others go on.
   */
  setMaps(maps: readonly ServerMap[], ticket: string | undefined): void {
    const before = this.#maps
    this.#maps = maps.map(map => {
      const old = before.find(old => isSameMap(old, map))
      return old ? Object.assign(old, map) : { ...map, id: this.#nextMap++ }
    })
    this.#ticket = ticket
    for (const guest of this.#guests.values()) this.#changeMaps(guest, before)
    this.#changeAnnouncer()
    void this.#tryAddresses()
    this.#tellReady()
  }

  #changeMaps(guest: Guest, before: readonly SharedMap[]): void {
    const { session, visitor, udp } = guest
    const usable = (map: SharedMap): boolean => mayUse(visitor, map)
    const now = this.#maps.filter(usable)
    const had = before.filter(usable)
    session.learnMaps(now)
    const gone = had.filter(map => !now.includes(map))
    if (gone.length === 0 && had.length === now.length) return
    for (const { id } of gone) {
      session.resetFlows(id, 'MAP_NOT_SHARED')
      udp.drop(({ map }) => map === id)
    }
    if (!session.tellMaps(now)) guest.link?.destroy()
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
    for (const guest of [...this.#guests.values()]) {
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
    const known = this.#access.knows(key) || this.#sessionsOf(key).length > 0
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
    const sessions = [...this.#guests.values()].map(({ session, key, visitor, since, link, udp }) =>
      sessionStatus(session, {
        peer: encodeKey(key),
        name: visitor.name,
        host: nameOfHost(this.#host),
        path: link?.path ?? null,
        since,
        conversations: udp.values().map(({ map }) => map)
      })
    )
    const past = this.#past.maps
    return {
      publicKey: this.publicKey,
      ...(ticket && { ticket }),
      private: this.#access.isPrivate,
      announced: this.#announced,
      maps: this.#maps.map(map => ({ host: map.host, ...mapStatus(map, past, sessions) })),
      sessions,
      overall: this.#past.overall(sessions),
      admitted: this.#admitted
    }
  }

  /** Says goodbye to its clients, so that they know at once, and unannounces. */
  async close(): Promise<void> {
    this.#closed = true
    this.#sweep?.cancel()
    this.#reviewTimer?.cancel()
    for (const giveUp of this.#greetings) giveUp()
    for (const { session } of [...this.#guests.values()]) session.close('GOODBYE', 'The server was stopped.')
    await Promise.all([this.#announcer.close(), ...this.#announcements.map(one => one.close())])
  }

  #onLink(link: StreamLink): void {
    const { clock, limits, log } = this.#parts
    if (this.#closed) return link.destroy()
    // Who means well needs one round trip; who has waited longest is likeliest to say nothing at all.
    const [longest] = this.#greetings
    if (this.#greetings.size >= limits.greetings) longest?.()
    const giveUp = greetClient(
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
    const { random, limits, timeOfDay } = this.#parts
    const visitor = this.#access.judge(link.remoteKey, timeOfDay())
    if (visitor instanceof HyperNatError) return this.#refuse(link, visitor)
    const resumed = hello.resume && this.#find(hello.resume.session, link.remoteKey)
    const tooMany = resumed ? null : this.#refuseDevice(link.remoteKey, visitor)
    if (tooMany) return this.#refuse(link, tooMany)
    if (!resumed && this.#guests.size >= limits.sessions && !this.#makeRoom()) {
      return turnAway(
        link,
        'TOO_MANY_SESSIONS',
        'The server has as many guests as it takes: try again later.'
      )
    }
    const guest = resumed ?? this.#admit(link, visitor)
    guest.link = link
    link.onpath = was => {
      if (guest.session.link === link) this.#tellConnected(guest, was)
    }
    const sendKey = random(KEY_BYTES)
    const welcome = welcomeFrame({
      version: VERSION,
      session: guest.session.id,
      host: this.#host,
      datagramKey: sendKey,
      maps: this.#maps.filter(map => mayUse(guest.visitor, map)),
      resumed: resumed ? { highest: guest.session.highest, flows: guest.session.positions() } : null
    })
    const message = link.alloc(welcome.byteLength)
    message.set(welcome)
    link.write(message)
    guest.session.attach({
      link,
      sendKey,
      receiveKey: b4a.from(hello.datagramKey),
      resumed: resumed ? hello.resume : null
    })
  }

  #refuse(link: StreamLink, { code, message }: HyperNatError): void {
    this.#parts.log.info({ peer: shortKey(link.remoteKey), code }, 'client turned away')
    turnAway(link, code, message)
  }

  /** Why the holder of this key may not come with one device more; null when it may. */
  #refuseDevice(key: Uint8Array, visitor: Visitor): HyperNatError | null {
    const own = this.#sessionsOf(key)
    const refusal = refuseDevice(visitor, own.length, this.#parts.limits.guestSessions)
    return refusal && this.#makeRoom(own) ? null : refusal
  }

  #sessionsOf(key: Uint8Array): Guest[] {
    return [...this.#guests.values()].filter(guest => b4a.equals(guest.key, key))
  }

  /** Gives up a session that waits for its client: one that lost its connection may not keep others out. */
  #makeRoom(guests: Iterable<Guest> = this.#guests.values()): boolean {
    for (const { session } of guests) {
      if (session.state !== 'lost') continue
      session.close('SESSION_EXPIRED')
      return true
    }
    return false
  }

  /** The session that a client comes back to; only the client whose key it was. */
  #find(id: Uint8Array, key: Uint8Array): Guest | undefined {
    const guest = this.#guests.get(b4a.toString(id, 'hex'))
    return guest && b4a.equals(guest.key, key) ? guest : undefined
  }

  #admit(link: StreamLink, visitor: Visitor): Guest {
    const { clock, limits, log, random, timeOfDay, players, keyPair } = this.#parts
    const id = random(SESSION_ID_BYTES)
    const key = b4a.from(link.remoteKey)
    const address = players.enter(this.#playerOf(key), playerNumber(keyPair, key))
    const name = b4a.toString(id, 'hex')
    const session = new Session(
      'server',
      id,
      {
        clock,
        limits,
        defer: fn => setImmediate(fn),
        chance: Math.random,
        ration: this.#rationOf(link.remoteKey, visitor)
      },
      {
        up: () => this.#tellConnected(guest),
        lost: code => this.#tellDisconnected(guest, code),
        ended: (code, reason) => {
          const wasUp = guest.session.wasUp
          this.#guests.delete(name)
          this.#countGuests()
          this.#past.add(session)
          players.leave(this.#playerOf(guest.key))
          guest.udp.clear()
          log.debug({ peer: guest.label, code, reason }, 'session ended')
          if (wasUp) this.#tellDisconnected(guest, code)
        },
        silent: () => {
          this.#parts.node.ask()
          guest.link?.suspect()
        },
        open: (flow, proto) => this.#onOpen(guest, flow, proto),
        udp: (map, flow, payload) => this.#onUdp(guest, map, flow, payload),
        maps: () => {}
      }
    )
    const guest = new Guest(
      session,
      key,
      address,
      visitor,
      timeOfDay(),
      limits,
      (flow, { target }, cause) => {
        target.close()
        if (cause === 'full') {
          log.warn({ peer: guest.label, flow }, 'too many UDP flows: the one idle longest made room')
        }
      }
    )
    session.learnMaps(this.#maps.filter(map => mayUse(visitor, map)))
    this.#guests.set(name, guest)
    this.#countGuests()
    this.#admitted++
    // With the others' times, it is known when to look next.
    if (visitor.expires < Number.POSITIVE_INFINITY) this.#review()
    return guest
  }

  #countGuests(): void {
    const keys = new Set([...this.#guests.values()].map(({ key }) => b4a.toString(key, 'hex')))
    this.#isOneGuest = keys.size <= 1
  }

  /** Sessions of one key share one. */
  #rationOf(key: Uint8Array, visitor: Visitor): Ration {
    const { clock, limits, log } = this.#parts
    const peer = visitor.name ?? shortKey(key)
    return (
      this.#sessionsOf(key)[0]?.session.outside.ration ??
      new Ration(
        clock,
        limits,
        limit => log.warn({ peer, limit, perSecond: limits[limit] }, 'a guest is held to a limit'),
        () => this.#isOneGuest
      )
    )
  }

  #tellConnected(guest: Guest, was?: PathKind): void {
    const address = this.#shownAddress(guest)
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

  #has(feature: 'playerAddresses' | 'proxyProtocol'): boolean {
    return this.#maps.some(map => map[feature])
  }

  /** What tells a guest of this server from all others of the node. */
  #playerOf(key: Uint8Array): string {
    return `${this.publicKey} ${b4a.toString(key, 'hex')}`
  }

  /** The address that targets see, or are told of; null where they see the machine's own. */
  #shownAddress({ address }: Guest): string | null {
    const isSeen = this.#has('playerAddresses') && this.#parts.players.usable
    return isSeen || this.#has('proxyProtocol') ? address : null
  }

  /** The address to connect to a target from; undefined for the machine's own. */
  #sourceOf(map: SharedMap, { address }: Guest): string | undefined {
    return map.playerAddresses && this.#parts.players.usable ? address : undefined
  }

  /** Finds out whether the system has the addresses, if any map needs them. */
  async #tryAddresses(): Promise<void> {
    if (this.#has('playerAddresses') && !(await isOurs(playerAddress(0)))) this.#loseAddresses()
  }

  /** The system has no such addresses: this is told once. */
  #loseAddresses(): void {
    const { players, emit } = this.#parts
    if (!players.usable) return
    players.usable = false
    emit({
      event: 'warning',
      code: 'NO_PLAYER_ADDRESSES',
      message:
        'This system has no addresses for players (of 127.0.0.0/8 it has 127.0.0.1 alone, as macOS does), so every guest comes from 127.0.0.1: a ban of the game by address hits all of them.'
    })
  }

  #onOpen(guest: Guest, flow: ByteFlow, proto: 'tcp' | 'tcpudp'): ErrorCode | null {
    const { clock, limits, log } = this.#parts
    const map = this.#maps.find(map => map.id === flow.map && map.proto === proto)
    if (!map || !mayUse(guest.visitor, map)) return 'MAP_NOT_SHARED'
    const socket = dialTcp(map.host, map.port, this.#sourceOf(map, guest))
    const late = clock.after(limits.targetMs, () => {
      socket.destroy(Object.assign(new Error('The target does not answer.'), { code: 'ETIMEDOUT' }))
    })
    socket.once('connect', () => late.cancel())
    socket.once('close', () => late.cancel())
    joinTcp(
      socket,
      flow,
      err => {
        if (isNotOurs(err)) this.#loseAddresses()
        if (!socket.remoteAddress && socket.bytesRead === 0 && socket.bytesWritten === 0) {
          log.warn(
            { peer: guest.label, code: targetCode(err), target: `${map.host}:${map.port}` },
            'the target could not be reached'
          )
          return targetCode(err)
        }
        return 'FLOW_RESET'
      },
      () => {},
      map.proxyProtocol ? () => prefaceOf(guest, map, socket) : undefined
    )
    return null
  }

  #onUdp(guest: Guest, mapId: number, flow: number, payload: Uint8Array): void {
    // That one goes the other way only.
    if (flow === ANNOUNCEMENTS) return
    const { clock, log } = this.#parts
    const now = clock.now()
    let conversation = guest.udp.touch(flow, now)
    if (!conversation) {
      const map = this.#maps.find(({ id, proto }) => id === mapId && proto === 'udp')
      if (!map || !mayUse(guest.visitor, map)) return
      let told = false
      const target = dialUdp(
        map.host,
        map.port,
        answer => {
          guest.udp.touch(flow, clock.now())
          guest.session.sendUdp(mapId, flow, answer, map.duplicate)
        },
        err => {
          if (isNotOurs(err)) return this.#loseAddresses()
          if (told) return
          told = true
          log.info({ code: codeOf(err), target: `${map.host}:${map.port}` }, 'the UDP target does not answer')
        },
        this.#sourceOf(map, guest)
      )
      conversation = { map: mapId, target }
      guest.udp.add(flow, conversation, now)
      guest.session.converse(mapId)
    }
    conversation.target.send(payload)
  }
}

function isSameMap(a: ServerMapInfo, b: ServerMapInfo): boolean {
  return a.proto === b.proto && a.port === b.port && a.host === b.host
}

/**
 * What a target of the PROXY protocol is told: the guest's own address, whatever its path is, with the port of our connection,
 * so that both sides' logs name one connection alike.
 */
function prefaceOf(guest: Guest, map: SharedMap, socket: net.Socket): Uint8Array {
  const { localPort = 0, remoteAddress = guest.address, remotePort = map.port } = socket
  return proxyHeader(
    { address: guest.address, port: localPort },
    { address: remoteAddress, port: remotePort }
  )
}
