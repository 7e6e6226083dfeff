/**
 * How much may be in flight, and how fast it may leave: a model of the path after draft-ietf-ccwg-bbr (BBRv3), with three
 * changes. (1) Loss is congestion only in so far as it exceeds the path's own loss rate (see PathLoss), so a radio link's
 * 5 % do not slow a flow down. (2) After congestion the ceiling of bytes in flight follows CUBIC's curve (see CubicCeiling), so
 * that loss-based flows find their share. (3) The phases are fewer and shorter.
 */
import * as C from './constants.js'
import { CubicCeiling } from './cubic-ceiling.js'
import type { RateSample } from './delivery.js'
import { PathLoss } from './path-loss.js'
import { QueueMonitor } from './queue-monitor.js'

/**
 *     startup --> drain --> down --> cruise --> up --+        probe-rtt is entered from anywhere
 *                            ^                       |        when the least round trip is old,
 *                            +-----------------------+        and leads back to cruise
 */
export type Phase = 'startup' | 'drain' | 'cruise' | 'up' | 'down' | 'probe-rtt'

export class Congestion {
  phase: Phase = 'startup'
  /** Bytes that may be in flight. */
  window: number
  /** Bytes per ms that may leave; Infinity before the first sample. */
  pacingRate = Number.POSITIVE_INFINITY
  /** Least round trip of the last MIN_RTT_MEMORY, in ms; Infinity before the first. */
  minRtt = Number.POSITIVE_INFINITY
  readonly ceiling = new CubicCeiling()
  readonly pathLoss = new PathLoss()
  /** In this round all was in flight that the peer's window, or our buffer, lets be. */
  windowUsed = false

  private minRttAt: number
  /** Largest delivery rate in this cycle of probing and in the last, bytes per ms. */
  private rateNow = 0
  private rateBefore = 0
  private fullRate = 0
  private fullRounds = 0
  private pipeFull = false

  private round = 0
  private roundEnd = 0
  private roundAcked = 0
  private roundLost = 0
  private sentBefore = 0
  private roundLostPackets = 0
  private roundRttSum = 0
  private roundRttCount = 0
  private roundRttLeast = Number.POSITIVE_INFINITY
  private roundFlight = 0
  private roundRate = 0
  /** Largest delivery rates of the last three rounds. */
  private readonly lastRates: [number, number, number] = [0, 0, 0]
  /** `delivered` at the beginning. */
  private readonly startAt: number
  /** Least mean round trip of a round, in this span of MIN_RTT_MEMORY / 2 and the last. */
  private baseNow = Number.POSITIVE_INFINITY
  private baseBefore = Number.POSITIVE_INFINITY
  private baseSince: number
  private readonly queue = new QueueMonitor()
  /** The round from which on queues are noted again. */
  private noteRound = 0
  private meanRtt = 1
  /** Round in which loss was last compared with that at a lower rate, and whether any was seen since probing began last. */
  private slowRound = 0
  private cycleLost = false
  private lastCutRound = Number.NEGATIVE_INFINITY
  /** Loss rate that led to the last cut, and the packets that were sent and lost a while after it. */
  private cutLoss = 0
  private afterSent = 0
  private afterLost = 0
  /** Bytes in flight before cuts began to follow each other too soon, and the rounds for which losses are ignored therefore. */
  private flightBefore = 0
  /** Delivery rate when the last cut was made. */
  private cutRate = 0
  private lossIgnoredUntil = Number.NEGATIVE_INFINITY
  private lossIgnoredRounds = 0
  /** Short-term bound of the rate (BBR's bw_shortterm), Infinity for none, and the ceiling with which it rises. */
  private rateBound = Number.POSITIVE_INFINITY
  private boundCeiling = 1

  private phaseRound = 0
  /** Some packet of the last round met no queue. */
  private clear = false
  /** Rounds that probing up lasts; more as long as it finds more. */
  private upRounds = 1
  private cruiseUntil = 0
  private lastUpRound = -2
  private probeRttDoneAt = 0
  private probeRttLeast = Number.POSITIVE_INFINITY

  constructor(
    private mtu: number,
    private readonly random: () => number,
    now: number,
    /** Bytes that the path has delivered before: the first round begins there. */
    private delivered = 0
  ) {
    this.window = C.INITIAL_PACKETS * mtu
    this.roundEnd = delivered
    this.startAt = delivered
    this.minRttAt = now
    this.baseSince = now
  }

