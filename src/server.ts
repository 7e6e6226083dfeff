/**
 * One shared secret at one host: announced once, with the port maps of all its entries; hears out clients, keeps their
 * sessions, and joins their flows to the targets. It listens on the key that all hosts of the secret share, where it is found
 * first, and on one of its own, where it can be told from the others.
 */
import b4a from 'b4a'
import { Access, mayUse, refuseDevice, sameMaps, type Visitor } from './access/access.js'
import type { AccessRules } from './access/rules.js'
import type { Clock, Timer } from './clock.js'
import type { ErrorCode } from './errors.js'
import { codeOf, HyperNatError } from './errors.js'
import type { DaemonEvent, PathKind, ServerMapInfo } from './events.js'
import type { ByteFlow } from './flows/byte-flow.js'
import { UdpFlows } from './flows/udp.js'
import { nameOfHost } from './hosts/host.js'
import { type ChildKeyPair, childKeyPair, hostName, RELAYED } from './identity/child.js'
import { encodeKey, shortKey } from './identity/encoding.js'
import type { KeyPair } from './identity/keys.js'
import { topicOf } from './identity/topic.js'
import type { Limits } from './limits.js'
import type { Log } from './log.js'
import { OFFLINE } from './network/dial-errors.js'
import type { Announced, Node } from './network/node.js'
import type { StreamLink } from './network/stream-link.js'
import type { Hello, WireMap } from './session/frames.js'
import { welcomeFrame } from './session/frames.js'
import { greetClient, turnAway } from './session/greeting.js'
import { Session } from './session/session.js'
import { KEY_BYTES, SESSION_ID_BYTES, VERSION } from './session/wire.js'
import { dialTcp, joinTcp, targetCode } from './sockets/tcp.js'
import { dialUdp, type UdpTarget } from './sockets/udp.js'
import { mapStatus, Past, type ServerStatus, sessionStatus } from './status.js'

/** A port map with the number that stands for it on the wire. */
type SharedMap = ServerMapInfo & WireMap

/** What a server is made of. */
export interface ServerParts {
  readonly node: Node
  readonly keyPair: KeyPair
  readonly maps: readonly ServerMapInfo[]
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
  readonly #greetings = new Set<() => void>()
  readonly #announcements: Announced[] = []
  #announced: ServerStatus['announced'] = 'announcing'
  #admitted = 0
  /** What sessions that are over have carried. */
  readonly #past = new Past()
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
  }

  /** Announces the server; resolves when it can be found. */
  async start(): Promise<void> {
    const { node, emit, clock, limits, keyPair } = this.#parts
    const onlink = (link: StreamLink) => this.#onLink(link)
    const hides = (key: Uint8Array) => this.#hides(key)
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
    await Promise.all(announcing)
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
  setMaps(maps: readonly ServerMapInfo[], ticket: string | undefined): void {
    const before = this.#maps
    this.#maps = maps.map(map => before.find(old => isSameMap(old, map)) ?? { ...map, id: this.#nextMap++ })
    this.#ticket = ticket
    for (const guest of this.#guests.values()) this.#changeMaps(guest, before)
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

  #hides(key: Uint8Array): boolean {
    const hidden = this.#access.hides(key, this.#parts.timeOfDay())
    if (hidden) this.#parts.log.info({ peer: shortKey(key) }, 'not invited: got no answer')
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
    await Promise.all(this.#announcements.map(announcement => announcement.close()))
  }

  #onLink(link: StreamLink): void {
    const { clock, limits, log } = this.#parts
    if (this.#closed || this.#greetings.size >= limits.greetings) return link.destroy()
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
    const own = [...this.#guests.values()].filter(guest => b4a.equals(guest.key, key))
    const refusal = refuseDevice(visitor, own.length)
    return refusal && this.#makeRoom(own) ? null : refusal
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
    const { clock, limits, log, random, timeOfDay } = this.#parts
    const id = random(SESSION_ID_BYTES)
    const name = b4a.toString(id, 'hex')
    const session = new Session(
      'server',
      id,
      { clock, limits, defer: fn => setImmediate(fn), chance: Math.random },
      {
        up: () => this.#tellConnected(guest),
        lost: code => this.#tellDisconnected(guest, code),
        ended: (code, reason) => {
          const wasUp = guest.session.wasUp
          this.#guests.delete(name)
          this.#past.add(session)
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
      b4a.from(link.remoteKey),
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
    this.#admitted++
    // With the others' times, it is known when to look next.
    if (visitor.expires < Number.POSITIVE_INFINITY) this.#review()
    return guest
  }

  #tellConnected(guest: Guest, was?: PathKind): void {
    this.#parts.emit({
      event: 'connected',
      ...this.#who(guest),
      path: guest.link!.path,
      ...(was && { was })
    })
  }

  #tellDisconnected(guest: Guest, code: string): void {
    this.#parts.emit({ event: 'disconnected', ...this.#who(guest), code })
  }

  #who({ key, visitor: { name } }: Guest) {
    const host = nameOfHost(this.#host)
    return { publicKey: this.publicKey, peer: encodeKey(key), ...(name !== undefined && { name }), host }
  }

  #onOpen(guest: Guest, flow: ByteFlow, proto: 'tcp' | 'tcpudp'): ErrorCode | null {
    const { clock, limits, log } = this.#parts
    const map = this.#maps.find(map => map.id === flow.map && map.proto === proto)
    if (!map || !mayUse(guest.visitor, map)) return 'MAP_NOT_SHARED'
    const socket = dialTcp(map.host, map.port)
    const late = clock.after(limits.targetMs, () => {
      socket.destroy(Object.assign(new Error('The target does not answer.'), { code: 'ETIMEDOUT' }))
    })
    socket.once('connect', () => late.cancel())
    socket.once('close', () => late.cancel())
    joinTcp(
      socket,
      flow,
      err => {
        if (!socket.remoteAddress && socket.bytesRead === 0 && socket.bytesWritten === 0) {
          log.warn(
            { peer: guest.label, code: targetCode(err), target: `${map.host}:${map.port}` },
            'the target could not be reached'
          )
          return targetCode(err)
        }
        return 'FLOW_RESET'
      },
      () => {}
    )
    return null
  }

  #onUdp(guest: Guest, mapId: number, flow: number, payload: Uint8Array): void {
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
          guest.session.sendUdp(mapId, flow, answer)
        },
        err => {
          if (told) return
          told = true
          log.info({ code: codeOf(err), target: `${map.host}:${map.port}` }, 'the UDP target does not answer')
        }
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
