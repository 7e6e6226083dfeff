/** One server as this machine's programs see it: local ports for all the port maps to it, whichever of its hosts is used. */
import type net from 'node:net'
import type { Clock, Timer } from './clock.js'
import { HyperNatError } from './errors.js'
import type { ClientMapInfo, ConnectionInfo, DaemonEvent } from './events.js'
import { PendingDatagrams } from './flows/pending.js'
import { UdpFlows } from './flows/udp.js'
import type { Host } from './hosts/host.js'
import { Hosts } from './hosts/hosts.js'
import { encodeKey } from './identity/encoding.js'
import type { KeyPair } from './identity/keys.js'
import type { Limits } from './limits.js'
import type { Log } from './log.js'
import type { Node } from './network/node.js'
import type { ClientEntry } from './options/entry.js'
import { joinTcp, type Listener, listenTcp, reset } from './sockets/tcp.js'
import { listenUdp, type UdpListener } from './sockets/udp.js'

/** What a client is made of. */
export interface ClientParts {
  readonly node: Node
  readonly publicKey: Uint8Array
  readonly entries: readonly Pick<
    ClientEntry,
    'path' | 'proto' | 'port' | 'localPort' | 'localHost' | 'duplicate'
  >[]
  /** The key by which servers know this machine. */
  readonly keyPair: KeyPair
  readonly clock: Clock
  readonly limits: Limits
  readonly log: Log
  readonly random: (size: number) => Uint8Array
  readonly emit: (event: DaemonEvent) => void
}

/** A port map with its local sockets. */
interface OpenMap extends ClientMapInfo {
  /** Its place among those that the hosts are asked for. */
  readonly index: number
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
  /** When the table was last told of its activity, ms. */
  toldAt: number
  /** Where it leads: it stays there as long as there is a session, for the other side has its state there. */
  host: Host | null
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
  readonly #maps: OpenMap[] = []
  readonly #waiting = new Set<Waiting>()
  readonly #pending: PendingDatagrams
  readonly #flows: UdpFlows<string, UdpFlow>
  readonly #flowsById = new Map<number, UdpFlow>()
  #nextUdpFlow = 1
  #sweep: Timer | null = null
  #closed = false

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.publicKey = encodeKey(parts.publicKey)
    this.#hosts = new Hosts(
      { ...parts, maps: parts.entries },
      { up: () => this.#release(), udp: (host, flow, payload) => this.#onAnswer(host, flow, payload) }
    )
    this.#pending = new PendingDatagrams(parts.limits)
    this.#flows = new UdpFlows(
      parts.limits.udpFlows,
      parts.limits.udpIdleSeconds * 1000,
      (_key, flow, cause) => {
        this.#flowsById.delete(flow.id)
        flow.map.lastFlow = null
        if (cause === 'full') {
          parts.log.warn({ port: flow.map.localPort }, 'too many UDP flows: the one idle longest made room')
        }
      }
    )
  }

  /**
   * Opens the local ports, and begins to dial.
   * @throws HyperNatError PORT_IN_USE or LISTEN_FAILED, naming the entry; nothing stays open then
   */
  async listen(): Promise<void> {
    for (const { path, proto, port, localPort, localHost, duplicate = false } of this.#parts.entries) {
      const map: OpenMap = {
        index: this.#maps.length,
        proto,
        port,
        localHost,
        localPort,
        duplicate,
        listener: null,
        udp: null,
        lastFlow: null
      }
      this.#maps.push(map)
      try {
        if (proto === 'udp') {
          map.udp = await listenUdp(localHost, localPort, (payload, from) =>
            this.#onPayload(map, payload, from)
          )
          map.localPort = map.udp.port
        } else {
          map.listener = await listenTcp(localHost, localPort, socket => this.#onSocket(map, socket))
          map.localPort = map.listener.port
        }
      } catch (err) {
        await this.close()
        if (!(err instanceof HyperNatError)) throw err
        throw new HyperNatError(err.code, `${path}: ${err.message}`, { cause: err })
      }
    }
  }

  /** Begins to dial; returns the maps with the local ports that were bound. */
  start(): ClientMapInfo[] {
    const { emit, clock, limits } = this.#parts
    const maps = this.#maps.map(({ proto, port, localHost, localPort }) => ({
      proto,
      port,
      localHost,
      localPort
    }))
    emit({ event: 'ready', mode: 'client', publicKey: this.publicKey, maps })
    const sweep = (): void => {
      this.#flows.sweep(clock.now())
      this.#sweep = clock.after(Math.min(10_000, limits.udpIdleSeconds * 500), sweep)
    }
    sweep()
    this.#hosts.start()
    return maps
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
    await Promise.all(this.#maps.flatMap(({ listener, udp }) => [listener?.close(), udp?.close()]))
  }

  // --- TCP ---

  #onSocket(map: OpenMap, socket: net.Socket): void {
    const host = this.#hosts.pick(map.index)
    if (host) return this.#open(host, map, socket)
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

  #open(host: Host, map: OpenMap, socket: net.Socket): void {
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
          log.warn({ code, proto: map.proto, port: map.port }, 'connection closed: the server says why')
        }
      )
    } catch (err) {
      if (!(err instanceof HyperNatError)) throw err
      log.warn({ code: err.code, port: map.port }, err.message)
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
      if (host) this.#open(host, map, socket)
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
    if (!flow.host?.session) flow.host = this.#hosts.pick(index)
    const session = flow.host?.session
    const id = flow.host?.mapId(index) ?? null
    if (session?.state === 'up') {
      if (id !== null) session.sendUdp(id, flow.id, payload, flow.map.duplicate)
    } else if (!this.#hosts.refuse(index)) this.#pending.add(flow.id, payload, now)
  }

  /** The flow of a local program, a new one if it has none. */
  #flowOf(map: OpenMap, port: number, address: string, now: number): UdpFlow {
    const key = `${map.localPort}/${address}/${port}`
    let flow = this.#flows.touch(key, now)
    if (!flow) {
      flow = { id: this.#nextUdpFlow++, map, port, address, key, toldAt: now, host: null }
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
    flow.map.udp?.send(payload, flow.port, flow.address)
  }
}
