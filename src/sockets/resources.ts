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
import { type KeyLimits, KeyUsage, LOOK_MS, type ProcessUsage, RELEASED_BYTES } from './key-usage.js'
import { SOCKET_BYTES } from './socket-usage.js'

export type ResourceLimits = KeyLimits &
  Pick<Limits, 'processBytes' | 'keyBytes' | 'processUdpFlowsPerSecond'>

export interface ResourcesDeps {
  readonly clock: Clock
  readonly limits: ResourceLimits
  readonly log: Log
  /** Sockets of flows that may be open at a time, of all keys. */
  readonly sockets: number
  /** Much memory that a peer used has been given back, a moment ago. */
  readonly onreleased?: () => void
}

/** What ordinary traffic keeps, and the process may go on to hold when it is gone, bytes. */
const ORDINARY_BYTES = 16 * 1024 * 1024

/** After that, ms: its sockets are closed by then. It is not done more often than so, either. */
const RELEASED_MS = 2000

/** Between two warnings of one kind, ms. */
const WARN_REST_MS = 60_000

export class Resources implements ProcessUsage {
  readonly memory: Budget
  /** Windows that all flows are lent beyond the first. */
  readonly windows: Budget
  readonly clock: Clock
  readonly limits: ResourceLimits
  /** The programs of this computer. */
  readonly local: KeyUsage
  readonly #deps: ResourcesDeps
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
    this.#deps = deps
    this.clock = clock
    this.limits = limits
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

  /** Whether at most one peer has sessions with this process. */
  get hasOnePeer(): boolean {
    // One key stands for this computer's programs.
    return this.#keys.size <= 2
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
  enter(name: string, label: string, bytes = this.limits.keyBytes): KeyUsage {
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
    return this.#udpFlows.tryTake(1, now)
  }

  /**
   * Makes room for a socket of a key: when all are taken, one of the key that has most of them is closed.
   * @returns false when the key itself has most
   */
  makeRoom(key: KeyUsage): boolean {
    if (this.sockets < this.#deps.sockets) return true
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
    this.#timer ??= this.clock.after(LOOK_MS, this.#look)
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
    const { clock, onreleased } = this.#deps
    if (!onreleased) return
    this.#releasedTimer ??= clock.after(RELEASED_MS, () => {
      this.#releasedTimer = null
      onreleased()
    })
  }

  warn(what: string, { label }: KeyUsage, message: string): void {
    const level = this.#warned.admits(`${what} ${label}`) ? 'warn' : 'debug'
    this.#deps.log[level]({ peer: label }, message)
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
    if (any) this.#timer = this.clock.after(LOOK_MS, this.#look)
  }

  #greediest(use: (key: KeyUsage) => number, keys: Iterable<KeyUsage>): KeyUsage | undefined {
    let most: KeyUsage | undefined
    for (const key of keys) if (!most || use(key) > use(most)) most = key
    return most
  }
}
