/**
 * One server as its client sees it: local ports for all the port maps to it, and one session, dialled again whenever its
 * connection is gone.
 *
 *             dial failed: wait, again
 *               +-----------+
 *               v           |            connection gone, or silent: dial beside it
 *            DIALLING ------+      +--------------------------------------------------+
 *               |                  v                                                  |
 *               +---- WELCOME --> UP --------------------------------------------------+
 */
import type net from 'node:net'
import b4a from 'b4a'
import type { Clock, Timer } from './clock.js'
import { type ErrorCode, HyperNatError } from './errors.js'
import type { ClientMapInfo, DaemonEvent } from './events.js'
import { PendingDatagrams } from './flows/pending.js'
import { UdpFlows } from './flows/udp.js'
import { childPublicKey } from './identity/child.js'
import { encodeKey } from './identity/encoding.js'
import type { KeyPair } from './identity/keys.js'
import type { Limits } from './limits.js'
import type { Log } from './log.js'
import { Backoff } from './network/backoff.js'
import { RELAY_FAILED } from './network/dial-errors.js'
import type { NetworkChange } from './network/network-watch.js'
import type { Node } from './network/node.js'
import type { StreamLink } from './network/stream-link.js'
import type { ClientEntry } from './options/entry.js'
import type { Welcome } from './session/frames.js'
import { greetServer } from './session/greeting.js'
import { Session } from './session/session.js'
import { KEY_BYTES } from './session/wire.js'
import { joinTcp, type Listener, listenTcp, reset } from './sockets/tcp.js'
import { listenUdp, type UdpListener } from './sockets/udp.js'

/** What a client is made of. */
export interface ClientParts {
  readonly node: Node
  readonly publicKey: Uint8Array
  readonly entries: readonly Pick<ClientEntry, 'path' | 'proto' | 'port' | 'localPort' | 'localHost'>[]
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
  /** The server's number for the map on this session; null when the server does not share it. */
  remote: number | null
  listener: Listener | null
  udp: UdpListener | null
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
}

/** A connection that waits for the first session. */
interface Waiting {
  readonly socket: net.Socket
  readonly map: OpenMap
  readonly timer: Timer
}

