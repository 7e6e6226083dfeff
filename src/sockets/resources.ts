/**
 * What the peers of this process may use of its memory and descriptors. Limits nest:
 *
 *     process: processBytes, descriptors -> key: keyBytes, keyWindow, keyKernelBytes -> session: its own budgets -> flow: its window
 *
 * A key is what a guest is known by, on all of its sessions and all servers of the node, or what a client knows a server by; the
 * programs of this computer are one, too. A key that exceeds its own limit loses its largest flows. When the process is short, the greediest key loses them first.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import { LogThrottle } from '../log/throttle.js'
import { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { pageBuffer } from '../util/page-buffer.js'
import { TokenBucket } from '../util/token-bucket.js'

export type ResourceLimits = Pick<
  Limits,
  | 'processBytes'
  | 'keyBytes'
  | 'keyWindow'
  | 'keyKernelBytes'
  | 'awayBytes'
  | 'awayMs'
  | 'stalledMs'
  | 'udpFlowsPerSecond'
  | 'udpFlowBurst'
  | 'processUdpFlowsPerSecond'
>

export interface ResourcesDeps {
  readonly clock: Clock
  readonly limits: ResourceLimits
  readonly log: Log
  /** Sockets of flows that may be open at a time, of all keys. */
  readonly sockets: number
  /** Much memory that a peer used has been given back, a moment ago. */
  readonly onreleased?: () => void
}

/** Memory of a socket of a flow with its objects, without the data that waits in it, bytes. */
const SOCKET_BYTES = 8 * 1024

/** What the system keeps of a stalled connection at the most, bytes: both ends' buffers, as it sizes them itself. */
const KERNEL_MOST = 4 * 1024 * 1024

/** Between two looks at stalled sockets, ms. */
const LOOK_MS = 500

/** What ordinary traffic keeps, and the process may go on to hold when it is gone, bytes. */
const ORDINARY_BYTES = 16 * 1024 * 1024

/** A key that has used so many bytes, and is away or gone, has left garbage that is worth collecting. */
const RELEASED_BYTES = 8 * 1024 * 1024

/** After that, ms: its sockets are closed by then. It is not done more often than so, either. */
const RELEASED_MS = 2000

/** Between two warnings of one kind, ms. */
const WARN_REST_MS = 60_000

export class Resources {
  readonly memory: Budget
  /** Windows that all flows are lent beyond the first. */
  readonly windows: Budget
  readonly deps: ResourcesDeps
  /** The programs of this computer. */
  readonly local: KeyUsage
  readonly #keys = new Map<string, KeyUsage>()
  readonly #warned: LogThrottle
  readonly #udpFlows: TokenBucket
  /** Armed while there are sessions, or flows with sockets. */
  #timer: Timer | null = null
  /** Armed when a key that used much is gone. */
  #releasedTimer: Timer | null = null
  #enforcing = false
  /** Sockets of flows that are open, or are being closed; and of those, how many are being closed. */
  #sockets = 0
  #ending = 0

