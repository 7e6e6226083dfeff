/**
 * Runs the {@link DelayController} of one session: while it is active, measures the path and applies its cwnd cap. The timer is
 * armed when a transfer is first limited, and re-arms itself until the controller is off.
 */
import { Activity } from '../util/activity.js'
import type { Clock, Timer } from '../util/clock.js'
import { DelayController, type DelayLimits } from './delay-controller.js'

export interface DelayMonitorEvents {
  /** Measures the path once; `done` gets the round trip in ms, or null without an answer. */
  ask(done: (rtt: number | null) => void): void
  /** Bytes that the stream, and each flow, may have in flight from now on; Infinity: no cap. May call {@link DelayMonitor.onLimited}. */
  cwndCap(bytes: number): void
}

export class DelayMonitor {
  #controller: DelayController
  #timer: Timer | null = null

  constructor(
    readonly clock: Clock,
    readonly limits: DelayLimits,
    readonly events: DelayMonitorEvents,
    readonly games = new Activity()
  ) {
    this.#controller = new DelayController(limits, games)
  }

  /** Whether transfers are capped now. */
  get active(): boolean {
    return this.#controller.active
  }

  /** Recent minimum round trip of this connection, ms; null before the first answer. */
  get minRtt(): number | null {
    const { minRtt } = this.#controller
    return minRtt === Number.POSITIVE_INFINITY ? null : minRtt
  }

  /** A datagram of a `udp` map was received or sent. */
  onDatagram(): void {
    this.#controller.onDatagram(this.clock.now())
  }

  /** A thin flow carries something. */
  onThinFlow(): void {
    this.#controller.onGame(this.clock.now())
  }

  /** The peer reports a game at its side. */
  onPeerGame(): void {
    this.#controller.onPeerGame(this.clock.now())
  }

  /** A ping of the path monitor was answered after `rtt` ms. */
  onRtt(rtt: number): void {
    this.#controller.onRtt(rtt, this.clock.now())
  }

  /**
   * A transfer has more to send than it may.
   * @param byCap whether the cap is what limits it
   */
  onLimited(byCap: boolean): void {
    if (this.#controller.onLimited(this.clock.now(), byCap)) this.#apply()
  }

  /** The connection is gone: forgets its path. */
  reset(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#controller = new DelayController(this.limits, this.games)
    this.events.cwndCap(this.#controller.cwndCap)
  }

  #apply(): void {
    const { clock, limits, events } = this
    const controller = this.#controller
    this.#timer?.cancel()
    this.#timer = null
    controller.tick(clock.now())
    // A higher cap lets the transfer go on, which may reach the cap again at once, or find the connection gone.
    events.cwndCap(controller.capAt(clock.now()))
    if (this.#timer || this.#controller !== controller || !controller.active) return
    this.#timer = clock.after(limits.delayPingMs, () => this.#apply())
    // Bound to this controller: the answer may come when there is another path.
    events.ask(rtt => {
      if (rtt !== null) controller.onRtt(rtt, clock.now())
    })
  }
}