  setMtu(mtu: number): void {
    this.mtu = mtu
    this.window = Math.max(this.window, C.WINDOW_MIN_PACKETS * mtu)
  }

  /** Estimated bandwidth of the path for this flow, bytes per ms. */
  get bandwidth(): number {
    return Math.max(this.rateNow, this.rateBefore)
  }

  /** Whether a packet sent now leaves at less than the path's rate, and behind no queue of ours. */
  isSlow(inFlight: number): boolean {
    return (
      (this.phase === 'down' || this.phase === 'probe-rtt') &&
      this.round > this.phaseRound &&
      inFlight <= this.pipe &&
      this.pacingRate <= C.SLOW_SHARE * Math.max(...this.lastRates)
    )
  }

  /** Takes what one ack told. */
  onAck(s: RateSample, now: number): void {
    this.delivered += s.acked
    if (s.lost > 0) this.cycleLost = true
    if (s.rate > this.roundRate) this.roundRate = s.rate
    this.roundAcked += s.acked
    this.roundLost += s.lost
    if (s.lost > 0) this.roundLostPackets += Math.max(1, Math.round(s.lost / this.mtu))
    const flight = s.inFlight + s.acked + s.lost
    if (flight > this.roundFlight) this.roundFlight = flight
    if (s.rate > 0 && (s.rate >= this.bandwidth || !s.appLimited) && s.rate > this.rateNow)
      this.rateNow = s.rate
    if (s.rtt > 0) this.onRtt(s.rtt, now)
    this.noteSlow(s)
    if (s.priorDelivered >= this.roundEnd && s.acked > 0) this.endRound(s, now)
    this.step(s, now)
    this.setPacing()
    this.setWindow(s)
  }

  private onRtt(rtt: number, now: number): void {
    this.roundRttSum += rtt
    this.roundRttCount++
    if (rtt < this.roundRttLeast) this.roundRttLeast = rtt
    if (this.phase === 'probe-rtt' && rtt < this.probeRttLeast) this.probeRttLeast = rtt
    if (rtt <= this.minRtt * 1.02 + 0.2) this.minRttAt = now
    if (rtt < this.minRtt) this.minRtt = rtt
  }

  private endRound(s: RateSample, now: number): void {
    this.round++
    this.roundEnd = this.delivered
    // Losses are noticed a round or two late: set against the larger round, lest one that shrinks seem to lose more.
    const sentNow = this.roundAcked + this.roundLost
    const sent = Math.max(sentNow, this.sentBefore)
    this.sentBefore = sentNow
    const lossRate = sent > 0 ? this.roundLost / sent : 0
    const mean = this.roundRttCount > 0 ? this.roundRttSum / this.roundRttCount : 0
    if (mean > 0) {
      this.meanRtt = mean
      this.noteBase(mean, now)
    }
    // Some packet saw no queue; the mean would not do, for jitter raises it.
    this.clear = this.roundRttLeast <= this.clearRtt
    // A round after probing up still tells of packets sent while probing.
    const probed = this.phase === 'up' || this.round - this.lastUpRound <= 2
    if (this.phase === 'startup') this.checkPipe(s, lossRate, sent)
    else if (!probed && this.pathLoss.isCongestion(this.roundLost / this.mtu, sent / this.mtu)) {
      if (this.round - this.lastCutRound > 2 * C.CUT_ROUNDS) this.cut(this.roundFlight, lossRate, now)
      this.boundRate()
    }
    if (this.phase === 'up') this.ceiling.endProbeRound()
    this.verifyCut(sentNow)
    this.lastRates[this.round % 3] = this.roundRate
    this.roundRate = 0
    this.roundAcked = 0
    this.roundLost = 0
    this.roundLostPackets = 0
    this.roundRttSum = 0
    this.roundRttCount = 0
    this.roundRttLeast = Number.POSITIVE_INFINITY
    this.roundFlight = s.inFlight
    this.windowUsed = false
  }

  private noteBase(mean: number, now: number): void {
    if (now - this.baseSince > C.MIN_RTT_MEMORY / 2) {
      this.baseBefore = this.baseNow
      this.baseNow = Number.POSITIVE_INFINITY
      this.baseSince = now
    }
    if (mean < this.baseNow) this.baseNow = mean
    if (this.phase === 'probe-rtt') this.noteRound = this.round + C.COMPETING_REST
    if (this.round >= this.noteRound) this.queue.note(mean, this.minRtt)
  }

