/** One server as this machine's programs see it: local ports for all the port maps to it, whichever of its hosts is used. */
import type net from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { LOCALHOST } from './address-text.js'
import type { Timer } from './clock.js'
import { type ErrorCode, HyperNatError } from './errors.js'
import type { ClientMapInfo, ConnectionInfo } from './events.js'
import { PendingDatagrams } from './flows/pending.js'
import { UdpFlows, udpSweepMs } from './flows/udp.js'
import type { DialCounts } from './hosts/dialler.js'
import type { Host } from './hosts/host.js'
import { Hosts } from './hosts/hosts.js'
import { encodeKey } from './identity/encoding.js'
import type { KeyPair } from './identity/keys.js'
import { withPort } from './lan/port-field.js'
import { isAsked, queryEar } from './lan/query-ear.js'
import { LoopbackSender, Repeater } from './lan/repeater.js'
import { FULL_REST_MS, REFUSED_REST_MS } from './limits.js'
import type { ClientEntry } from './options/entry.js'
import type { Outside } from './outside.js'
import { Seldom } from './seldom.js'
import { ANNOUNCEMENTS, MAX_ANNOUNCEMENT } from './session/wire.js'
import { joinTcp, type Listener, listenTcp, reset } from './sockets/tcp.js'
import { listenUdp, type UdpListener } from './sockets/udp.js'
import { type ClientStatus, mapStatus, Past, sessionStatus } from './status.js'

/** A port map to open. */
export type MapEntry = Pick<
  ClientEntry,
  'path' | 'proto' | 'port' | 'localPort' | 'localHost' | 'lobby' | 'duplicate'
>

/** What a client is made of. */
export interface ClientParts extends Outside {
  readonly publicKey: Uint8Array
  readonly entries: readonly MapEntry[]
  /** The key by which servers know this machine. */
  readonly keyPair: KeyPair
}

/** A port map with its local sockets. */
interface OpenMap extends ClientMapInfo {
  /** What its game's LAN discovery wants of it. */
  readonly lobby: ClientEntry['lobby']
  /** Hears what games ask the LAN. */
  ear: { close(): Promise<void> } | null
  /** Its place among those that the hosts are asked for. */
  readonly index: number
  /** The local port that was asked for: 0 for any free one. */
  readonly wantedPort: number
  listener: Listener | null
  udp: UdpListener | null
  /** Whether small payloads to the server are sent twice. */
  readonly duplicate: boolean
  /** Whose datagram came last: most often the next one's too, and then nothing is looked up. */
  lastFlow: UdpFlow | null
}

/** One local program on a UDP map. */
interface UdpFlow {
  readonly id: number
  readonly map: OpenMap
  readonly port: number
  readonly address: string
  readonly key: string
  /** Whether it is a game's question to the whole LAN. */
  readonly lan: boolean
  /** When the table was last told of its activity, ms. */
  toldAt: number
  /** Where it leads: it stays there as long as there is a session, for the other side has its state there. */
  host: Host | null
}

/** Why the server closed a connection, where its user can do something about it. */
const WHY_CLOSED: Partial<Record<ErrorCode, string>> = {
  TARGET_REFUSED: 'the port is closed at the server; is the program running there?',
  TARGET_TIMEOUT: 'the program did not answer the server; is it running?',
  TARGET_UNREACHABLE:
    'the server has no way to the computer whose port it shares; its owner can see why in the log',
  MAP_NOT_SHARED: 'the server does not share this port (any more)',
  SESSION_EXPIRED: 'the server was away for too long',
  GOODBYE: 'the server was stopped'
}

/** A connection that waits for a host. */
interface Waiting {
  readonly socket: net.Socket
  readonly map: OpenMap
  readonly timer: Timer
}

