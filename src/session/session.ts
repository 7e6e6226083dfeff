/**
 * One session: what a client and a server share, and what survives the connections that carry it.
 *
 *          attach               connection gone             grace over, close
 *   NEW -----------> UP ---------------------------> LOST --------------------> ENDED
 *                    |  ^                             |                           ^
 *                    |  +-------- attach (resumed) ---+                           |
 *                    +------------------- close, protocol error ------------------+
 *
 * Pure: a {@link Link}, a clock and randomness come from outside.
 */

import { type DatagramCounts, type DatagramEvents, Datagrams, noDatagrams } from '../datagrams/datagrams.js'
import { MtuPings } from '../datagrams/mtu-pings.js'
import { type ErrorCode, HyperNatError, mistakeText } from '../errors.js'
import type { Quality } from '../events.js'
import type { ByteFlow } from '../flows/byte-flow.js'
import type { Ration } from '../flows/ration.js'
import { Outbox } from '../flows/scheduler.js'
import type { TcpFlow } from '../flows/tcp.js'
import { TcpFlows } from '../flows/tcp-flows.js'
import { TcpudpFlows } from '../flows/tcpudp-flows.js'
import type { Limits } from '../limits.js'
import { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { protocolError } from '../wire/bytes.js'
import { KNOWS, MAX_PING_PADDING } from '../wire/constants.js'
import {
  type FlowPosition,
  type FrameSink,
  mapsFrame,
  pingFrame,
  pongFrame,
  resetFrame,
  type WireMap
} from '../wire/frames.js'
import type { Link } from '../wire/link.js'
import { refuseGreetings, turnAway } from './greeting.js'
import { Intake } from './intake.js'
import { type Heard, Pulse } from './pulse.js'
import { RestraintWatch } from './restraint-watch.js'
import { Traffic } from './traffic.js'

export type SessionState = 'new' | 'up' | 'lost' | 'ended'

/** What the owner of a session hears from it. */
export interface SessionEvents {
  /** A connection carries the session: the first (`resumed` false) or a further one. */
  up(resumed: boolean): void
  /** The connection is gone; the session waits for another. */
  lost(code: string): void
  /** The session is over; its flows were reset. */
  ended(code: ErrorCode, reason: string): void
  /** Nothing was heard for `ms`, though we asked. */
  silent(ms: number): void
  /** The client opened a TCP connection by this protocol (server only); return an error code to refuse it. */
  open(flow: ByteFlow, proto: 'tcp' | 'tcpudp'): ErrorCode | null
  /** A UDP payload came. The view is valid during the call only. */
  udp(map: number, flow: number, payload: Uint8Array): void
  /** The server shares other port maps from now on (client only). */
  maps(maps: readonly WireMap[]): void
}

/** The outside, as arguments. */
export interface SessionOutside {
  readonly clock: Clock
  readonly limits: Limits
  /** Runs a function once, at the end of this turn of the event loop. */
  readonly defer: (fn: () => void) => void
  /** Numbers from 0 to below 1; need not be secret. */
  readonly chance: () => number
  /** What the other side may use in a second; left out: whatever it likes. */
  readonly ration?: Ration
}

/** A connection that has been greeted, and what the greeting said about a resumed session. */
export interface Attachment {
  readonly link: Link
  readonly sendKey: Uint8Array
  readonly receiveKey: Uint8Array
  /** How far the other side got with each flow; null for a new session. */
  readonly resumed: { readonly highest: number; readonly flows: readonly FlowPosition[] } | null
}

/** What a message may hold at the least while the stream is restrained: a packet. */
const RESTRAINED_MESSAGE = 1400

export class Session {
  readonly #tcp: TcpFlows
  readonly tcpudp: TcpudpFlows
  /** What flows share for windows beyond the first. */
  readonly windows: Budget
  /** What the datagram channel has counted, over all connections. */
  readonly datagramCounts: DatagramCounts = noDatagrams()
  /** What went through, but for the TCP flows that are open. */
  readonly #traffic = new Traffic()
  #resumptions = 0
  /** What the client has said that it understands, by {@link KNOWS}. */
  #known = 0
  readonly #outbox: Outbox
  readonly #pulse: Pulse
  readonly #mtuPings: MtuPings
  readonly #restraint: RestraintWatch
  #graceTimer: Timer | null = null
  #graceEnds = 0
  #state: SessionState = 'new'
  #endedUp = false
  #link: Link | null = null
  #datagrams: Datagrams | null = null
  #reading = false
  #flushing = false

  constructor(
    readonly role: 'client' | 'server',
    /** The server's random name for the session. */
    readonly id: Uint8Array,
    readonly outside: SessionOutside,
    readonly events: SessionEvents
  ) {
    this.#outbox = new Outbox(outside.limits)
    this.windows = new Budget(outside.limits.sessionWindow)
    this.#tcp = new TcpFlows(role, {
      ...outside,
      windows: this.windows,
      outbox: this.#outbox,
      connected: () => this.#link !== null,
      flush: () => this.#flush(),
      refuse: (id, code) => this.#control(resetFrame(id, code)),
      open: flow => this.#admit(flow, 'tcp'),
      done: flow => this.#traffic.addTcp(flow)
    })
    this.tcpudp = new TcpudpFlows(role, {
      ...outside,
      windows: this.windows,
      rtt: () => this.#pulse.quality.rtt,
      leastRtt: () => this.#restraint.leastRtt,
      open: flow => this.#admit(flow, 'tcpudp'),
      done: flow => this.#traffic.addTcpudp(flow)
    })
    this.#pulse = new Pulse(outside.clock, outside.limits, {
      ping: ping => this.#record(datagrams => datagrams.packer.ping(ping)),
      answered: rtt => this.#restraint.sample(rtt),
      silent: ms => this.#onSilence(ms)
    })
    this.#mtuPings = new MtuPings(
      () => this.#link?.datagramSize() ?? 0,
      padding => this.#control(pingFrame(KNOWS.MAPS, padding))
    )
    this.#restraint = new RestraintWatch(outside.clock, outside.limits, {
      ask: done => this.#pulse.ask(done),
      bound: bytes => {
        this.tcpudp.restrain(bytes)
        this.#link?.restrain(bytes)
      }
    })
  }

  /** The `tcp` flows that are open. */
  get flows(): ReadonlyMap<number, TcpFlow> {
    return this.#tcp.flows
  }

  get state(): SessionState {
    return this.#state
  }

  /** Whether a connection carried the session up to its end (or does now). */
  get wasUp(): boolean {
    return this.#state === 'up' || this.#endedUp
  }

  get quality(): Quality {
    return this.#pulse.quality
  }

  get lastHeard(): Heard {
    return this.#pulse.lastHeard
  }

  /** Measures the path once; `done` hears the round trip in ms, or null when there is no connection or no answer. */
  ping(done: (rtt: number | null) => void): void {
    if (this.#state === 'up') this.#pulse.ask(done)
    else done(null)
  }

  get link(): Link | null {
    return this.#link
  }

  /** How often it went on over a new connection. */
  get resumptions(): number {
    return this.#resumptions
  }

  /** What the server's numbers for port maps mean: what goes through those that were never told is not counted. */
  learnMaps(maps: readonly WireMap[]): void {
    this.#traffic.learn(maps)
  }

  /** What went through so far, as a copy. */
  traffic(): Traffic {
    const traffic = this.#traffic.copy()
    for (const flow of this.flows.values()) traffic.addTcp(flow)
    for (const flow of this.tcpudp.flows.values()) traffic.addTcpudp(flow)
    return traffic
  }

  /** TCP connections, by either protocol, that are not over. */
  openFlows(): ByteFlow[] {
    return [
      ...this.flows.values(),
      ...[...this.tcpudp.flows.values()].filter(flow => !this.tcpudp.lingers(flow))
    ]
  }

  /**
   * Tells the client which port maps it may use from now on (server only).
   * @returns false when it does not understand that, or has not said yet that it does: the next greeting can tell it
   */
  tellMaps(maps: readonly WireMap[]): boolean {
    if (!this.#link) return true
    if ((this.#known & KNOWS.MAPS) === 0) return false
    this.#control(mapsFrame(maps))
    return true
  }

  /** A port map is gone: its TCP flows end, for both sides. */
  resetFlows(map: number, code: ErrorCode): void {
    for (const flow of this.openFlows()) {
      if (flow.map !== map) continue
      const { events } = flow
      flow.reset(code)
      events.reset(code)
    }
  }

  /** A UDP conversation begins on this map. */
  converse(map: number): void {
    this.#traffic.converse(map)
  }

  // --- connections ---

  /** How far this side has received each flow: what a greeting says to resume. */
  positions(): FlowPosition[] {
    return this.#tcp.positions()
  }

  /** The highest flow that the client has opened, as far as this side knows. */
  get highest(): number {
    return this.#tcp.highest
  }

  /** From now on this connection carries the session; the one before, if any, is dropped. */
  attach({ link, sendKey, receiveKey, resumed }: Attachment): void {
    if (this.#state === 'ended') return link.destroy()
    this.#dropLink()
    this.#graceTimer?.cancel()
    this.#graceTimer = null
    this.#link = link
    this.#datagrams = new Datagrams(
      link,
      sendKey,
      receiveKey,
      this.#records,
      this.outside.limits,
      this.outside.clock,
      this.outside.defer,
      this.datagramCounts
    )
    const intake = new Intake(
      link,
      this.#frames,
      this.outside,
      read => this.#guard(link, read),
      () => this.#link === link
    )
    link.events = {
      message: message => {
        this.#pulse.heard()
        intake.add(message)
      },
      datagram: packet => {
        const { ration } = this.outside
        if (ration?.datagram() === false) {
          this.datagramCounts.dropped.limited++
          return
        }
        this.#guard(link, () => {
          const records = this.#datagrams!.receive(packet)
          // Only what is authentic counts as heard: anybody can send a packet to an open port.
          if (records === null) return
          ration?.records(records)
          this.#pulse.heard()
        })
      },
      drain: () => this.#flush(),
      close: code => this.#onClose(link, code)
    }
    this.#state = 'up'
    if (resumed) this.#resumptions++
    this.tcpudp.bind(this.#datagrams)
    this.#pulse.start()
    // What became ready without a connection takes its turn anew, in the order in which flows were opened.
    this.#outbox.clear()
    this.#guard(link, () => {
      if (resumed) this.#tcp.reconcile(resumed.highest, resumed.flows)
    })
    if (this.#link !== link) return
    this.events.up(resumed !== null)
    if (this.role === 'client') this.#mtuPings.start()
  }

  #dropLink(end = (link: Link) => link.destroy()): void {
    const link = this.#link
    if (!link) return
    this.#link = null
    this.#datagrams?.close()
    this.#datagrams = null
    this.#restraint.reset()
    this.tcpudp.bind(null)
    this.#pulse.stop()
    this.#outbox.clear()
    link.events = { message() {}, datagram() {}, drain() {}, close() {} }
    end(link)
  }

  #onClose(link: Link, code: string): void {
    if (this.#link !== link) return
    this.#dropLink()
    this.#state = 'lost'
    const grace = this.outside.limits.resumeSeconds * 1000
    if (grace > 0) this.#expireIn(grace)
    this.events.lost(code)
    if (grace === 0) this.#end('SESSION_EXPIRED', '')
  }

  #expireIn(ms: number): void {
    const { clock } = this.outside
    this.#graceTimer?.cancel()
    this.#graceEnds = clock.now() + ms
    this.#graceTimer = clock.after(ms, () => this.#end('SESSION_EXPIRED', ''))
  }

  /** A server is being asked for it, and answers within `ms` or not at all: its time does not run out meanwhile (client only). */
  awaitAnswer(ms: number): void {
    if (this.#graceTimer && this.#graceEnds < this.outside.clock.now() + ms) this.#expireIn(ms)
  }

  #onSilence(ms: number): void {
    if (ms >= this.outside.limits.deadMs && this.#link) this.#onClose(this.#link, 'CONNECTION_LOST')
    else this.events.silent(ms)
  }

  /** The network has changed, and perhaps taken the connection along: finds out, and tells of silence sooner. */
  doubt(): void {
    this.#pulse.doubt()
  }

  /**
   * Tells the other side why, then ends.
   * @param told what the other side is told, if that is not for its eyes
   */
  close(code: ErrorCode, reason = '', told = reason): void {
    if (this.#state === 'ended') return
    this.#dropLink(link => turnAway(link, code, told))
    this.#end(code, reason)
  }

  #end(code: ErrorCode, reason: string): void {
    if (this.#state === 'ended') return
    this.#endedUp = this.#state === 'up'
    this.#state = 'ended'
    this.#dropLink()
    this.#pulse.stop()
    this.#graceTimer?.cancel()
    this.#graceTimer = null
    const told = code === 'GOODBYE' ? 'FLOW_RESET' : code
    this.#tcp.abandon(told)
    this.tcpudp.abandon(told)
    this.events.ended(code, reason)
  }

  /** Runs what may find the other side at fault; then the session ends, and it is told. */
  #guard(link: Link, run: () => void): void {
    if (this.#link !== link) return
    this.#reading = true
    try {
      run()
    } catch (err) {
      if (err instanceof HyperNatError) this.close(err.code, err.message)
      else this.close('INTERNAL', mistakeText(err), 'A fault on the other side.')
    } finally {
      this.#reading = false
    }
    this.#flush()
  }

  // --- flows, from the local side ---

  /**
   * Opens a TCP flow on the server's port map `map` (client only). Data may be written at once; if there is no connection
   * now, it waits for the next.
   * @throws HyperNatError TOO_MANY_FLOWS, SESSION_EXPIRED
   */
  openFlow(map: number): TcpFlow {
    if (this.#state === 'ended') throw new HyperNatError('SESSION_EXPIRED', 'The session is over.')
    return this.#tcp.open(map)
  }

  /**
   * Sends one UDP payload (0 to 65,507 bytes); false if there is no connection, it is too large, or too much for the ration.
   * @param twice whether a small one is sent a second time a little later, for a path that loses packets
   */
  sendUdp(map: number, flow: number, payload: Uint8Array, twice = false): boolean {
    const datagrams = this.#datagrams
    const { dropped } = this.datagramCounts
    if (!datagrams) {
      dropped.unconnected++
      return false
    }
    if (this.outside.ration?.udpOut(payload.byteLength) === false) {
      dropped.limited++
      return false
    }
    this.#restraint.datagram()
    const sent = datagrams.sendUdp(map, flow, payload, twice)
    if (sent) this.#traffic.udpOut(map, payload.byteLength)
    else dropped.oversized++
    return sent
  }

  // --- to the other side ---

  #control(frame: Uint8Array): void {
    if (!this.#link) return
    this.#outbox.control(frame)
    this.#flush()
    if (this.#outbox.controlCost <= this.outside.limits.controlBytes) return
    this.close('PROTOCOL_ERROR', protocolError('more than it takes answers to').message)
  }

  #flush(): void {
    // Flows call back from within: what they bring then goes into the next message.
    if (!this.#link || this.#reading || this.#flushing) return
    this.#flushing = true
    try {
      const least = this.#restraint.active ? RESTRAINED_MESSAGE : undefined
      if (this.#outbox.flush(this.#link, least)) this.#restraint.held(this.#link.atBound)
    } finally {
      this.#flushing = false
    }
  }

  #record(pack: (datagrams: Datagrams) => void): void {
    if (!this.#datagrams) return
    pack(this.#datagrams)
    this.#datagrams.queue()
  }

  // --- from the other side ---

  readonly #frames: FrameSink = {
    ...refuseGreetings,
    close: (code, reason) => this.#end(code, reason),
    ping: (id, padding) => {
      if (this.role === 'server') this.#known = id
      this.#control(pongFrame(id, Math.min(padding, MAX_PING_PADDING)))
    },
    maps: maps => {
      if (this.role === 'server') throw protocolError('port maps from the wrong side')
      this.events.maps(maps)
    },
    pong: () => this.#mtuPings.answered(),
    open: (id, map, limit) => this.#tcp.onOpen(id, map, limit),
    data: (id, offset, bytes) => this.#tcp.find(id)?.onData(offset, bytes),
    fin: (id, offset) => this.#tcp.find(id)?.onFin(offset),
    reset: (id, code) => this.#tcp.find(id)?.onReset(code),
    window: (id, received, limit) => this.#tcp.find(id)?.onWindow(received, limit)
  }

  readonly #records: DatagramEvents = {
    ping: id => this.#record(datagrams => datagrams.packer.pong(id)),
    pong: id => this.#pulse.pong(id),
    udp: (map, flow, payload) => {
      if (this.outside.ration?.udpIn(payload.byteLength) === false) {
        this.datagramCounts.dropped.limited++
        return
      }
      this.#restraint.datagram()
      this.#traffic.udpIn(map, payload.byteLength)
      this.events.udp(map, flow, payload)
    },
    segment: (flow, segment) => this.tcpudp.onSegment(flow, segment),
    turn: () => {
      const heldBy = this.tcpudp.turn()
      if (heldBy) this.#restraint.held(heldBy === 'bound')
    }
  }

  #admit(flow: ByteFlow, proto: 'tcp' | 'tcpudp'): ErrorCode | null {
    const { ration } = this.outside
    if (!ration) return this.events.open(flow, proto)
    return ration.open(flow, rationed => this.events.open(rationed, proto))
  }
}