  /** A round trip up to this met no queue. */
  private get clearRtt(): number {
    return this.minRtt * C.CLEAR_SHARE + C.CLEAR_SLACK
  }

  /** Least mean round trip of the last rounds: what the others leave, whatever we do. */
  private get recentRtt(): number {
    return Math.min(this.queue.least, 10 * this.minRtt)
  }

  /** Competing-BBR mode: another flow keeps a long queue, or the losses, whatever we do, as BBR version 1 does. */
  private get competing(): boolean {
    return this.lossIgnored || this.queue.stands
  }

  private get lossIgnored(): boolean {
    return this.round < this.lossIgnoredUntil
  }

  /** In competing-BBR mode, so much time's worth of the rate is in flight. */
  private get competingRtt(): number {
    const pipes = C.COMPETING_PIPES * this.minRtt
    if (this.lossIgnored) return pipes
    const kept = C.COMPETING_GAIN * this.queue.mean
    // BBR version 1 keeps two pipes, and so may we; in a longer queue there is a flow that only losses bound.
    return this.queue.mean > C.COMPETING_LOSS_BASED * this.minRtt ? kept : Math.min(pipes, kept)
  }

  /** Mean round trip of a round without a queue: above minRtt by what jitter adds. */
  private get baseRtt(): number {
    return Math.min(this.baseNow, this.baseBefore)
  }

  /** Notes what became of packets that left slowly. */
  private noteSlow(s: RateSample): void {
    const sent = s.slowAcked + s.slowLost
    if (sent > 0 && this.roundRttLeast <= this.clearRtt)
      this.pathLoss.note(sent / this.mtu, Math.max(0, s.slowLost) / this.mtu, this.pipe / this.mtu)
  }

  /** Losses were seen, and have not been compared with those at a lower rate for long: draining must last a full round more. */
  private get lossUnknown(): boolean {
    return this.cycleLost && this.round - this.slowRound > C.SLOW_ROUNDS && this.round - this.phaseRound < 2
  }

  private checkPipe(s: RateSample, lossRate: number, sent: number): void {
    const overflow = !this.clear && this.pathLoss.isExcess(lossRate, sent / this.mtu)
    if (overflow && this.roundLostPackets >= C.FULL_LOST_PACKETS) this.pipeFull = true
    if (s.appLimited && !this.windowUsed) return
    if (this.bandwidth >= this.fullRate * C.FULL_GROWTH) {
      this.fullRate = this.bandwidth
      this.fullRounds = 0
      return
    }
    this.fullRounds += s.appLimited ? C.FULL_WINDOW_SHARE : 1
    if (this.fullRounds >= C.FULL_ROUNDS) this.pipeFull = true
  }

  /** Goes down to the rate that comes through, until probing begins (BBR 5.5.10.3). */
  private boundRate(): void {
    if (this.ceiling.bytes === Number.POSITIVE_INFINITY) return
    this.rateBound = Math.max(this.roundRate, C.BETA * this.rate)
    this.boundCeiling = this.ceiling.bytes
  }

  /** Probing up met losses: the queue cannot hold what was in flight then (BBR's IsInflightTooHigh). */
  private isTooHigh(s: RateSample): boolean {
    if (s.flightThen === 0 || s.lostSince < C.LOSS_PACKETS_MIN * this.mtu) return false
    return this.pathLoss.isExcess(s.lostSince / s.flightThen, s.flightThen / this.mtu)
  }

  /** The queue was full with `flight` bytes on the path. */
  private cut(flight: number, lossRate: number, now: number): void {
    if (this.lossIgnored) return
    const early =
      !this.ceiling.hasPassed(C.EARLY_CUT, now) || this.round - this.lastCutRound <= C.EARLY_ROUNDS
    this.lastCutRound = this.round
    const had = Math.min(flight, this.ceiling.bytes)
    const { cutRate } = this
    this.cutRate = this.roundRate
    if (!early) this.flightBefore = had
    else if (had < C.EARLY_SHARE * this.flightBefore && this.roundRate < C.EARLY_RATE_SHARE * cutRate) {
      this.ignoreLoss()
      return
    }
    this.ceiling.cut(flight, this.mtu, this.meanRtt, now)
    this.cutLoss = lossRate
    this.afterSent = 0
    this.afterLost = 0
  }