export class Client {
  readonly publicKey: string
  readonly #parts: ClientParts
  readonly #hosts: Hosts
  /** By {@link OpenMap.index}; the places of those that are gone are used again. */
  readonly #places: (OpenMap | null)[] = []
  readonly #waiting = new Set<Waiting>()
  readonly #pending: PendingDatagrams
  readonly #flows: UdpFlows<string, UdpFlow>
  readonly #flowsById = new Map<number, UdpFlow>()
  /** What sessions that are over have carried. */
  readonly #past = new Past()
  readonly #refused: Seldom
  readonly #dials: DialCounts = { made: 0, failed: 0 }
  readonly #repeater: Repeater
  readonly #loopback: LoopbackSender
  #nextUdpFlow = 1
  #sweep: Timer | null = null
  #closed = false

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.#refused = new Seldom(parts.clock, REFUSED_REST_MS)
    this.publicKey = encodeKey(parts.publicKey)
    this.#hosts = new Hosts(
      {
        ...parts,
        maps: this.#places,
        dials: this.#dials,
        tally: session => this.#past.add(session)
      },
      {
        up: () => this.#release(),
        udp: (host, flow, payload, map) => {
          if (flow === ANNOUNCEMENTS) this.#onAnnouncement(host, map, payload)
          else this.#onAnswer(host, flow, payload)
        }
      }
    )
    this.#loopback = new LoopbackSender(parts.log)
    this.#repeater = new Repeater({
      ...parts,
      send: (payload, port) => this.#loopback.send(payload, port)
    })
    this.#pending = new PendingDatagrams(parts.limits)
    const full = new Seldom(parts.clock, FULL_REST_MS)
    this.#flows = new UdpFlows(
      parts.limits.udpFlows,
      parts.limits.udpIdleSeconds * 1000,
      (_key, flow, cause) => {
        this.#flowsById.delete(flow.id)
        flow.map.lastFlow = null
        if (cause === 'full') {
          const level = full.admits('full') ? 'warn' : 'debug'
          parts.log[level]({ port: flow.map.localPort }, 'too many UDP flows: the one idle longest made room')
        }
      }
    )
  }

  /**
   * Opens the local ports.
   * @throws HyperNatError PORT_IN_USE or LISTEN_FAILED, naming the entry; nothing stays open then
   */
  async listen(): Promise<void> {
    try {
      await this.#bind(this.#parts.entries)
    } catch (err) {
      await this.close()
      throw err
    }
  }

  /** Opens local ports: all of them, or none. */
  async #bind(entries: readonly MapEntry[]): Promise<void> {
    const bound: OpenMap[] = []
    try {
      for (const entry of entries) {
        const map = this.#place(entry)
        bound.push(map)
        await this.#open(map, entry.path)
      }
    } catch (err) {
      await Promise.all(bound.map(map => this.#shut(map)))
      throw err
    }
  }

  #place({ proto, port, localHost, localPort, lobby, duplicate = false }: MapEntry): OpenMap {
    const free = this.#places.indexOf(null)
    const index = free < 0 ? this.#places.length : free
    const map: OpenMap = {
      index,
      proto,
      port,
      localHost,
      localPort,
      wantedPort: localPort,
      lobby,
      duplicate,
      ear: null,
      listener: null,
      udp: null,
      lastFlow: null
    }
    this.#places[index] = map
    return map
  }

  async #open(map: OpenMap, path: string): Promise<void> {
    const { proto, localHost, wantedPort } = map
    try {
      if (proto === 'udp') {
        const asked = isAsked(map)
        map.udp = await listenUdp(
          localHost,
          wantedPort,
          (payload, from) => this.#onPayload(map, payload, from),
          asked
        )
        map.localPort = map.udp.port
        if (asked) await this.#openEar(map, map.lobby!)
      } else {
        map.listener = await listenTcp(localHost, wantedPort, socket => this.#onSocket(map, socket))
        map.localPort = map.listener.port
      }
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      throw new HyperNatError(err.code, `${path}: ${err.message}`, { cause: err })
    }
    // Closed meanwhile, which knew nothing of this socket yet.
    if (this.#closed) throw new HyperNatError('CLOSED', `${path}: hyper-nat is being stopped.`)
  }

  /** Closes a local port, and ends what goes through it. */
  async #shut(map: OpenMap): Promise<void> {
    const { listener, udp, ear } = map
    map.listener = null
    map.udp = null
    map.ear = null
    if (this.#places[map.index] === map) this.#places[map.index] = null
    this.#flows.drop(flow => flow.map === map)
    await Promise.all([ear?.close(), listener?.close(), udp?.close()])
  }

  async #openEar(map: OpenMap, lobby: NonNullable<OpenMap['lobby']>): Promise<void> {
    const ear = queryEar({
      ...this.#parts,
      lobby,
      port: map.localPort,
      onquery: (payload, from) => {
        const now = this.#parts.clock.now()
        this.#send(this.#flowOf(map, from.port, from.address, now, true), payload, now)
      }
    })
    map.ear = ear
    await ear.open()
  }

  /** Begins to dial. */
  start(): void {
    const { clock, limits } = this.#parts
    this.#tellReady()
    const sweep = (): void => {
      this.#flows.sweep(clock.now())
      this.#sweep = clock.after(udpSweepMs(limits), sweep)
    }
    sweep()
    this.#hosts.start()
  }

  #tellReady(): void {
    this.#parts.emit({ event: 'ready', mode: 'client', publicKey: this.publicKey, maps: this.maps })
  }

  get #maps(): OpenMap[] {
    return this.#places.filter(map => map !== null)
  }

  /** The maps with the local ports that were bound. */
  get maps(): ClientMapInfo[] {
    return this.#maps.map(mapInfo)
  }

  /**
   * Other port maps from now on. Those that stay are not touched; connections of those that go are reset.
   * @throws HyperNatError PORT_IN_USE or LISTEN_FAILED, naming the entry; none of the new ones is open then
   */
  async setMaps(entries: readonly MapEntry[]): Promise<void> {
    const fresh = [...entries]
    const gone = this.#maps.filter(map => {
      const same = fresh.findIndex(entry => isSameMap(map, entry))
      if (same >= 0) fresh.splice(same, 1)
      return same < 0
    })
    if (gone.length === 0 && fresh.length === 0) return
    await Promise.all(gone.map(map => this.#shut(map)))
    try {
      await this.#bind(fresh)
    } finally {
      this.#hosts.rewant()
      if (!this.#closed) this.#tellReady()
    }
  }

  /** The connection to the host that new flows go to; null while there is none. */
  get connection(): ConnectionInfo | null {
    return this.#hosts.chosen?.connection ?? null
  }

  /** The connections to all hosts, in the order in which they were found. */
  get connections(): ConnectionInfo[] {
    return this.#hosts.connected.flatMap(host => host.connection ?? [])
  }

  /** Whether the NAT of the host in use is random, as it said itself; null while that is not known. */
  get serverIsRandom(): boolean | null {
    return this.#parts.node.isRandom(this.#hosts.chosen?.dialled ?? this.#hosts.key)
  }

  /**
   * Measures the path once: the round trip in ms, or null when there is no connection or no answer in time.
   * @param name the host to ask; the one that new flows go to if left out
   */
  ping(name?: string): Promise<number | null> {
    const hosts = this.#hosts
    const host = name === undefined ? hosts.chosen : hosts.connected.find(host => host.name === name)
    return new Promise(resolve => (host?.session ? host.session.ping(resolve) : resolve(null)))
  }

  status(): ClientStatus {
    const flows = this.#flows.values()
    const sessions = this.#hosts.live.map(host => {
      const conversations = flows.flatMap(flow =>
        flow.host === host ? (host.mapId(flow.map.index) ?? []) : []
      )
      const { name, path, since } = host
      return sessionStatus(host.session!, { peer: this.publicKey, host: name, path, since, conversations })
    })
    const past = this.#past.maps
    return {
      publicKey: this.publicKey,
      maps: this.#maps.map(map => ({ ...mapInfo(map), ...mapStatus(map, past, sessions) })),
      sessions,
      overall: this.#past.overall(sessions),
      dials: this.#dials.made,
      failedDials: this.#dials.failed,
      waiting: this.#waiting.size,
      droppedWaiting: this.#pending.dropped
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#sweep?.cancel()
    this.#hosts.close()
    for (const { socket, timer } of this.#waiting) {
      timer.cancel()
      reset(socket)
    }
    this.#waiting.clear()
    this.#flows.clear()
    await Promise.all([this.#loopback.close(), ...this.#maps.map(map => this.#shut(map))])
  }

  // --- TCP ---

  #onSocket(map: OpenMap, socket: net.Socket): void {
    const host = this.#hosts.pick(map.index)
    if (host) return this.#connect(host, map, socket)
    // No host is there yet: hold the connection for a while, as a program that dials a slow host would wait.
    const { clock, limits } = this.#parts
    if (this.#hosts.refuse(map.index)) return reset(socket)
    if (this.#waiting.size >= limits.tcpFlows) return reset(socket)
    const waiting: Waiting = {
      socket,
      map,
      timer: clock.after(limits.targetMs, () => {
        this.#waiting.delete(waiting)
        reset(socket)
      })
    }
    this.#waiting.add(waiting)
    socket.once('close', () => {
      waiting.timer.cancel()
      this.#waiting.delete(waiting)
    })
  }

  #connect(host: Host, map: OpenMap, socket: net.Socket): void {
    const { log } = this.#parts
    const session = host.session
    const id = host.mapId(map.index)
    if (!session || id === null) return reset(socket)
    try {
      const flow = map.proto === 'tcp' ? session.openFlow(id) : session.tcpudp.open(id)
      joinTcp(
        socket,
        flow,
        () => 'FLOW_RESET',
        code => {
          if (code === 'FLOW_RESET') return
          const { proto, port } = map
          const level = this.#refused.admits(`${code} ${proto} ${port}`) ? 'warn' : 'debug'
          log[level]({ code, proto, port }, `connection closed: ${WHY_CLOSED[code] ?? 'the code says why'}`)
        }
      )
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const level = this.#refused.admits(`${err.code} ${map.port}`) ? 'warn' : 'debug'
      log[level]({ code: err.code, port: map.port }, err.message)
      reset(socket)
    }
  }

  /** A session is up: what waited for one goes on. */
  #release(): void {
    for (const waiting of [...this.#waiting]) {
      const { socket, map, timer } = waiting
      const host = this.#hosts.pick(map.index)
      if (!host && !this.#hosts.refuse(map.index)) continue
      timer.cancel()
      this.#waiting.delete(waiting)
      if (host) this.#connect(host, map, socket)
      else reset(socket)
    }
    const now = this.#parts.clock.now()
    for (const { flow: id, payload } of this.#pending.take(now)) {
      const flow = this.#flowsById.get(id)
      if (flow) this.#send(flow, payload, now)
    }
  }

  // --- UDP ---

  #onPayload(map: OpenMap, payload: Uint8Array, from: { port: number; address: string }): void {
    const now = this.#parts.clock.now()
    const { port, address } = from
    let flow = map.lastFlow
    if (flow?.port === port && flow.address === address) this.#touch(flow, now)
    else flow = map.lastFlow = this.#flowOf(map, port, address, now)
    this.#send(flow, payload, now)
  }

  #send(flow: UdpFlow, payload: Uint8Array, now: number): void {
    const { index } = flow.map
    if (!flow.host?.session) {
      flow.host = this.#hosts.pick(index)
      const id = flow.host?.mapId(index) ?? null
      if (id !== null) flow.host?.session?.converse(id)
    }
    const session = flow.host?.session
    const id = flow.host?.mapId(index) ?? null
    if (session?.state === 'up') {
      if (id !== null) session.sendUdp(id, flow.id, payload, flow.map.duplicate)
    } else if (!this.#hosts.refuse(index)) this.#pending.add(flow.id, payload, now)
  }

  /**
   * The flow of a local program, a new one if it has none.
   * @param lan whether it asks the whole LAN
   */
  #flowOf(map: OpenMap, port: number, address: string, now: number, lan = false): UdpFlow {
    const key = `${lan ? 'lan ' : ''}${map.index}/${address}/${port}`
    let flow = this.#flows.touch(key, now)
    if (!flow) {
      flow = { id: this.#nextUdpFlow++, map, port, address, key, lan, toldAt: now, host: null }
      this.#flows.add(key, flow, now)
      this.#flowsById.set(flow.id, flow)
    }
    return flow
  }

  #touch(flow: UdpFlow, now: number): void {
    if (now - flow.toldAt < this.#parts.limits.udpTouchMs) return
    flow.toldAt = now
    this.#flows.touch(flow.key, now)
  }

  #onAnswer(host: Host, id: number, payload: Uint8Array): void {
    const flow = this.#flowsById.get(id)
    // What a host says whose flow has moved on belongs to a conversation that is over.
    if (!flow || flow.host !== host) return
    this.#touch(flow, this.#parts.clock.now())
    if (flow.lan) this.#answerLan(flow, payload)
    else flow.map.udp?.send(payload, flow.port, flow.address)
  }

  /** Answers from loopback, so that the game goes there; a socket for all addresses hears it there, too. */
  #answerLan({ map, port, address }: UdpFlow, payload: Uint8Array): void {
    const discovery = map.lobby?.discovery
    const answer =
      discovery?.how === 'client-queries' ? withPort(discovery.answer, payload, map.localPort) : payload
    // Not every system sends from loopback to the machine's address in the LAN.
    map.udp?.send(answer, port, address, () => {
      if (!this.#closed) map.udp?.send(answer, port, LOCALHOST)
    })
  }

  /** A host's daemon has heard its game tell the LAN of itself. */
  #onAnnouncement(host: Host, mapId: number, payload: Uint8Array): void {
    const map = this.#maps.find(({ index }) => host.mapId(index) === mapId)
    if (map && payload.byteLength <= MAX_ANNOUNCEMENT) this.#repeater.repeat(map, payload)
  }
}

function mapInfo({ proto, port, localHost, localPort }: OpenMap): ClientMapInfo {
  return { proto, port, localHost, localPort }
}

function isSameMap(map: OpenMap, entry: MapEntry): boolean {
  const { proto, port, localHost, localPort, lobby, duplicate = false } = entry
  return (
    map.proto === proto &&
    map.port === port &&
    map.localHost === localHost &&
    map.wantedPort === localPort &&
    map.duplicate === duplicate &&
    isDeepStrictEqual(map.lobby, lobby)
  )
}
