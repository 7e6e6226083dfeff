/**
 * One session: what a client and a server share, and what survives the connections that carry it.
 *
 *          attach               connection lost         grace over, close
 *   NEW -----------> UP ---------------------------> LOST --------------------> ENDED
 *                    |  ^                             |                           ^
 *                    |  +-------- attach (resumed) ---+                           |
 *                    +------------------- close, protocol error ------------------+
 *
 * Pure: a {@link Link}, a clock and randomness come from outside. What the two sides do differently is in `client-session.ts` and
 * `server-session.ts`.
 */

import {
  type DatagramCounts,
  type DatagramEvents,
  type Datagrams,
  noDatagrams
} from '../datagrams/datagrams.js'
import { BASE_MTU } from '../datagrams/path-mtu.js'
import { type ErrorCode, HyperNatError, mistakeText } from '../errors.js'
import type { Quality } from '../events.js'
import type { ByteFlow, Carrier } from '../flows/byte-flow.js'
import type { RateLimiter } from '../flows/rate-limiter.js'
import { SendScheduler } from '../flows/send-scheduler.js'
import type { Limits } from '../limits.js'
import { Activity } from '../util/activity.js'
import { Budget, type PeerBudgets } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import type { Trace } from '../util/trace.js'
import type { Ipv6Address } from '../wire/addresses.js'
import { protocolError } from '../wire/bytes.js'
import { FEATURE, FEATURES } from '../wire/constants.js'
import { addressesFrame, type FrameSink, resetFrame } from '../wire/frames.js'
import type { FlowPosition } from '../wire/handshake.js'
import type { Link } from '../wire/link.js'
import { DelayMonitor, type DelayMonitorEvents } from './delay-monitor.js'
import { refuseHandshake, reject } from './handshake.js'
import { PathMonitor } from './path-monitor.js'
import { SessionFlows } from './session-flows.js'
import { type KeyedLink, SessionLink, type SessionLinkEvents } from './session-link.js'
import { SessionTrace } from './session-trace.js'
import { Traffic } from './traffic.js'

export type SessionState = 'new' | 'up' | 'lost' | 'ended'

/** Events of a session, for its owner. */
export interface SessionEvents {
  /** A connection carries the session: the first (`resumed` false) or a further one. */
  up(resumed: boolean): void
  /** The connection is lost; the session waits for another. */
  lost(code: string): void
  /** The session is over; its flows were reset. `wasUp` unless its connection was lost before. */
  ended(code: ErrorCode, reason: string, wasUp: boolean): void
  /** Nothing was received for `ms`, though pings were sent. */
  silent(ms: number): void
  /** A UDP payload was received. The view is valid during the call only. */
  udp(map: number, flow: number, payload: Uint8Array): void
  /** Where the peer is reached by IPv6 from now on, as it says; left out: of no interest. */
  addresses?(addresses: readonly Ipv6Address[]): void
}

/** What a session depends on. */
export interface SessionDeps {
  readonly clock: Clock
  readonly limits: Limits
  /** Runs a function once, at the end of this turn of the event loop. */
  readonly defer: (fn: () => void) => void
  /** The feature bits that this side has offered; left out: all that it knows. */
  readonly features?: number
  /** Numbers from 0 to below 1; need not be secret. */
  readonly chance: () => number
  /** Holds the peer to its rates; left out: it has none. */
  readonly rateLimiter?: RateLimiter
  /** Budgets that all sessions of the peer share; left out: it has none. */
  readonly budgets?: PeerBudgets
  /** Whether a game is played in any session of the node; left out: this session alone counts. */
  readonly games?: Activity
  /** Takes events for a diagnosis; left out: nothing is traced. */
  readonly trace?: Trace | undefined
}

/** A connection whose handshake is complete, and what the handshake said about a resumed session. */
export interface Attachment extends KeyedLink {
  /** The peer's feature bits. */
  readonly features: number
  /** How far the peer has received each flow; null for a new session. */
  readonly resumed: { readonly highest: number; readonly flows: readonly FlowPosition[] } | null
}