  /** Losses come back long before the ceiling does, however much we yield: they are another's. */
  private ignoreLoss(): void {
    const again = this.round - this.lossIgnoredUntil < C.LOSS_IGNORED_ROUNDS
    this.lossIgnoredRounds = again
      ? Math.min(2 * this.lossIgnoredRounds, C.LOSS_IGNORED_ROUNDS_MAX)
      : C.LOSS_IGNORED_ROUNDS
    this.lossIgnoredUntil = this.round + this.lossIgnoredRounds
    this.ceiling.lift()
    this.rateBound = Number.POSITIVE_INFINITY
  }

  /** Losses that go on as before after a cut, though less is sent and no queue stands, were the path's own. */
  private verifyCut(sent: number): void {
    const since = this.round - this.lastCutRound
    if (since <= C.CUT_ROUNDS || since > 2 * C.CUT_ROUNDS) return
    this.afterSent += sent
    this.afterLost += this.roundLost
    if (since < 2 * C.CUT_ROUNDS || !this.clear) return
    const lossRate = this.afterLost / this.afterSent
    if (lossRate < C.CUT_IN_VAIN * this.cutLoss) return
    this.ceiling.undo()
    this.rateBound = Number.POSITIVE_INFINITY
    this.pathLoss.set(lossRate)
  }

  private step(s: RateSample, now: number): void {
    if (this.phase !== 'up') this.ceiling.raise(this.mtu, this.meanRtt, now)
    // A round and more after probing up, losses still tell of it.
    if (this.round - this.lastUpRound <= 2 && this.lastCutRound < this.lastUpRound && this.isTooHigh(s)) {
      this.cut(s.flightThen, s.lostSince / s.flightThen, now)
      if (this.phase === 'up') this.enter('down', now)
    }
    switch (this.phase) {
      case 'startup':
        if (this.pipeFull) this.enter('drain', now)
        break
      case 'drain':
        if (s.inFlight <= this.pipe || this.round - this.phaseRound > 4) this.enter('down', now)
        break
      case 'cruise':
        if (now >= this.cruiseUntil && this.mayProbe(now)) this.enter('up', now)
        break
      case 'up':
        this.lastUpRound = this.round
        if (s.inFlight + s.acked >= this.ceiling.bytes * C.CEILING_USED) this.ceiling.probe(s.acked, this.mtu)
        if (
          this.round - this.phaseRound >= C.UP_ROUNDS_MAX ||
          (this.round - this.phaseRound >= (this.competing ? C.COMPETING_UP_ROUNDS : this.upRounds) &&
            s.inFlight + s.acked >= C.UP_TARGET * this.pipe)
        ) {
          this.enter('down', now)
        }
        break
      case 'down':
        if (
          this.round - this.phaseRound >= (this.competing ? C.COMPETING_DOWN_ROUNDS : C.DOWN_ROUNDS_MAX) ||
          (s.inFlight <= Math.min(this.bandwidth * this.baseRtt, this.ceiling.bytes * C.HEADROOM) &&
            !this.lossUnknown)
        ) {
          this.enter('cruise', now)
        }
        break
      case 'probe-rtt':
        this.stepProbeRtt(s, now)
        return
    }
    if (now - this.minRttAt > C.MIN_RTT_MEMORY) this.enter('probe-rtt', now)
  }

  private stepProbeRtt(s: RateSample, now: number): void {
    if (this.probeRttDoneAt === 0) {
      if (s.inFlight <= this.probeRttWindow || this.round - this.phaseRound > 4) {
        this.probeRttDoneAt = now + Math.max(C.PROBE_RTT_TIME, this.minRtt)
        this.probeRttLeast = Number.POSITIVE_INFINITY
      }
      return
    }
    if (now < this.probeRttDoneAt || this.probeRttLeast === Number.POSITIVE_INFINITY) return
    this.minRtt = this.probeRttLeast
    this.minRttAt = now
    this.enter(this.pipeFull ? 'cruise' : 'startup', now)
  }