export class Client {
  readonly publicKey: string
  readonly #parts: ClientParts
  readonly #announced: Uint8Array
  readonly #maps: OpenMap[] = []
  readonly #backoff: Backoff
  readonly #waiting = new Set<Waiting>()
  readonly #pending: PendingDatagrams
  readonly #flows: UdpFlows<string, UdpFlow>
  readonly #flowsById = new Map<number, UdpFlow>()
  #nextUdpFlow = 1
  #session: Session | null = null
  #link: StreamLink | null = null
  #unwatch: (() => void) | null = null
  #giveUp: (() => void) | null = null
  #redial: Timer | null = null
  #sweep: Timer | null = null
  /** The causes of waiting that were told since the session was up last. */
  readonly #told = new Set<ErrorCode>()
  #closed = false

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.publicKey = encodeKey(parts.publicKey)
    this.#announced = childPublicKey(parts.publicKey)
    this.#backoff = new Backoff(parts.limits)
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
    for (const { path, proto, port, localPort, localHost } of this.#parts.entries) {
      const map: OpenMap = {
        proto,
        port,
        localHost,
        localPort,
        remote: null,
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
    this.#unwatch = this.#parts.node.onChange(changes => this.#onNetworkChange(changes))
    this.#dial()
    return maps
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unwatch?.()
    this.#redial?.cancel()
    this.#sweep?.cancel()
    this.#giveUp?.()
    this.#giveUp = null
    this.#session?.close('GOODBYE', 'The client was stopped.')
    for (const { socket, timer } of this.#waiting) {
      timer.cancel()
      reset(socket)
    }
    this.#waiting.clear()
    this.#flows.clear()
    await Promise.all(this.#maps.flatMap(({ listener, udp }) => [listener?.close(), udp?.close()]))
  }

  // --- the connection ---

  #dial(): void {
    if (this.#closed || this.#giveUp) return
    this.#redial?.cancel()
    this.#redial = null
    const { node, keyPair } = this.#parts
    const giveUp = node.dial(this.#announced, keyPair, result => {
      if (this.#giveUp === giveUp) this.#giveUp = null
      if (result instanceof HyperNatError) this.#onFailure(result)
      else this.#greet(result)
    })
    this.#giveUp = giveUp
  }

  /** Dials at once, beside a connection if there is one; what is under way may wait for answers that cannot come. */
  #dialAnew(): void {
    this.#backoff.reset()
    const giveUp = this.#giveUp
    this.#giveUp = null
    giveUp?.()
    this.#dial()
  }

  #onNetworkChange(changes: ReadonlySet<NetworkChange>): void {
    const severed = changes.has('lost') || changes.has('woken')
    if (this.#session?.state === 'up' && !severed) this.#session.doubt()
    else this.#dialAnew()
  }

  #greet(link: StreamLink): void {
    const { clock, limits, random, publicKey } = this.#parts
    const sendKey = random(KEY_BYTES)
    const session = this.#session
    const resume =
      session && session.state !== 'ended'
        ? { session: session.id, highest: session.highest, flows: session.positions() }
        : null
    const giveUp = greetServer(
      { link, sharedKey: publicKey, clock, timeoutMs: limits.greetingMs },
      { datagramKey: sendKey, resume },
      result => {
        // Given up for another dial.
        if (this.#giveUp !== giveUp) return
        this.#giveUp = null
        if (!(result instanceof HyperNatError)) this.#onWelcome(link, result, sendKey)
        // A server says why it ends a connection; a relay that turns one away cannot.
        else if (result.code === 'CONNECTION_LOST' && link.path === 'relayed') this.#onFailure(RELAY_FAILED)
        else this.#onFailure(result)
      }
    )
    this.#giveUp = giveUp
  }

  #onFailure(err: HyperNatError): void {
    if (this.#closed || this.#session?.state === 'up') return
    const { emit, clock } = this.#parts
    if (!this.#told.has(err.code)) {
      this.#told.add(err.code)
      emit({ event: 'waiting', publicKey: this.publicKey, code: err.code, message: err.message })
    }
    this.#redial?.cancel()
    this.#redial = clock.after(this.#backoff.next(clock.now()), () => this.#dial())
  }

  #onWelcome(link: StreamLink, welcome: Welcome, sendKey: Uint8Array): void {
    if (welcome.resumed && !this.#session) {
      // Its time ran out while the server was answering.
      link.destroy()
      return this.#onFailure(new HyperNatError('SESSION_EXPIRED', 'The session ended before it came back.'))
    }
    this.#backoff.reset()
    this.#told.clear()
    this.#redial?.cancel()
    if (!welcome.resumed) {
      // A new session, or a server that was restarted and does not know the old one.
      const old = this.#session
      this.#session = this.#newSession(b4a.from(welcome.session))
      // Its connection may not have been missed yet.
      if (old?.state === 'up') this.#tellDisconnected('SESSION_EXPIRED')
      old?.close('SESSION_EXPIRED')
    }
    this.#learnMaps(welcome)
    this.#link = link
    this.#session!.attach({
      link,
      sendKey,
      receiveKey: b4a.from(welcome.datagramKey),
      resumed: welcome.resumed
    })
    if (this.#session!.state !== 'up') return
    link.onpath = () => {
      if (this.#session?.link === link) this.#tellConnected(link)
    }
    this.#tellConnected(link)
    this.#release()
  }

  #tellConnected({ path }: StreamLink): void {
    const { publicKey } = this
    this.#parts.emit({ event: 'connected', publicKey, peer: publicKey, path })
  }

  #tellDisconnected(code: string): void {
    const { publicKey } = this
    this.#parts.emit({ event: 'disconnected', publicKey, peer: publicKey, code })
  }

  #newSession(id: Uint8Array): Session {
    const { clock, limits } = this.#parts
    const session: Session = new Session(
      'client',
      id,
      { clock, limits, defer: fn => setImmediate(fn), chance: Math.random },
      {
        up: () => {},
        lost: code => {
          this.#tellDisconnected(code)
          this.#dial()
        },
        ended: (code, reason) => {
          if (this.#session !== session) return
          this.#session = null
          if (this.#closed) return
          if (session.wasUp) {
            this.#tellDisconnected(code)
            this.#onFailure(new HyperNatError(code, reason || `The session ended (${code}).`))
          }
        },
        silent: ms => {
          if (ms < limits.silentMs) return
          this.#link?.suspect()
          this.#dial()
        },
        open: () => 'PROTOCOL_ERROR' as ErrorCode,
        udp: (_map, flow, payload) => this.#onAnswer(flow, payload)
      }
    )
    return session
  }

  /** Finds the server's numbers for our maps, and says which it does not share. */
  #learnMaps(welcome: Welcome): void {
    for (const map of this.#maps) {
      const { proto, port } = map
      const found = welcome.maps.find(remote => remote.proto === proto && remote.port === port)
      const missing = !found && (map.remote !== null || !welcome.resumed)
      map.remote = found?.id ?? null
      if (!missing) continue
      const shared = welcome.maps.map(remote => `${remote.proto} ${remote.port}`).join(', ') || 'nothing'
      this.#parts.emit({
        event: 'warning',
        code: 'MAP_NOT_SHARED',
        message: `The server does not share ${proto} ${port}; it shares ${shared}. Ask its owner, or correct the port.`
      })
    }
  }

  // --- TCP ---

  #onSocket(map: OpenMap, socket: net.Socket): void {
    const session = this.#session
    if (session) return this.#open(session, map, socket)
    // The server is not there yet: hold the connection for a while, as a program that dials a slow host would wait.
    const { clock, limits } = this.#parts
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

  #open(session: Session, map: OpenMap, socket: net.Socket): void {
    const { log } = this.#parts
    if (map.remote === null) return reset(socket)
    try {
      const flow = map.proto === 'tcp' ? session.openFlow(map.remote) : session.tcpudp.open(map.remote)
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

  /** The session is up: what waited for it goes on. */
  #release(): void {
    const session = this.#session!
    for (const { socket, map, timer } of [...this.#waiting]) {
      timer.cancel()
      this.#open(session, map, socket)
    }
    this.#waiting.clear()
    for (const { flow: id, payload } of this.#pending.take(this.#parts.clock.now())) {
      const flow = this.#flowsById.get(id)
      if (flow && flow.map.remote !== null) session.sendUdp(flow.map.remote, id, payload)
    }
  }

  // --- UDP ---

  #onPayload(map: OpenMap, payload: Uint8Array, from: { port: number; address: string }): void {
    const now = this.#parts.clock.now()
    const { port, address } = from
    let flow = map.lastFlow
    if (flow?.port === port && flow.address === address) this.#touch(flow, now)
    else flow = map.lastFlow = this.#flowOf(map, port, address, now)
    const session = this.#session
    if (session?.state === 'up') {
      if (map.remote !== null) session.sendUdp(map.remote, flow.id, payload)
    } else this.#pending.add(flow.id, payload, now)
  }

  /** The flow of a local program, a new one if it has none. */
  #flowOf(map: OpenMap, port: number, address: string, now: number): UdpFlow {
    const key = `${map.localPort}/${address}/${port}`
    let flow = this.#flows.touch(key, now)
    if (!flow) {
      flow = { id: this.#nextUdpFlow++, map, port, address, key, toldAt: now }
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

  #onAnswer(id: number, payload: Uint8Array): void {
    const flow = this.#flowsById.get(id)
    if (!flow) return
    this.#touch(flow, this.#parts.clock.now())
    flow.map.udp?.send(payload, flow.port, flow.address)
  }
}
