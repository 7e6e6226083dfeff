/** One server as this machine's programs see it: local ports for all the port maps to it, whichever of its hosts is used. */
import type net from 'node:net'
import { type ErrorCode, HyperNatError } from '../errors.js'
import type { ClientMapInfo, ConnectionInfo, SharedMapInfo } from '../events.js'
import type { ByteFlow } from '../flows/byte-flow.js'
import { udpSweepMs } from '../flows/udp.js'
import { isAsked } from '../games/lobby.js'
import { encodeKey } from '../identity/encoding.js'
import type { KeyPair } from '../identity/keys.js'
import { makeQueryListener } from '../lan/query-listener.js'
import { LoopbackSender, Repeater } from '../lan/repeater.js'
import { REFUSED_REST_MS } from '../limits.js'
import { LogThrottle } from '../log/throttle.js'
import type { Deps } from '../network/deps.js'
import type { Proto } from '../proto.js'
import {
  type DatagramFlow,
  type FlowRemote,
  FlowStream,
  type FlowStreamOptions,
  flowError
} from '../sockets/flow-stream.js'
import type { Resources } from '../sockets/resources.js'
import type { SocketUsage } from '../sockets/socket-usage.js'
import { joinTcp, listenTcp, reset } from '../sockets/tcp.js'
import { listenUdp } from '../sockets/udp.js'
import { type ClientStatus, ClosedSessions, mapStatus, sessionStatus } from '../status.js'
import type { Timer } from '../util/clock.js'
import { ANNOUNCEMENTS, MAX_ANNOUNCEMENT } from '../wire/constants.js'
import type { RosterGuest } from '../wire/roster.js'
import type { DialCounts } from './hosts/dialler.js'
import type { Host } from './hosts/host.js'
import { Hosts } from './hosts/hosts.js'
import { closedMap, isSameMap, type MapEntry, mapInfo, type OpenMap, withHolders } from './open-map.js'
import { UdpFlowTable } from './udp-flows.js'

/** What a client is made of. */
export interface ClientDeps extends Deps {
  readonly publicKey: Uint8Array
  /** The key by which servers know this machine. */
  readonly keyPair: KeyPair
  /** Memory and descriptors of this process. */
  readonly resources: Resources
}

/** This side's end of a connection: a socket of a local program, or a stream of this process. */
interface LocalEnd {
  readonly map: OpenMap
  /** It leads somewhere now. */
  join(flow: ByteFlow): void
  /** It leads nowhere. */
  refuse(code: ErrorCode): void
  /** Calls back once, when it is closed. */
  onclose(closed: () => void): void
}

/** A connection that waits for a host. */
interface Waiting {
  readonly end: LocalEnd
  readonly timer: Timer
}

export class Client {
  readonly publicKey: string
  readonly #deps: ClientDeps
  readonly #hosts: Hosts
  /** By {@link OpenMap.index}; the places of those that are gone are used again. */
  readonly #places: (OpenMap | null)[] = []
  readonly #waiting = new Set<Waiting>()
  readonly #udpFlows: UdpFlowTable
  /** What sessions that are over have carried. */
  readonly #closedSessions = new ClosedSessions()
  readonly #refused: LogThrottle
  readonly #dials: DialCounts = { made: 0, failed: 0 }
  readonly #repeater: Repeater
  readonly #loopback: LoopbackSender
  #sweep: Timer | null = null
  #closed = false