  /** The one place that changes the phase. */
  private enter(phase: Phase, now: number): void {
    if (this.phase === 'down' && this.round - this.phaseRound >= 2) this.slowRound = this.round
    this.phase = phase
    this.phaseRound = this.round
    if (phase === 'up') {
      this.cycleLost = false
      if (this.clear) this.ceiling.restartProbing()
      this.rateBound = Number.POSITIVE_INFINITY
    }
    if (phase === 'down') {
      // An application that sends little tells nothing of the path: the estimate stays.
      if (this.rateNow > 0) this.rateBefore = this.rateNow
      this.rateNow = 0
    } else if (phase === 'cruise') {
      const found = this.clear && this.rateNow >= this.rateBefore * C.UP_FOUND
      this.upRounds = found ? Math.min(2 * this.upRounds, C.UP_ROUNDS_MAX) : 1
      const rounds = C.CRUISE_ROUNDS * (1 + this.random())
      this.cruiseUntil = now + Math.min(rounds * this.minRtt, C.CRUISE_MAX * (0.7 + 0.3 * this.random()))
    } else if (phase === 'probe-rtt') {
      this.probeRttDoneAt = 0
      this.probeRttLeast = Number.POSITIVE_INFINITY
    }
  }

  /** After a cut, other flows on the full path need time to find their share; not where the ceiling is no bound to us. */
  private mayProbe(now: number): boolean {
    return this.ceiling.hasPassed(C.HOLD, now) || this.ceiling.bytes > C.WINDOW_GAIN * this.pipe
  }

  /** Rate to send at before gains: what the path can deliver, and does now. */
  private get rate(): number {
    if (this.rateBound === Number.POSITIVE_INFINITY) return this.bandwidth
    return Math.min(this.bandwidth, this.rateBound * (this.ceiling.bytes / this.boundCeiling))
  }

  /** Bytes that fill the path without a queue. */
  private get pipe(): number {
    if (this.minRtt === Number.POSITIVE_INFINITY) return C.INITIAL_PACKETS * this.mtu
    return (
      this.bandwidth *
      (this.baseRtt === Number.POSITIVE_INFINITY
        ? this.minRtt
        : Math.min(this.baseRtt, C.JITTER_SHARE_MAX * this.minRtt))
    )
  }

  private get probeRttWindow(): number {
    return Math.max(C.WINDOW_MIN_PACKETS * this.mtu, C.PROBE_RTT_GAIN * this.pipe)
  }

  private get gain(): number {
    switch (this.phase) {
      case 'startup':
        return C.STARTUP_GAIN
      case 'drain':
        return C.DRAIN_GAIN
      case 'up':
        return C.UP_GAIN
      case 'down':
        return C.DOWN_GAIN
      default:
        return this.clear || this.competing ? C.CRUISE_GAIN : C.QUEUE_GAIN
    }
  }

  /** Bytes to send for each byte to be delivered. */
  private get sendShare(): number {
    return 1 / (1 - Math.min(this.pathLoss.rate, C.LOSS_COMPENSATED_MAX))
  }

  private setPacing(): void {
    const bandwidth = this.bandwidth
    if (bandwidth === 0) return
    const floor = (C.WINDOW_MIN_PACKETS * this.mtu) / this.minRtt
    const rate = Math.max(this.gain * this.rate * this.sendShare, floor)
    if (this.pipeFull) this.pacingRate = rate
    else {
      // Until the pipe has been full, a slow application must not slow the pacing down.
      const start = (C.STARTUP_GAIN * C.INITIAL_PACKETS * this.mtu) / this.minRtt
      const before = this.pacingRate === Number.POSITIVE_INFINITY ? start : this.pacingRate
      this.pacingRate = Math.max(rate, start, before)
    }
  }

  private setWindow(s: RateSample): void {
    const least = C.WINDOW_MIN_PACKETS * this.mtu
    if (this.phase === 'probe-rtt') {
      this.window = Math.min(this.window, this.probeRttWindow)
      return
    }
    const usual = (this.pipeFull ? C.WINDOW_GAIN : C.STARTUP_WINDOW_GAIN) * this.pipe
    const wanted = this.pipeFull && this.competing ? this.bandwidth * this.competingRtt : usual
    // Lost packets stay in flight for about another round trip until they are known to be lost.
    const held = this.bandwidth * this.sendShare * this.pathLoss.rate * this.recentRtt
    const target =
      Math.max(usual, wanted) * this.sendShare + held + C.LUMP_ALLOWANCE * this.bandwidth + 3 * this.mtu
    if (this.pipeFull) this.window = Math.min(this.window + s.acked, target)
    else if (this.window < target || this.delivered - this.startAt < C.INITIAL_PACKETS * this.mtu)
      this.window += s.acked
    this.window = Math.max(least, Math.min(this.window, this.ceiling.bytes))
  }
}
