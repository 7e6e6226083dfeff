/**
 * Notices silence, and measures the path: small pings in the datagram channel, from both ends. The timer is armed by
 * {@link start} and re-armed by itself until {@link stop}.
 */

import type { Quality } from '../events.js'
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'

/** When the other side was heard. Times in milliseconds, by the session's clock. */
export interface Heard {
  readonly at: number
  /** Since when it was never silent for {@link Limits.unsteadyMs}. */
  readonly steadySince: number
}

/** Pings remembered: what loss is counted over. */
const REMEMBERED = 32

export interface PulseEvents {
  ping(id: number): void
  /** A ping that nobody waits for was answered after `rtt` ms. */
  answered(rtt: number): void
  /** Nothing was heard, or nothing answered, for `ms`; called at each beat of the silence. */
  silent(ms: number): void
}

/** A ping that somebody waits for. */
interface Asked {
  readonly sentAt: number
  readonly timer: Timer
  readonly done: (rtt: number | null) => void
}

export class Pulse {
  #timer: Timer | null = null
  #heardAt: number
  #answeredAt: number
  #steadySince: number
  #nextId = 1
  /** The first ping of a connection: it may overtake the greeting that holds its key, and tells nothing of the path when it is lost. */
  #firstId = 0
  readonly #sent = new Map<number, number>()
  readonly #asked = new Map<number, Asked>()
  readonly #answered: boolean[] = []
  #rtt: number | null = null
  #lastRtt = 0
  #jitter = 0

  constructor(
    readonly clock: Clock,
    readonly limits: Pick<
      Limits,
      'pingMs' | 'pingUrgentMs' | 'answerMs' | 'silentMs' | 'deafMs' | 'doubtMs' | 'unsteadyMs'
    >,
    readonly events: PulseEvents
  ) {
    this.#heardAt = clock.now()
    this.#answeredAt = this.#heardAt
    this.#steadySince = this.#heardAt
  }

  start(): void {
    this.heard()
    this.#answeredAt = this.#heardAt
    this.#firstId = this.#nextId
    this.#beat()
  }

  /** The path may be dead: asks now, and counts what is not answered soon as a silence that began a while ago. */
  doubt(): void {
    if (!this.#timer) return
    const { silentMs, doubtMs } = this.limits
    this.#heardAt = Math.min(this.#heardAt, this.clock.now() - (silentMs - doubtMs))
    this.#timer.cancel()
    this.#beat()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#sent.clear()
  }

  /** Anything came from the other side. */
  heard(): void {
    const now = this.clock.now()
    if (now - this.#heardAt >= this.limits.unsteadyMs) this.#steadySince = now
    this.#heardAt = now
  }

  get lastHeard(): Heard {
    const now = this.clock.now()
    return { at: now - this.#silence(now), steadySince: this.#steadySince }
  }

  /**
   * Sends one ping more, at once; {@link quality} does not count it. `done` hears its round trip in ms, or null when no answer
   * came within `answerMs`.
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

  /** The answer to a ping came. */
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
    if (this.#rtt === null) this.#rtt = rtt
    else {
      this.#rtt += (rtt - this.#rtt) / 8
      this.#jitter += (Math.abs(rtt - this.#lastRtt) - this.#jitter) / 16
    }
    this.#lastRtt = rtt
    this.#note(true)
    this.events.answered(rtt)
  }

  get quality(): Quality {
    const lost = this.#answered.filter(answered => !answered).length
    return {
      rtt: this.#rtt,
      jitter: this.#jitter,
      loss: this.#answered.length === 0 ? 0 : lost / this.#answered.length
    }
  }

  #beat(): void {
    const now = this.clock.now()
    const silence = this.#silence(now)
    const patience = this.limits.pingMs * 1.5
    // Answers may be lost while other packets come: asked a few times more, it is seen in time that nothing is wrong.
    const overdue = now - Math.min(this.#heardAt, this.#answeredAt) >= patience
    for (const [id, sentAt] of this.#sent) {
      if (now - sentAt < 2 * this.limits.pingMs) break
      this.#sent.delete(id)
      if (id !== this.#firstId) this.#note(false)
    }
    const id = this.#nextId++
    this.#sent.set(id, now)
    this.#timer = this.clock.after(overdue ? this.limits.pingUrgentMs : this.limits.pingMs, () =>
      this.#beat()
    )
    this.events.ping(id)
    if (silence >= patience) this.events.silent(silence)
  }

  /** A NAT on the other side that forgot us lets packets out from a new port, and none of ours in: heard is not enough. */
  #silence(now: number): number {
    const unanswered = now - this.#answeredAt
    return Math.max(now - this.#heardAt, unanswered >= this.limits.deafMs ? unanswered : 0)
  }

  #note(answered: boolean): void {
    this.#answered.push(answered)
    if (this.#answered.length > REMEMBERED) this.#answered.shift()
  }
}