  constructor(deps: ClientDeps) {
    this.#deps = deps
    this.#refused = new LogThrottle(deps.clock, REFUSED_REST_MS)
    this.publicKey = encodeKey(deps.publicKey)
    this.#hosts = new Hosts(
      {
        ...deps,
        counted: what => {
          this.#dials[what]++
        },
        tally: session => this.#closedSessions.add(session)
      },
      {
        up: () => this.#release(),
        udp: (host, flow, payload, map) => {
          if (flow === ANNOUNCEMENTS) this.#onAnnouncement(host, map, payload)
          else this.#udpFlows.answer(host, flow, payload)
        }
      }
    )
    this.#loopback = new LoopbackSender(deps.log)
    this.#repeater = new Repeater({
      ...deps,
      send: (payload, port) => this.#loopback.send(payload, port)
    })
    this.#udpFlows = new UdpFlowTable(deps, this.#hosts)
  }

  /**
   * Opens local ports: all of them, or none.
   * @throws HyperNatError PORT_IN_USE, SOCKET_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED, naming the entry, or CLOSED
   */
  async listen(entries: readonly MapEntry[]): Promise<void> {
    if (this.#closed) throw new HyperNatError('CLOSED', 'hyper-nat is being stopped.')
    const added = entries.map(entry => ({ entry, map: this.#place(entry) }))
    this.#hosts.setMaps([...this.#places])
    try {
      for (const { entry, map } of added) await this.#bind(map, entry)
    } catch (err) {
      await this.#remove(added.map(({ map }) => map))
      throw err
    }
  }

  #place(entry: MapEntry, inProcess = false): OpenMap {
    const free = this.#places.indexOf(null)
    const index = free < 0 ? this.#places.length : free
    const map = closedMap(entry, index, inProcess)
    this.#places[index] = map
    return map
  }

  async #bind(map: OpenMap, entry: MapEntry): Promise<void> {
    const { proto, localHost, wantedPort } = map
    try {
      if (proto === 'udp') {
        const asked = isAsked(map)
        map.udp = await listenUdp(
          localHost,
          wantedPort,
          (payload, from) => this.#udpFlows.payload(map, payload, from),
          asked
        )
        map.localPort = map.udp.port
        if (asked) await this.#listenForQueries(map, map.lobby!)
      } else {
        const onsocket = (socket: net.Socket): void => this.#onSocket(map, socket)
        map.listener = await listenTcp(localHost, wantedPort, onsocket, map.socketMode)
        map.localPort = map.listener.port
      }
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const [fault] = await withHolders([{ entry, err }])
      throw new HyperNatError(err.code, `${fault!.path}: ${fault!.message}`, { cause: err })
    }
    // Closed meanwhile, which knew nothing of this socket yet.
    if (this.#closed) throw new HyperNatError('CLOSED', `${entry.path}: hyper-nat is being stopped.`)
  }

  /** Closes local ports, and ends what goes through them. */
  async #remove(maps: readonly OpenMap[]): Promise<void> {
    const closing = maps.map(map => {
      const { listener, udp, queryListener } = map
      map.listener = null
      map.udp = null
      map.queryListener = null
      if (this.#places[map.index] === map) this.#places[map.index] = null
      this.#udpFlows.drop(map)
      return Promise.all([queryListener?.close(), listener?.close(), udp?.close()])
    })
    this.#hosts.setMaps([...this.#places])
    await Promise.all(closing)
  }

  async #listenForQueries(map: OpenMap, lobby: NonNullable<OpenMap['lobby']>): Promise<void> {
    const queryListener = makeQueryListener({
      ...this.#deps,
      lobby,
      port: map.localPort,
      onquery: (payload, from) => this.#udpFlows.question(map, payload, from)
    })
    map.queryListener = queryListener
    await queryListener.open()
  }

  /** Begins to dial. */
  start(): void {
    const { clock, limits } = this.#deps
    if (this.#closed) return
    this.#emitReady()
    const sweep = (): void => {
      this.#udpFlows.sweep()
      this.#sweep = clock.after(udpSweepMs(limits), sweep)
    }
    sweep()
    this.#hosts.start()
  }

  #emitReady(): void {
    this.#deps.emit({ event: 'ready', mode: 'client', publicKey: this.publicKey, maps: this.maps })
  }

  /** Those with local ports. */
  get #maps(): OpenMap[] {
    return this.#places.filter(map => map !== null && !map.inProcess) as OpenMap[]
  }

  /** The maps with the local ports that were bound. */
  get maps(): ClientMapInfo[] {
    return this.#maps.map(mapInfo)
  }

  /**
   * Other port maps from now on. Those that stay are not touched; connections of those that go are reset.
   * @throws HyperNatError PORT_IN_USE, SOCKET_IN_USE, ADDRESS_NOT_HERE or LISTEN_FAILED, naming the entry; none of the new ones is open then
   */
  async setMaps(entries: readonly MapEntry[]): Promise<void> {
    const fresh = [...entries]
    const gone = this.#maps.filter(map => {
      const same = fresh.findIndex(entry => isSameMap(map, entry))
      if (same >= 0) fresh.splice(same, 1)
      return same < 0
    })
    if (gone.length === 0 && fresh.length === 0) return
    await this.#remove(gone)
    try {
      await this.listen(fresh)
    } finally {
      if (!this.#closed) this.#emitReady()
    }
  }

  /** The connection to the host that new flows go to; null while there is none. */
  get connection(): ConnectionInfo | null {
    return this.#hosts.chosen?.connection ?? null
  }

  /** What the server shares, as far as it has said so. */
  get shared(): SharedMapInfo[] {
    return this.#hosts.shared
  }

  /** The connections to all hosts, in the order in which they were found. */
  get connections(): ConnectionInfo[] {
    return this.#hosts.connected.flatMap(host => host.connection ?? [])
  }

  /** Whether the NAT of the host in use is random, as it said itself; null while that is not known. */
  get serverIsRandom(): boolean | null {
    return this.#deps.node.isRandom(this.#hosts.chosen?.dialled ?? this.#hosts.key)
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
    const sessions = this.#hosts.live.map(host => {
      const conversations = this.#udpFlows.of(host)
      const { name, path, family, since } = host
      const peer = this.publicKey
      const session = host.session!
      const roster = session.state === 'up' ? session.roster.map(toldGuest) : []
      return {
        ...sessionStatus(session, { peer, host: name, path, family, since, conversations }),
        ...(roster.length > 0 && { roster })
      }
    })
    const past = this.#closedSessions.maps
    return {
      publicKey: this.publicKey,
      maps: this.#maps.map(map => ({ ...mapInfo(map), ...mapStatus(map, past, sessions) })),
      sessions,
      disconnected: this.#hosts.disconnected,
      overall: this.#closedSessions.overall(sessions),
      dials: this.#dials.made,
      failedDials: this.#dials.failed,
      waiting: this.#waiting.size,
      droppedWaiting: this.#udpFlows.dropped
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#sweep?.cancel()
    this.#hosts.close()
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const { end, timer } of waiting) {
      timer.cancel()
      end.refuse('CLOSED')
    }
    this.#udpFlows.close()
    await Promise.all([this.#loopback.close(), this.#remove(this.#maps)])
  }

  #onSocket(map: OpenMap, socket: net.Socket): void {
    const usage = this.#deps.resources.local.openSocket(() => reset(socket))
    // A reset, since the end that the system would send for want of descriptors looks like a clean one.
    if (!usage) return reset(socket)
    socket.once('close', () => usage.close())
    this.#connect({
      map,
      join: flow => this.#join(socket, flow, map, usage),
      refuse: () => reset(socket),
      onclose: closed => socket.once('close', closed)
    })
  }

  #join(socket: net.Socket, flow: ByteFlow, { proto, port }: OpenMap, usage: SocketUsage): void {
    const { log } = this.#deps
    joinTcp(
      socket,
      flow,
      () => 'FLOW_RESET',
      code => {
        if (code === 'FLOW_RESET' || code === 'CLOSED') return
        const level = this.#refused.admits(`${code} ${proto} ${port}`) ? 'warn' : 'debug'
        log[level]({ code, proto, port }, flowError(code).message)
      },
      undefined,
      usage
    )
  }

  /**
   * Opens a stream to one of the server's ports. What is written goes out when there is a session.
   * @throws HyperNatError TOO_MANY_FLOWS, CLOSED
   */
  stream(proto: Exclude<Proto, 'udp'>, port: number, options: FlowStreamOptions = {}): FlowStream {
    const map = this.#inProcess(proto, port)
    let stream: FlowStream | null = null
    const usage = this.#deps.resources.local.openSocket(() => stream?.destroy(flowError('TOO_MANY_FLOWS')))
    if (!usage) throw flowError('TOO_MANY_FLOWS')
    const opened = new FlowStream(() => this.#remote, options)
    stream = opened
    opened.count(usage)
    this.#connect({
      map,
      join: flow => opened.join(flow),
      refuse: code => opened.fail(code),
      onclose: closed => opened.once('close', closed)
    })
    return opened
  }

  /**
   * Opens a UDP flow to one of the server's ports.
   * @throws HyperNatError CLOSED
   */
  datagrams(port: number): DatagramFlow {
    return this.#udpFlows.open(this.#inProcess('udp', port), () => this.#remote)
  }

  get #remote(): FlowRemote {
    return { publicKey: this.publicKey, name: undefined, path: this.#hosts.chosen?.path ?? null }
  }

  /** The port map that flows of this process use. */
  #inProcess(proto: Proto, port: number): OpenMap {
    if (this.#closed) throw new HyperNatError('CLOSED', 'The connection to the server is closed.')
    const known = this.#places.find(map => map?.inProcess && map.proto === proto && map.port === port)
    if (known) return known
    const map = this.#place({ path: '', proto, port, localHost: '', localPort: 0 }, true)
    this.#hosts.setMaps([...this.#places])
    return map
  }

  /** Connects a local end to a host. Where none is there yet, it waits as long as flows wait for a session that is lost, which may come back. */
  #connect(end: LocalEnd): void {
    const { clock, limits } = this.#deps
    const { index } = end.map
    const host = this.#hosts.pick(index)
    if (host) return this.#open(host, end)
    if (this.#hosts.refuse(index)) return end.refuse('MAP_NOT_SHARED')
    if (this.#waiting.size >= limits.tcpFlows) return end.refuse('TOO_MANY_FLOWS')
    const waiting: Waiting = {
      end,
      timer: clock.after(Math.max(limits.targetMs, limits.resumeSeconds * 1000), () => {
        this.#waiting.delete(waiting)
        end.refuse('SERVER_UNREACHABLE')
      })
    }
    this.#waiting.add(waiting)
    end.onclose(() => {
      waiting.timer.cancel()
      this.#waiting.delete(waiting)
    })
  }

  #open(host: Host, end: LocalEnd): void {
    const { log } = this.#deps
    const { map } = end
    const session = host.session
    const id = host.mapId(map.index)
    if (!session || id === null) return end.refuse('CONNECTION_LOST')
    try {
      end.join(session.connect(id, map.proto === 'tcp' ? 'tcp' : 'tcpudp'))
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      const level = this.#refused.admits(`${err.code} ${map.port}`) ? 'warn' : 'debug'
      log[level]({ code: err.code, port: map.port }, err.message)
      end.refuse(err.code)
    }
  }

  /** A session is up: what waited for one goes on. */
  #release(): void {
    for (const waiting of [...this.#waiting]) {
      const { end, timer } = waiting
      const host = this.#hosts.pick(end.map.index)
      if (!host && !this.#hosts.refuse(end.map.index)) continue
      timer.cancel()
      this.#waiting.delete(waiting)
      if (host) this.#open(host, end)
      else end.refuse('MAP_NOT_SHARED')
    }
    this.#udpFlows.release()
  }

  /** A host's daemon has forwarded an announcement of its game. */
  #onAnnouncement(host: Host, mapId: number, payload: Uint8Array): void {
    const map = this.#maps.find(({ index }) => host.mapId(index) === mapId)
    if (map && payload.byteLength <= MAX_ANNOUNCEMENT) this.#repeater.repeat(map, payload)
  }
}

function toldGuest({ name, rtt }: RosterGuest): { name?: string; rtt: number | null } {
  return { ...(name !== '' && { name }), rtt }
}