  constructor(deps: ResourcesDeps) {
    const { clock, limits } = deps
    this.deps = deps
    this.memory = new Budget(limits.processBytes)
    this.windows = new Budget(limits.processBytes)
    this.#warned = new LogThrottle(clock, WARN_REST_MS)
    this.#udpFlows = new TokenBucket(
      limits.processUdpFlowsPerSecond / 1000,
      limits.processUdpFlowsPerSecond / 4
    )
    this.local = this.enter('', 'this computer', Number.POSITIVE_INFINITY)
  }

  /** Sockets of flows that are open, or are being closed. */
  get sockets(): number {
    return this.#sockets
  }

  /** What is used, but for the sockets that are being closed: that comes back by itself. */
  get #memoryUsed(): number {
    return this.memory.used - this.#ending * SOCKET_BYTES
  }

  get #isOver(): boolean {
    return this.#memoryUsed > this.memory.size
  }

  /** A key counts its sockets here, too. */
  count(sockets: number, ending: number): void {
    this.#sockets += sockets
    this.#ending += ending
  }

  /**
   * Makes a buffer for bytes that may have to wait. Beyond what ordinary traffic keeps, it is one whose memory the system gets back.
   */
  readonly alloc = (size: number): Uint8Array =>
    this.memory.used < ORDINARY_BYTES ? b4a.allocUnsafeSlow(size) : pageBuffer(size)

  /**
   * A session of a key begins; {@link KeyUsage.leave} says that it is over.
   * @param bytes what the key may keep
   */
  enter(name: string, label: string, bytes = this.deps.limits.keyBytes): KeyUsage {
    let key = this.#keys.get(name)
    if (!key) {
      key = new KeyUsage(this, label, bytes, peak => {
        this.#keys.delete(name)
        if (peak >= RELEASED_BYTES) this.released()
      })
      this.#keys.set(name, key)
    }
    key.sessions++
    return key
  }

  /** Whether one UDP flow more may begin now, of whatever key. */
  takeUdpFlow(now: number): boolean {
    if (!this.#udpFlows.has(1, now)) return false
    this.#udpFlows.take(1)
    return true
  }

  /**
   * Makes room for a socket of a key: when all are taken, one of the key that has most of them is closed.
   * @returns false when the key itself has most
   */
  makeRoom(key: KeyUsage): boolean {
    if (this.sockets < this.deps.sockets) return true
    const greediest = this.#greediest(one => one.open, this.#keys.values()) ?? this.local
    this.warn(
      'sockets',
      greediest,
      'there are no more descriptors: flows of the one that has most are closed'
    )
    if (greediest === key || greediest.open <= key.open + 1) return false
    greediest.endOldest()
    return true
  }

  /** Something was charged: limits are enforced at the end of this turn of the event loop. */
  charged(key: KeyUsage): void {
    this.#timer ??= this.deps.clock.after(LOOK_MS, this.#look)
    if (this.#enforcing || !(key.isOver || this.#isOver)) return
    this.#enforcing = true
    setImmediate(() => this.enforce())
  }

  /**
   * Ends flows until every limit holds. What a session keeps comes back when its flows are gone, so after one has been ended, it is
   * seen at the next look whether that was enough.
   */
  enforce(): void {
    this.#enforcing = false
    let isWaiting = false
    for (const key of [...this.#keys.values()]) {
      if (!key.isOver) continue
      this.warn('key', key, 'more waits for a guest than one may have: its largest flows are closed')
      let ended: ReturnType<KeyUsage['endLargest']> = 'flow'
      while (key.isOver && ended === 'flow') ended = key.endLargest()
      if (ended === 'session') isWaiting = true
    }
    if (isWaiting) return
    const keys = new Set(this.#keys.values())
    while (this.#isOver) {
      const greediest = this.#greediest(one => one.memory.used, keys)
      if (!greediest) return
      const ended = greediest.endLargest()
      if (ended !== null)
        this.warn('process', greediest, 'memory is short: flows of the one that uses most are closed')
      if (ended === 'session') return
      // It has nothing to end: the next one does, perhaps.
      if (ended === null) keys.delete(greediest)
    }
  }

  /** A key has given back much of what it used. */
  released(): void {
    const { clock, onreleased } = this.deps
    if (!onreleased) return
    this.#releasedTimer ??= clock.after(RELEASED_MS, () => {
      this.#releasedTimer = null
      onreleased()
    })
  }

  warn(what: string, { label }: KeyUsage, message: string): void {
    const level = this.#warned.admits(`${what} ${label}`) ? 'warn' : 'debug'
    this.deps.log[level]({ peer: label }, message)
  }

  readonly #look = (): void => {
    this.#timer = null
    let any = false
    for (const key of [...this.#keys.values()]) {
      key.endStalled()
      key.endAway()
      any ||= key.isHere
    }
    // What flows keep for their peers is counted without a call, and an ended session may not have been enough.
    this.enforce()
    if (any) this.#timer = this.deps.clock.after(LOOK_MS, this.#look)
  }

  #greediest(use: (key: KeyUsage) => number, keys: Iterable<KeyUsage>): KeyUsage | undefined {
    let most: KeyUsage | undefined
    for (const key of keys) if (!most || use(key) > use(most)) most = key
    return most
  }
}

/** What one key uses, over all of its sessions. */
export class KeyUsage {
  /** All that is kept for the key. */
  readonly memory: Budget
  /** Of that, what its flows keep until the guest has acknowledged it: half at the most, then sockets are paused. */
  readonly kept: Budget
  /** Windows that its flows are lent beyond the first. */
  readonly windows: Budget
  /** Of its memory, first windows of ARQ flows with bytes behind a gap: an eighth at the most, then such bytes are dropped. */
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
  /** The most that was in use when it was looked at, bytes. */
  #peak = 0