/** The smallest limit on a message while the stream has a cwnd cap, bytes: a packet. */
const CAPPED_MESSAGE = 1400

export abstract class Session {
  readonly flows: SessionFlows
  /** Counters of everything but the TCP flows that are open. */
  readonly traffic = new Traffic()
  /** Counters of the datagram channel, over all connections. */
  readonly datagramCounts: DatagramCounts = noDatagrams()
  #resumptions = 0
  /** Features that both sides have, on the connection that carries the session now. */
  #features = 0
  readonly #games: Activity
  /** Control frames that the connection has no room for. */
  readonly #control: Budget
  readonly #scheduler: SendScheduler
  readonly #path: PathMonitor
  readonly #trace: SessionTrace | null
  readonly #delay: DelayMonitor
  #graceTimer: Timer | null = null
  #graceEnds = 0
  #lostAt = 0
  #state: SessionState = 'new'
  /** What carries the session now. */
  #link: SessionLink | null = null
  /** The link before, for as long as datagrams may be on their way over it. */
  #retired: SessionLink | null = null
  #reading = false
  #flushing = false

  protected constructor(
    role: 'client' | 'server',
    /** The server's random name for the session. */
    readonly id: Uint8Array,
    readonly deps: SessionDeps,
    readonly events: SessionEvents
  ) {
    this.#games = deps.games ?? new Activity()
    this.#trace = deps.trace ? new SessionTrace(deps.trace, id) : null
    this.#control = new Budget(deps.limits.controlBytes, deps.rateLimiter?.memory)
    this.#scheduler = new SendScheduler(deps.limits, this.#control)
    this.flows = new SessionFlows(role, {
      limits: deps.limits,
      ...(deps.budgets && { budgets: deps.budgets }),
      traffic: this.traffic,
      tcp: {
        clock: deps.clock,
        scheduler: this.#scheduler,
        connected: () => this.#link !== null,
        flush: () => this.#flush(),
        refuse: (id, code) => this.control(resetFrame(id, code)),
        open: flow => this.admit(flow, 'stream'),
        thin: () => this.#delay.onThinFlow()
      },
      tcpudp: {
        clock: deps.clock,
        chance: deps.chance,
        rtt: () => this.#path.rtt,
        minRtt: () => this.#delay.minRtt,
        memory: deps.rateLimiter?.memory,
        mayOpen: () => deps.rateLimiter?.arqFlow() ?? true,
        open: flow => this.admit(flow, 'arq'),
        trace: this.#trace,
        thin: () => this.#delay.onThinFlow()
      }
    })
    this.#path = new PathMonitor(deps.clock, deps.limits, {
      ping: ping =>
        this.#record(({ packer }) => {
          packer.ping(ping)
          // The peer's transfers may fill the queue in front of us, though the game is played in another session.
          if (this.#games.isOn(deps.clock.now())) packer.game()
        }),
      answered: rtt => {
        this.#trace?.rtt(rtt)
        this.#delay.onRtt(rtt)
      },
      silent: ms => this.#onSilence(ms),
      heard: () => this.flows.tcpudp.hurry()
    })
    const delayEvents: DelayMonitorEvents = {
      ask: done => this.#path.ask(done),
      cwndCap: bytes => {
        this.#trace?.cwndCap(bytes)
        this.flows.tcpudp.setCwndCap(bytes)
        this.#link?.link.setCwndCap(bytes)
      }
    }
    this.#delay = new DelayMonitor(deps.clock, deps.limits, delayEvents, this.#games)
  }

  // --- what the two sides do differently ---

  /** The peer opens a flow; returns an error code to refuse it. */
  protected abstract admit(flow: ByteFlow, carrier: Carrier): ErrorCode | null

  /** The peer sends the list of port maps, encoded. */
  protected abstract onMaps(content: Uint8Array): void
  /** The server says who else is connected to it, encoded. */
  protected onRoster(_content: Uint8Array): void {}

  /** The session ends: forgets what waits for a later time. */
  protected onEnd(): void {}

  /** Bytes that wait to be sent or acknowledged. */
  get keptBytes(): number {
    return this.flows.keptBytes + this.#control.used
  }

  /** When its connection was lost; null while it has one, or never had. */
  get lostAt(): number | null {
    return this.#state === 'lost' ? this.#lostAt : null
  }

  get state(): SessionState {
    return this.#state
  }

  get quality(): Quality {
    return this.#path.quality
  }

  /** When something was last received from the peer, ms, by the session's clock. */
  get receivedAt(): number {
    return this.#path.receivedAt
  }

  /** The same, to judge the path by: earlier while pings go unanswered, or after the network has changed. */
  get lastReceived(): number {
    return this.#path.lastReceived
  }

  /** Measures the path once; `done` gets the round trip in ms, or null without a connection or an answer. */
  ping(done: (rtt: number | null) => void): void {
    if (this.#state === 'up') this.#path.ask(done)
    else done(null)
  }

  get link(): Link | null {
    return this.#link?.link ?? null
  }

  /** How often the session was resumed over a new connection. */
  get resumptions(): number {
    return this.#resumptions
  }

  /** Whether both sides have a feature, a bit of `FEATURE`; false without a connection. */
  has(feature: number): boolean {
    return this.#link !== null && (this.#features & feature) !== 0
  }

  /**
   * What carries a new flow of a `tcp` map. The ordered stream is faster, but its congestion control fills long queues and starves on
   * short ones. So it is used where no queue forms: on this machine, and in a private network whose round trip is short. Everywhere
   * else the ARQ carries the flow, if the server takes it.
   */
  protected get tcpCarrier(): Carrier {
    if ((this.#features & FEATURE.TCP_OVER_ARQ) === 0) return 'stream'
    const reach = this.link?.reach
    if (reach === 'machine') return 'stream'
    const { minRtt } = this.#delay
    return reach === 'private' && minRtt !== null && minRtt <= this.deps.limits.lanRttMs ? 'stream' : 'arq'
  }

  /** Tells the peer where this side is reached by IPv6 from now on, if it wants to know. */
  sendAddresses(addresses: readonly Ipv6Address[]): void {
    if (this.has(FEATURE.IPV6)) this.control(addressesFrame(addresses))
  }

  // --- connections ---

  /** From now on this connection carries the session; an earlier one is dropped. */
  attach({ features, resumed, ...keyed }: Attachment): void {
    if (this.#state === 'ended') return keyed.link.destroy()
    this.#retireLink()
    this.#graceTimer?.cancel()
    this.#graceTimer = null
    this.#features = features & (this.deps.features ?? FEATURES)
    const deps = {
      ...this.deps,
      counts: this.datagramCounts,
      guard: (read: () => void) => this.#guard(read)
    }
    const link = new SessionLink(keyed, deps, this.#linkEvents)
    this.#link = link
    this.#state = 'up'
    this.#trace?.state('up', { resumed: resumed !== null })
    if (resumed) this.#resumptions++
    this.flows.tcpudp.bind(link.datagrams)
    this.#path.start()
    // Flows that became ready without a connection queue again, in the order in which they were opened.
    this.#scheduler.clear()
    this.#guard(() => {
      if (resumed) this.flows.tcp.reconcile(resumed.highest, resumed.flows)
    })
    if (this.#link !== link) return
    this.events.up(resumed !== null)
  }

  /** The link has moved to another path: nothing that was measured holds for it. */
  #onNewPath(): void {
    if (!this.#link) return
    const { datagrams } = this.#link
    this.#trace?.newPath()
    this.#path.newPath()
    this.#delay.reset()
    datagrams.newPath()
    this.flows.tcpudp.bind(datagrams)
  }

  /** The path carries smaller packets than before: flows begin again with those. */
  #onMtuShrunk(): void {
    if (!this.#link) return
    // UDX sends a packet that was lost again as it was: a stream that has sent larger ones is stuck for good.
    if (this.#link.link.streamMtu > BASE_MTU) this.#onClose('CONNECTION_LOST')
    else this.flows.tcpudp.bind(this.#link.datagrams)
  }

  /** Another link takes over: datagrams that are on their way over this one are still received. */
  #retireLink(): void {
    const link = this.#link
    if (!link) return
    this.#retired?.close()
    this.#retired = link
    link.retire(() => {
      if (this.#retired === link) this.#retired = null
    })
    this.#onLinkLeft()
  }

  /** @param end ends the link; left out: now, without sending what is written */
  #dropLink(end?: (link: Link) => void): void {
    const link = this.#link
    this.#retired?.close()
    this.#retired = null
    if (!link) return
    link.close(end)
    this.#onLinkLeft()
  }

  #onLinkLeft(): void {
    this.#link = null
    this.#delay.reset()
    this.flows.tcpudp.bind(null)
    this.#path.stop()
    this.#scheduler.clear()
  }

  #onClose(code: string): void {
    if (!this.#link) return
    const close = this.#link.takeClose()
    if (close) return this.#end(close.code, close.reason)
    this.#dropLink()
    this.#state = 'lost'
    this.#trace?.state('lost', { code })
    this.#lostAt = this.deps.clock.now()
    const grace = this.deps.limits.resumeSeconds * 1000
    if (grace > 0) this.#expireIn(grace)
    this.events.lost(code)
    if (grace === 0) this.#end('SESSION_EXPIRED', '')
  }

  #expireIn(ms: number): void {
    const { clock } = this.deps
    this.#graceTimer?.cancel()
    this.#graceEnds = clock.now() + ms
    this.#graceTimer = clock.after(ms, () => this.#end('SESSION_EXPIRED', ''))
  }

  /** Keeps a lost session for at least `ms` more: so long the server, asked to resume it, may take to answer. */
  keepFor(ms: number): void {
    if (this.#graceTimer && this.#graceEnds < this.deps.clock.now() + ms) this.#expireIn(ms)
  }

  #onSilence(ms: number): void {
    if (ms >= this.deps.limits.deadMs && this.#link) this.#onClose('CONNECTION_LOST')
    else this.events.silent(ms)
  }

  /** The network has changed, and the connection may be dead: checks it, and reports silence sooner. */
  probe(): void {
    this.#path.probe()
  }

  /**
   * Sends CLOSE, then ends the session.
   * @param told the reason sent to the peer, if another one
   */
  close(code: ErrorCode, reason = '', told = reason): void {
    if (this.#state === 'ended') return
    // What this turn has packed, such as the acknowledgement of a flow's end, would be lost with the link.
    if (!this.#reading) this.#link?.datagrams.flush()
    this.#dropLink(link => reject(link, code, told))
    this.#end(code, reason, code === 'GOODBYE' ? 'CLOSED' : code)
  }

  /** @param why what its flows are told */
  #end(code: ErrorCode, reason: string, why: ErrorCode = code === 'GOODBYE' ? 'FLOW_RESET' : code): void {
    if (this.#state === 'ended') return
    const wasUp = this.#state === 'up'
    this.#state = 'ended'
    this.#trace?.state('ended', { code })
    this.#dropLink()
    this.onEnd()
    this.#graceTimer?.cancel()
    this.#graceTimer = null
    this.flows.abandon(why)
    this.events.ended(code, reason, wasUp)
  }

  /** Runs code that reads what the peer has sent before; nothing without a connection. */
  protected guard(run: () => void): void {
    this.#guard(run)
  }

  /** Runs code that may find the peer at fault; then the session ends, and the peer gets the code. */
  #guard(run: () => void): void {
    if (!this.#link) return
    this.#reading = true
    try {
      run()
    } catch (err) {
      if (err instanceof HyperNatError) this.close(err.code, err.message)
      else this.close('INTERNAL', mistakeText(err), 'An internal error on the other side.')
    } finally {
      this.#reading = false
    }
    this.#flush()
  }

  // --- UDP, from the local side ---

  /**
   * Sends one UDP payload (0 to 65,507 bytes); false if there is no connection, or it is too large or beyond a rate.
   * @param twice whether a small payload is sent again a few ms later, for a path that loses packets
   */
  sendUdp(map: number, flow: number, payload: Uint8Array, twice = false): boolean {
    const datagrams = this.#link?.datagrams
    const { dropped } = this.datagramCounts
    if (!datagrams) {
      dropped.unconnected++
      return false
    }
    if (this.deps.rateLimiter?.udpOut(payload.byteLength) === false) {
      dropped.limited++
      return false
    }
    this.#delay.onDatagram()
    const sent = datagrams.sendUdp(map, flow, payload, twice)
    if (sent) this.traffic.udpOut(map, payload.byteLength)
    else dropped.oversized++
    return sent
  }

  // --- to the peer ---

  /** Whether frames wait for the connection to take them. */
  protected get isBehind(): boolean {
    return this.#control.used > 0
  }

  protected control(frame: Uint8Array): void {
    if (!this.#link) return
    this.#scheduler.control(frame)
    this.#flush()
    if (this.#control.used <= this.#control.size) return
    this.close('PROTOCOL_ERROR', protocolError('more requests than it reads answers to').message)
  }

  #flush(): void {
    // Flows call back from within: what they add then goes into the next message.
    if (!this.#link || this.#reading || this.#flushing) return
    const { link, datagrams } = this.#link
    this.#flushing = true
    try {
      const least = this.#delay.active ? CAPPED_MESSAGE : undefined
      if (this.#scheduler.flush(link, least)) this.#delay.onLimited(link.atCwndCap)
      if (link.streamMtu > BASE_MTU && link.isSending) datagrams.onLargeSent()
    } finally {
      this.#flushing = false
    }
  }

  #record(pack: (datagrams: Datagrams) => void): void {
    const datagrams = this.#link?.datagrams
    if (!datagrams) return
    pack(datagrams)
    datagrams.queue()
  }

  // --- from the peer ---

  readonly #frames: FrameSink = {
    ...refuseHandshake,
    close: (code, reason) => this.#end(code, reason),
    maps: content => this.onMaps(content),
    addresses: addresses => {
      if (!this.has(FEATURE.IPV6)) throw protocolError('addresses without being asked')
      this.events.addresses?.(addresses)
    },
    roster: content => this.onRoster(content),
    open: (id, map, limit) => this.flows.tcp.onOpen(id, map, limit),
    data: (id, offset, bytes) => this.flows.tcp.find(id)?.onData(offset, bytes),
    fin: (id, offset) => this.flows.tcp.find(id)?.onFin(offset),
    reset: (id, code) => this.flows.tcp.find(id)?.onReset(code),
    window: (id, received, limit) => this.flows.tcp.find(id)?.onWindow(received, limit)
  }

  readonly #records: DatagramEvents = {
    pong: id => this.#path.pong(id),
    udp: (map, flow, payload) => {
      if (this.deps.rateLimiter?.udpIn(payload.byteLength) === false) {
        this.datagramCounts.dropped.limited++
        return
      }
      this.#delay.onDatagram()
      this.traffic.udpIn(map, payload.byteLength)
      this.events.udp(map, flow, payload)
    },
    segment: (flow, segment) => this.flows.tcpudp.onSegment(flow, segment),
    game: () => this.#delay.onPeerGame(),
    mtuShrunk: () => this.#onMtuShrunk(),
    mtuConfirmed: passed => this.#path.onProbe(passed),
    turn: () => {
      const limitedBy = this.flows.tcpudp.turn()
      if (limitedBy) this.#delay.onLimited(limitedBy === 'cap')
    }
  }

  readonly #linkEvents: SessionLinkEvents = {
    frames: this.#frames,
    records: this.#records,
    received: () => this.#path.received(),
    drain: () => this.#flush(),
    path: () => this.#onNewPath(),
    close: code => this.#onClose(code)
  }
}
