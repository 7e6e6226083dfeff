/** What one key uses, over all of its sessions. */
import type { Limits } from '../limits.js'
import { Budget } from '../util/budget.js'
import type { Clock } from '../util/clock.js'
import { TokenBucket } from '../util/token-bucket.js'
import { SOCKET_BYTES, type SocketOwner, SocketUsage } from './socket-usage.js'

export type KeyLimits = Pick<
  Limits,
  | 'keyWindow'
  | 'keyKernelBytes'
  | 'awayBytes'
  | 'awayMs'
  | 'stalledMs'
  | 'udpFlowsPerSecond'
  | 'udpFlowBurst'
  | 'resumptionsPerSecond'
  | 'resumptionBurst'
>

/** The process that all keys share. */
export interface ProcessUsage {
  readonly clock: Clock
  readonly limits: KeyLimits
  readonly memory: Budget
  readonly windows: Budget
  /** The programs of this computer. */
  readonly local: KeyUsage
  /** Makes a buffer for bytes that may have to wait. */
  alloc(size: number): Uint8Array
  /** A key counts its sockets here, too. */
  count(sockets: number, ending: number): void
  /** Makes room for a socket of a key. @returns false when it may have none */
  makeRoom(key: KeyUsage): boolean
  /** Whether one UDP flow more may begin now, of whatever key. */
  takeUdpFlow(now: number): boolean
  /** Something was charged to a key. */
  charged(key: KeyUsage): void
  /** A key has given back much of what it used. */
  released(): void
  warn(what: string, key: KeyUsage, message: string): void
}

/** Of what a key may keep, what is lent. Flows that are lent nothing more still keep a little each, and must not be ended for that. */
const LENT_SHARE = 4 / 5

/** A key that has used so many bytes, and is away or gone, has left garbage that is worth collecting. */
export const RELEASED_BYTES = 8 * 1024 * 1024

/** Between two looks at stalled sockets, ms. */
export const LOOK_MS = 500

/** A session, as far as its memory goes. */
export interface SessionUsage {
  /** What it keeps, bytes. */
  bytes(): number
  /** What has arrived for it and was not consumed, with the gaps between, bytes. */
  windowBytes(): number
  /** Since when it has had no connection; null while it has one. */
  awaySince(): number | null
  end(): void
}

export class KeyUsage implements SocketOwner {
  /** All that is kept for the key. */
  readonly memory: Budget
  /** Of that, what its flows keep until the guest has acknowledged it: a third at the most, then sockets are paused. */
  readonly kept: Budget
  /** Windows that its flows are lent beyond the first. */
  readonly windows: Budget
  /** Of its memory, first windows of ARQ flows with bytes behind a gap: a sixth at the most, then such bytes are dropped. */
  readonly gaps: Budget
  /** In the order in which they were opened. */
  readonly sockets = new Set<SocketUsage>()
  /** Those that can be ended. */
  readonly #sessions = new Set<SessionUsage>()
  /** When a session was ended last for want of room, ms. */
  #endedAt = Number.NEGATIVE_INFINITY
  sessions = 0
  /** Sockets that are not being closed. */
  open = 0
  readonly #udpFlows: TokenBucket
  readonly #resumptions: TokenBucket
  /** The most that was in use when it was looked at, bytes. */
  #peak = 0

  constructor(
    readonly resources: ProcessUsage,
    readonly label: string,
    private readonly bytes: number,
    readonly forget: (peak: number) => void
  ) {
    const { keyWindow, udpFlowsPerSecond, udpFlowBurst, resumptionsPerSecond, resumptionBurst } =
      resources.limits
    this.memory = new Budget(bytes * LENT_SHARE, resources.memory)
    this.kept = new Budget(this.memory.size / 3, this.memory)
    this.windows = new Budget(keyWindow, resources.windows)
    this.gaps = new Budget(this.memory.size / 6, this.memory)
    this.#udpFlows = new TokenBucket(udpFlowsPerSecond / 1000, udpFlowBurst)
    this.#resumptions = new TokenBucket(resumptionsPerSecond / 1000, resumptionBurst)
  }

  /** Whether it uses more than it may, but for the sockets that are being closed. */
  get isOver(): boolean {
    return this.memory.used - (this.sockets.size - this.open) * SOCKET_BYTES > this.bytes
  }

  get clock(): Clock {
    return this.resources.clock
  }

  charged(): void {
    this.resources.charged(this)
  }

  /** A session that can be ended when ending flows is not enough. */
  addSession(session: SessionUsage): void {
    this.#sessions.add(session)
    this.charged()
  }

  /** Whether it has anything that may have to be ended. */
  get isHere(): boolean {
    return this.#sessions.size > 0 || this.sockets.size > 0
  }