  constructor(
    readonly resources: Resources,
    readonly label: string,
    bytes: number,
    readonly forget: (peak: number) => void
  ) {
    const { keyWindow, udpFlowsPerSecond, udpFlowBurst } = resources.deps.limits
    this.memory = new Budget(bytes, resources.memory)
    this.kept = new Budget(bytes / 2, this.memory)
    this.windows = new Budget(keyWindow, resources.windows)
    this.gaps = new Budget(bytes / 8, this.memory)
    this.#udpFlows = new TokenBucket(udpFlowsPerSecond / 1000, udpFlowBurst)
  }

  /** Whether it uses more than it may, but for the sockets that are being closed. */
  get isOver(): boolean {
    return this.memory.used - (this.sockets.size - this.open) * SOCKET_BYTES > this.memory.size
  }

  /** A session that can be ended when ending flows is not enough. */
  addSession(session: SessionUsage): void {
    this.#sessions.add(session)
    this.resources.charged(this)
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
    const now = this.resources.deps.clock.now()
    if (!this.#udpFlows.has(1, now) || !this.resources.takeUdpFlow(now)) return false
    this.#udpFlows.take(1)
    return true
  }

  /**
   * Counts a socket that is about to be opened.
   * @param end closes the socket and its flow at once
   * @returns null when there is no room for it
   */
  openSocket(end: () => void): SocketUsage | null {
    if (!this.resources.makeRoom(this)) return null
    const socket = new SocketUsage(this, end)
    this.sockets.add(socket)
    this.open++
    this.resources.count(1, 0)
    this.memory.charge(SOCKET_BYTES)
    this.resources.charged(this)
    return socket
  }

  /** A socket begins to close. */
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
    const now = this.resources.deps.clock.now()
    if (now - this.#endedAt < LOOK_MS) return 'session'
    return this.#endMost() ? 'session' : null
  }

  /** Ends flows whose programs do not read, those first that have stood still longest, while the system keeps too much for them. */
  endStalled(): void {
    const { clock, limits } = this.resources.deps
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
    const { clock, limits } = this.resources.deps
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
    this.#endedAt = this.resources.deps.clock.now()
    this.#sessions.delete(most)
    most.end()
    return true
  }

  #forgetIfGone(): void {
    if (this.sessions <= 0 && this.sockets.size === 0) this.forget(this.#peak)
  }
}

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

/** What one socket of a flow uses. */
export class SocketUsage {
  /** Bytes that wait for the socket to take them. */
  bytes = 0
  /** When the socket last took something, or began. */
  movedAt: number
  isEnding = false
  #taken = 0

  constructor(
    readonly key: KeyUsage,
    readonly end: () => void
  ) {
    this.movedAt = key.resources.deps.clock.now()
  }

  /** What the system may keep of what it took. */
  get kernelBytes(): number {
    return Math.min(this.#taken, KERNEL_MOST)
  }

  /** Bytes wait for the socket. */
  add(bytes: number): void {
    if (this.bytes === 0) this.movedAt = this.key.resources.deps.clock.now()
    this.bytes += bytes
    this.key.memory.charge(bytes)
    this.key.resources.charged(this.key)
  }

  /** The system has taken bytes. */
  remove(bytes: number): void {
    this.#taken += bytes
    this.movedAt = this.key.resources.deps.clock.now()
    this.#giveBack(bytes)
  }

  /** The flow is ended for want of room. */
  finish(): void {
    this.#ending()
    this.end()
    // Its buffers go with the socket; the descriptor is closed a moment later.
    this.#giveBack(this.bytes)
  }

  /** The descriptor is closed. */
  close(): void {
    this.#ending()
    this.#giveBack(this.bytes)
    this.key.closed(this)
  }

  #giveBack(bytes: number): void {
    const part = Math.min(bytes, this.bytes)
    this.bytes -= part
    this.key.memory.giveBack(part)
  }

  #ending(): void {
    if (this.isEnding) return
    this.isEnding = true
    this.key.ending()
  }
}
