/**
 * How much may be in flight, and how fast it may leave: a model of the path after draft-ietf-ccwg-bbr (BBRv3), with two
 * changes. (1) Loss means a full queue only in so far as it exceeds the path's own loss rate, which is measured in
 * rounds that do not probe and see no queue; so a radio link's 5 % do not slow a flow down. (2) The phases are fewer and
 * shorter: one ceiling on bytes in flight, cut at overflow and raised while probing.
 */
import * as C from './constants.js'
import type { RateSample } from './delivery.js'

/**
 *     startup --> drain --> cruise --> up --> down --+        probe-rtt is entered from anywhere
 *                              ^                     |        when the least round trip is old,
 *                              +---------------------+        and leads back to cruise
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
  /** Bytes in flight beyond which the queue overflowed; Infinity when it never did. */
  ceiling = Number.POSITIVE_INFINITY
  /** The path's own loss rate, 0 to 1. */
  ownLoss = 0
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
  private lastCutRound = -100
  private roundLostPackets = 0
  private roundRttSum = 0
  private roundRttCount = 0
  private roundRttLeast = Number.POSITIVE_INFINITY
  private roundFlight = 0
  private delivered = 0
  /** Least mean round trip of a round, in this span of MIN_RTT_MEMORY / 2 and the last. */
  private baseNow = Number.POSITIVE_INFINITY
  private baseBefore = Number.POSITIVE_INFINITY
  private baseSince: number
  /** Rounds in this span of STUBBORN_ROUNDS and the last, those of them with a long queue, and their least mean. */
  private spanRounds = 0
  private spanLong = 0
  private spanLeast = Number.POSITIVE_INFINITY
  private spanSum = 0
  private lastSpanSum = 0
  private lastSpanRounds = 0
  private lastSpanLong = 0
  private lastSpanLeast = Number.POSITIVE_INFINITY
  /** The round from which on queues are noted again. */
  private noteRound = 0
  private ownLost = 0
  private ownSent = 0

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
    now: number
  ) {
    this.window = C.INITIAL_PACKETS * mtu
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

  /** Takes what one ack told. */
  onAck(s: RateSample, now: number): void {
    this.delivered += s.acked
    this.roundAcked += s.acked
    this.roundLost += s.lost
    if (s.lost > 0) this.roundLostPackets += Math.max(1, Math.round(s.lost / this.mtu))
    const flight = s.inFlight + s.acked + s.lost
    if (flight > this.roundFlight) this.roundFlight = flight
    if (s.rate > 0 && (s.rate >= this.bandwidth || !s.appLimited) && s.rate > this.rateNow)
      this.rateNow = s.rate
    if (s.rtt > 0) this.onRtt(s.rtt, now)
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
    if (mean > 0) this.noteBase(mean, now)
    // Some packet saw no queue; the mean would not do, for jitter raises it.
    this.clear = this.roundRttLeast <= this.minRtt * C.CLEAR_SHARE + C.CLEAR_SLACK
    const packets = sent / this.mtu
    const chance = C.LOSS_CHANCE * Math.sqrt((this.ownLoss * (1 - this.ownLoss)) / Math.max(1, packets))
    const overflow =
      this.roundLostPackets >= C.LOSS_PACKETS_MIN && lossRate - this.ownLoss > Math.max(C.LOSS_EXCESS, chance)
    // A round after probing up still tells of packets sent while probing.
    const probed = this.phase === 'up' || this.round - this.lastUpRound <= 2
    if (this.clear && !probed) this.noteOwnLoss(sentNow)
    if (this.phase === 'startup') this.checkPipe(s, overflow && !this.clear)
    else if (overflow && (probed || !this.clear) && this.round - this.lastCutRound > C.CUT_ROUNDS)
      this.onOverflow(now)
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
    if (this.phase === 'probe-rtt') this.noteRound = this.round + C.STUBBORN_REST
    if (this.round >= this.noteRound) this.noteQueue(mean)
  }

  private noteQueue(mean: number): void {
    if (this.spanRounds === C.STUBBORN_ROUNDS) {
      this.lastSpanRounds = this.spanRounds
      this.lastSpanLong = this.spanLong
      this.lastSpanLeast = this.spanLeast
      this.lastSpanSum = this.spanSum
      this.spanSum = 0
      this.spanRounds = 0
      this.spanLong = 0
      this.spanLeast = Number.POSITIVE_INFINITY
    }
    this.spanRounds++
    this.spanSum += mean
    if (mean > this.minRtt * C.STUBBORN_QUEUE) this.spanLong++
    if (mean < this.spanLeast) this.spanLeast = mean
  }

  /** Least mean round trip of the last rounds: what the others leave, whatever we do. */
  private get recentRtt(): number {
    return Math.min(this.spanLeast, this.lastSpanLeast, 10 * this.minRtt)
  }

  /** Mean round trip of the last rounds. */
  private get longRtt(): number {
    return (this.spanSum + this.lastSpanSum) / Math.max(1, this.spanRounds + this.lastSpanRounds)
  }

  /** Somebody keeps a long queue all the time, whether we make room or not. */
  private get stubborn(): boolean {
    const rounds = this.spanRounds + this.lastSpanRounds
    return this.lastSpanRounds > 0 && this.spanLong + this.lastSpanLong >= C.STUBBORN_SHARE * rounds
  }

  /** Mean round trip of a round without a queue: above minRtt by what jitter adds. */
  private get baseRtt(): number {
    return Math.min(this.baseNow, this.baseBefore)
  }

  private noteOwnLoss(sent: number): void {
    const memory = C.LOSS_RATE_PACKETS * this.mtu
    const keep = this.ownSent + sent > memory ? Math.max(0, 1 - sent / memory) : 1
    this.ownLost = this.ownLost * keep + this.roundLost
    this.ownSent = this.ownSent * keep + sent
    this.ownLoss = this.ownLost / (this.ownSent + 50 * this.mtu)
  }

  private checkPipe(s: RateSample, overflow: boolean): void {
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

  private onOverflow(now: number): void {
    this.lastCutRound = this.round
    const floor = this.bandwidth * (this.stubborn ? C.STUBBORN_GAIN * this.longRtt : this.recentRtt)
    this.ceiling = Math.max(Math.min(this.ceiling, this.roundFlight) * C.BETA, floor)
    if (this.phase === 'up') this.enter('down', now)
  }

  private step(s: RateSample, now: number): void {
    switch (this.phase) {
      case 'startup':
        if (this.pipeFull) this.enter('drain', now)
        break
      case 'drain':
        if (s.inFlight <= this.pipe || this.round - this.phaseRound > 4) this.enter('cruise', now)
        break
      case 'cruise':
        if (now >= this.cruiseUntil) this.enter('up', now)
        break
      case 'up':
        this.lastUpRound = this.round
        if (this.ceiling !== Number.POSITIVE_INFINITY && s.inFlight + s.acked >= this.ceiling * 0.9) {
          this.ceiling += s.acked / 4
        }
        if (
          this.round - this.phaseRound >= C.UP_ROUNDS_MAX ||
          (this.round - this.phaseRound >= (this.stubborn ? C.STUBBORN_UP_ROUNDS : this.upRounds) &&
            s.inFlight + s.acked >= C.UP_TARGET * this.pipe)
        ) {
          this.enter('down', now)
        }
        break
      case 'down':
        if (
          this.round - this.phaseRound >= (this.stubborn ? C.STUBBORN_DOWN_ROUNDS : C.DOWN_ROUNDS_MAX) ||
          s.inFlight <= Math.min(this.bandwidth * this.baseRtt, this.ceiling * C.HEADROOM)
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
    this.phase = phase
    this.phaseRound = this.round
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
        return this.clear || this.stubborn ? C.CRUISE_GAIN : C.QUEUE_GAIN
    }
  }

  /** Bytes to send for each byte to be delivered. */
  private get sendShare(): number {
    return 1 / (1 - Math.min(this.ownLoss, C.LOSS_COMPENSATED_MAX))
  }

  private setPacing(): void {
    const bandwidth = this.bandwidth
    if (bandwidth === 0) return
    const floor = (C.WINDOW_MIN_PACKETS * this.mtu) / this.minRtt
    const rate = Math.max(this.gain * bandwidth * this.sendShare, floor)
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
    const stubborn = this.pipeFull && this.stubborn
    const wanted = stubborn ? C.STUBBORN_GAIN * this.bandwidth * this.longRtt : usual
    // Lost packets stay in flight for about another round trip until they are known to be lost.
    const held = this.bandwidth * this.sendShare * this.ownLoss * this.recentRtt
    const target =
      Math.max(usual, wanted) * this.sendShare + held + C.LUMP_ALLOWANCE * this.bandwidth + 3 * this.mtu
    if (this.pipeFull) this.window = Math.min(this.window + s.acked, target)
    else if (this.window < target || this.delivered < C.INITIAL_PACKETS * this.mtu) this.window += s.acked
    const share = this.phase === 'up' || this.phase === 'startup' ? 1 : C.HEADROOM
    const ceiling = stubborn ? Math.max(this.ceiling, wanted) : this.ceiling * share
    this.window = Math.max(least, Math.min(this.window, ceiling))
  }
}