  /** A session is over. */
  leave(session?: SessionUsage): void {
    if (session) this.#sessions.delete(session)
    this.sessions--
    this.#forgetIfGone()
  }

  /** Whether one UDP flow more may begin now. */
  takeUdpFlow(): boolean {
    const now = this.clock.now()
    if (!this.#udpFlows.has(1, now) || !this.resources.takeUdpFlow(now)) return false
    this.#udpFlows.take(1)
    return true
  }

  /** Whether a session may be resumed now. */
  takeResumption(): boolean {
    return this.#resumptions.tryTake(1, this.clock.now())
  }

  /**
   * Counts a socket that is about to be opened.
   * @param end closes the socket and its flow at once
   * @returns null when there is no room for it
   */
  openSocket(end: () => void): SocketUsage | null {
    // Beyond what the key may use, flows are ended, or a session: a new one is refused before that.
    if (this.memory.used + SOCKET_BYTES > this.bytes || !this.resources.makeRoom(this)) return null
    const socket = new SocketUsage(this, end)
    this.sockets.add(socket)
    this.open++
    this.resources.count(1, 0)
    this.memory.charge(SOCKET_BYTES)
    this.charged()
    return socket
  }

  ending(): void {
    this.open--
    this.resources.count(0, 1)
  }

  closed(socket: SocketUsage): void {
    if (!this.sockets.delete(socket)) return
    this.resources.count(-1, -1)
    this.memory.giveBack(SOCKET_BYTES)
    this.#forgetIfGone()
  }

  /** Ends the socket that was opened first. */
  endOldest(): void {
    for (const socket of this.sockets) {
      if (socket.isEnding) continue
      return socket.finish()
    }
  }

  /**
   * Ends the flow that keeps most, or else the session that does.
   * @returns what was ended, also when it was a moment ago that a session was; null when there was nothing to end
   */
  endLargest(): 'flow' | 'session' | null {
    let largest: SocketUsage | null = null
    for (const socket of this.sockets) {
      if (!socket.isEnding && socket.bytes > (largest?.bytes ?? 0)) largest = socket
    }
    if (largest) {
      largest.finish()
      return 'flow'
    }
    const now = this.clock.now()
    if (now - this.#endedAt < LOOK_MS) return 'session'
    return this.#endMost() ? 'session' : null
  }

  /** Ends flows whose programs do not read, those first that have stood still longest, while the system keeps too much for them. */
  endStalled(): void {
    const { clock, limits } = this.resources
    // The programs of this computer may read when they like.
    if (this === this.resources.local) return
    const now = clock.now()
    const stalled = [...this.sockets].filter(
      one => !one.isEnding && one.bytes > 0 && now - one.movedAt >= limits.stalledMs
    )
    let kernel = stalled.reduce((sum, one) => sum + one.kernelBytes, 0)
    if (kernel <= limits.keyKernelBytes) return
    this.resources.warn(
      'stalled',
      this,
      'programs do not read what a guest sends: the connections that have waited longest are closed'
    )
    stalled.sort((a, b) => a.movedAt - b.movedAt)
    for (const one of stalled) {
      if (kernel <= limits.keyKernelBytes) return
      kernel -= one.kernelBytes
      one.finish()
    }
  }

  /** None of its sessions has a connection. */
  get isAway(): boolean {
    return this.#sessions.size > 0 && [...this.#sessions].every(session => session.awaySince() !== null)
  }

  /** All that is kept for it, with what has arrived behind gaps, bytes. */
  get #held(): number {
    let windows = 0
    for (const session of this.#sessions) windows += session.windowBytes()
    return this.memory.used - this.gaps.used + windows
  }

  /** Ends the sessions that keep most while a guest who is away has more than such a one may. */
  endAway(): void {
    const held = this.#held
    this.#peak = Math.max(this.#peak, held)
    if (!this.isAway) return
    if (this.#peak >= RELEASED_BYTES && held <= this.#peak / 2) {
      this.#peak = held
      this.resources.released()
    }
    const { clock, limits } = this.resources
    if (held <= limits.awayBytes) return
    const since = Math.max(...[...this.#sessions].map(session => session.awaySince() ?? 0))
    if (clock.now() - since < limits.awayMs) return
    this.resources.warn(
      'away',
      this,
      'a guest is away and more waits than may wait for so long: its session ends'
    )
    this.#endMost()
  }

  #endMost(): boolean {
    let most: SessionUsage | null = null
    const held = (session: SessionUsage): number => session.bytes() + session.windowBytes()
    for (const session of this.#sessions) if (!most || held(session) > held(most)) most = session
    if (!most) return false
    this.#endedAt = this.clock.now()
    this.#sessions.delete(most)
    most.end()
    return true
  }

  #forgetIfGone(): void {
    if (this.sessions <= 0 && this.sockets.size === 0) this.forget(this.#peak)
  }
}
