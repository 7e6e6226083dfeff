/**
 * Detects silence and measures the path by small pings in the datagram channel, from both ends. The timer is armed by
 * {@link start} and rearms itself until {@link stop}.
 */

import type { Quality } from '../events.js'
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'

/** Number of pings that loss is computed over. */
const REMEMBERED = 32

export interface PathMonitorEvents {
  ping(id: number): void
  /** A ping of the regular ones was answered after `rtt` ms. */
  answered(rtt: number): void
  /** Nothing was received, or no ping answered, for `ms`; called at each ping during the silence. */
  silent(ms: number): void
  /** The first that was received after a silence: what was lost in it may be sent again now. */
  heard(): void
}

/** A ping with a callback. */
interface Asked {
  readonly sentAt: number
  readonly timer: Timer
  readonly done: (rtt: number | null) => void
}

export class PathMonitor {
  #timer: Timer | null = null
  #silentSince: number
  #receivedAt: number
  #answeredAt: number
  #nextId = 1
  /** The first ping of a connection: it may overtake the handshake that holds its key, so its loss says nothing about the path. */
  #firstId = 0
  readonly #sent = new Map<number, number>()
  readonly #asked = new Map<number, Asked>()
  readonly #results: boolean[] = []
  /** Whether the path in use was measured. */
  #measured = false
  #rtt: number | null = null
  #lastRtt = 0
  #jitter = 0

  constructor(
    readonly clock: Clock,
    readonly limits: Pick<Limits, 'pingMs' | 'pingUrgentMs' | 'answerMs' | 'silentMs' | 'deafMs' | 'doubtMs'>,
    readonly events: PathMonitorEvents
  ) {
    this.#silentSince = clock.now()
    this.#receivedAt = this.#silentSince
    this.#answeredAt = this.#silentSince
  }

  start(): void {
    this.newPath()
    this.received()
    this.#answeredAt = this.#silentSince
    this.#firstId = this.#nextId
    this.#tick()
  }

  /** Packets take another path: what was measured of the old one goes with the next answer. */
  newPath(): void {
    this.#measured = false
    // An answer to what was sent before may have come over either.
    this.#sent.clear()
  }

  /** A datagram that should be answered as a ping is was answered, or not. */
  onProbe(answered: boolean): void {
    this.#record(answered)
  }

  /** Smoothed round trip of the path in use, ms; null before the first answer. */
  get rtt(): number | null {
    return this.#measured ? this.#rtt : null
  }

  /** The path may be dead: sends a ping now, and counts a missing answer as a silence that began a while ago. */
  probe(): void {
    if (!this.#timer) return
    const { silentMs, doubtMs } = this.limits
    this.#silentSince = Math.min(this.#silentSince, this.clock.now() - (silentMs - doubtMs))
    this.#timer.cancel()
    this.#tick()
  }

  /** Sends no more pings; measurements in progress are answered with null. */
  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#sent.clear()
    const asked = [...this.#asked.values()]
    this.#asked.clear()
    for (const { timer, done } of asked) {
      timer.cancel()
      done(null)
    }
  }

  /** Something was received from the peer. */
  received(): void {
    const now = this.clock.now()
    const isBack = now - this.#receivedAt >= this.#patience
    this.#silentSince = now
    this.#receivedAt = now
    if (isBack) this.events.heard()
  }

  /** When something was last received from the peer, ms, by the session's clock. */
  get receivedAt(): number {
    return this.#receivedAt
  }

  /** The same, to judge the path by: earlier while pings go unanswered, or after the network has changed. */
  get lastReceived(): number {
    const now = this.clock.now()
    return now - this.#silence(now)
  }

  /**
   * Sends one more ping at once; {@link quality} does not count it. `done` gets its round trip in ms, or null when no answer
   * arrives within `answerMs`, or before {@link stop}.
   */
  ask(done: (rtt: number | null) => void): void {
    const id = this.#nextId++
    const timer = this.clock.after(this.limits.answerMs, () => {
      this.#asked.delete(id)
      done(null)
    })
    this.#asked.set(id, { sentAt: this.clock.now(), timer, done })
    this.events.ping(id)
  }

  /** The answer to a ping was received. */
  pong(id: number): void {
    if (id < this.#nextId) this.#answeredAt = this.clock.now()
    const asked = this.#asked.get(id)
    if (asked) {
      this.#asked.delete(id)
      asked.timer.cancel()
      return asked.done(this.clock.now() - asked.sentAt)
    }
    const sentAt = this.#sent.get(id)
    if (sentAt === undefined) return
    this.#sent.delete(id)
    const rtt = this.clock.now() - sentAt
    if (!this.#measured) {
      this.#measured = true
      this.#rtt = null
      this.#jitter = 0
      this.#results.length = 0
    }
    if (this.#rtt === null) this.#rtt = rtt
    else {
      this.#rtt += (rtt - this.#rtt) / 8
      this.#jitter += (Math.abs(rtt - this.#lastRtt) - this.#jitter) / 16
    }
    this.#lastRtt = rtt
    this.#record(true)
    this.events.answered(rtt)
  }

  get quality(): Quality {
    const lost = this.#results.filter(answered => !answered).length
    return {
      rtt: this.#rtt,
      jitter: this.#jitter,
      loss: this.#results.length === 0 ? 0 : lost / this.#results.length
    }
  }

  #tick(): void {
    const now = this.clock.now()
    const silence = this.#silence(now)
    const patience = this.#patience
    // Answers may be lost while other packets arrive: a few more pings show in time that nothing is wrong.
    const overdue = now - Math.min(this.#silentSince, this.#answeredAt) >= patience
    for (const [id, sentAt] of this.#sent) {
      if (now - sentAt < 2 * this.limits.pingMs) break
      this.#sent.delete(id)
      if (id !== this.#firstId) this.#record(false)
    }
    const id = this.#nextId++
    this.#sent.set(id, now)
    this.#timer = this.clock.after(overdue ? this.limits.pingUrgentMs : this.limits.pingMs, () =>
      this.#tick()
    )
    this.events.ping(id)
    if (silence >= patience) this.events.silent(silence)
  }

  /** Silence for so long is more than the pause between two pings, ms. */
  get #patience(): number {
    return this.limits.pingMs * 1.5
  }

  /** A NAT on the other side that forgot us lets packets out from a new port, and none of ours in: receiving is not enough. */
  #silence(now: number): number {
    const unanswered = now - this.#answeredAt
    return Math.max(now - this.#silentSince, unanswered >= this.limits.deafMs ? unanswered : 0)
  }

  #record(answered: boolean): void {
    this.#results.push(answered)
    if (this.#results.length > REMEMBERED) this.#results.shift()
  }
}
