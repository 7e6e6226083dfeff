/**
 * A rough kernel TCP for company on the bottleneck: one bulk sender with per-packet acks, loss by three later acks, and
 * Reno, CUBIC (RFC 9438) or BBR version 1. It carries no bytes, only counts.
 */
import type { Link } from './link.js'
import type { VirtualClock } from './virtual-clock.js'

export type TcpKind = 'reno' | 'cubic' | 'bbr1'

const MSS = 1448
const WIRE = 1500

interface Packet {
  sentAt: number
  delivered: number
  deliveredAt: number
  state: 0 | 1 | 2
}

export class TcpFlow {
  delivered = 0
  retransmits = 0
  cwnd = 10
  private ssthresh = Number.POSITIVE_INFINITY
  private readonly packets: Packet[] = []
  private inFlight = 0
  private oldest = 0
  private recoverUntil = 0
  private srtt = 0
  private minRtt = Number.POSITIVE_INFINITY
  private minRttAt = 0
  // CUBIC
  private wMax = 0
  private epochAt = -1
  private k = 0
  // BBR1
  private rates: number[] = []
  private roundEnd = 0
  private roundRate = 0
  private fullRate = 0
  private fullRounds = 0
  private full = false
  private draining = false
  private cycle = 0
  private cycleAt = 0
  private probeRttUntil = 0
  private nextSendAt = 0
  private pumping = false
  private deliveredPackets = 0

  constructor(
    private readonly clock: VirtualClock,
    private readonly forward: Link,
    private readonly back: Link,
    private readonly kind: TcpKind
  ) {
    clock.after(0, () => this.pump())
    this.watch()
  }

  private watch(): void {
    // Retransmission timeout: everything in flight is lost.
    const p = this.packets[this.oldest]
    if (p && this.inFlight > 0 && this.clock.now() - p.sentAt > Math.max(200, 3 * this.srtt)) {
      for (let i = this.oldest; i < this.packets.length; i++) this.lose(i)
      if (this.kind !== 'bbr1') {
        this.ssthresh = Math.max(2, this.cwnd / 2)
        this.cwnd = 2
        this.epochAt = -1
      }
    }
    this.pump()
    this.clock.after(50, () => this.watch())
  }

  private lose(i: number): void {
    const p = this.packets[i]!
    if (p.state !== 0) return
    p.state = 2
    this.inFlight--
    this.retransmits++
  }

  private pump(): void {
    const now = this.clock.now()
    const rate = this.pacing()
    while (this.inFlight < Math.floor(this.cwnd)) {
      if (rate > 0 && this.nextSendAt > now) {
        if (!this.pumping) {
          this.pumping = true
          this.clock.at(this.nextSendAt, () => {
            this.pumping = false
            this.pump()
          })
        }
        return
      }
      if (rate > 0) this.nextSendAt = Math.max(this.nextSendAt, now) + WIRE / rate
      const i = this.packets.length
      this.packets.push({ sentAt: now, delivered: this.deliveredPackets, deliveredAt: now, state: 0 })
      this.inFlight++
      this.forward.send(WIRE, () => this.back.send(64, () => this.onAck(i)))
    }
  }

  private onAck(i: number): void {
    const now = this.clock.now()
    const p = this.packets[i]!
    if (p.state === 1) return
    if (p.state === 0) this.inFlight--
    p.state = 1
    this.delivered += MSS
    this.deliveredPackets++
    const rtt = now - p.sentAt
    this.srtt = this.srtt === 0 ? rtt : this.srtt + (rtt - this.srtt) / 8
    if (rtt <= this.minRtt) {
      this.minRtt = rtt
      this.minRttAt = now
    }
    let lost = false
    while (this.oldest < this.packets.length && this.packets[this.oldest]!.state !== 0) this.oldest++
    for (let j = this.oldest; j < i - 3; j++) {
      if (this.packets[j]!.state === 0) {
        lost = true
        this.lose(j)
      }
    }
    if (this.kind === 'bbr1') this.bbr(i, rtt, now)
    else if (lost && this.oldest >= this.recoverUntil) this.backOff(now)
    else if (this.cwnd < this.ssthresh) this.cwnd += 1
    else if (this.kind === 'reno') this.cwnd += 1 / this.cwnd
    else this.cubic(now)
    this.pump()
  }

  private backOff(now: number): void {
    this.recoverUntil = this.packets.length
    if (this.kind === 'reno') this.cwnd = Math.max(2, this.cwnd / 2)
    else {
      this.wMax = this.cwnd < this.wMax ? (this.cwnd * 1.7) / 2 : this.cwnd
      this.cwnd = Math.max(2, this.cwnd * 0.7)
      this.k = Math.cbrt((this.wMax - this.cwnd) / 0.4)
      this.epochAt = now
    }
    this.ssthresh = this.cwnd
  }

  private cubic(now: number): void {
    if (this.epochAt < 0) {
      this.epochAt = now
      this.wMax = this.cwnd
      this.k = 0
    }
    const t = (now - this.epochAt + this.srtt) / 1000
    const target = Math.min(0.4 * (t - this.k) ** 3 + this.wMax, 1.5 * this.cwnd)
    const friendly = this.wMax * 0.7 + ((3 * 0.3) / 1.7) * ((now - this.epochAt) / this.srtt)
    if (target > this.cwnd) this.cwnd += (target - this.cwnd) / this.cwnd
    else this.cwnd += 0.01 / this.cwnd
    if (this.cwnd < friendly) this.cwnd += (friendly - this.cwnd) / this.cwnd
  }

  /** Bytes per ms, or 0 for no pacing. */
  private pacing(): number {
    if (this.kind !== 'bbr1') return 0
    const rate = Math.max(...this.rates, this.roundRate)
    if (rate === 0) return 0
    const gains = [1.25, 0.75, 1, 1, 1, 1, 1, 1]
    const gain = !this.full ? 2.89 : this.draining ? 1 / 2.89 : gains[this.cycle % 8]!
    return gain * rate * WIRE
  }

  private bbr(i: number, rtt: number, now: number): void {
    const p = this.packets[i]!
    const rate = (this.deliveredPackets - p.delivered) / Math.max(rtt, this.minRtt)
    if (rate > this.roundRate) this.roundRate = rate
    if (p.delivered >= this.roundEnd) {
      this.roundEnd = this.deliveredPackets
      this.rates.push(this.roundRate)
      this.roundRate = 0
      if (this.rates.length > 10) this.rates.shift()
      const best = Math.max(...this.rates)
      if (!this.full) {
        if (best > this.fullRate * 1.25) {
          this.fullRate = best
          this.fullRounds = 0
        } else if (++this.fullRounds >= 3) {
          this.full = true
          this.draining = true
        }
      }
    }
    const pipe = Math.max(...this.rates, this.roundRate) * this.minRtt
    if (this.draining && this.inFlight <= pipe) this.draining = false
    if (this.full && now - this.cycleAt > this.minRtt) {
      this.cycle++
      this.cycleAt = now
    }
    if (now - this.minRttAt > 10000) {
      this.probeRttUntil = now + 200 + this.srtt
      this.minRtt = rtt
      this.minRttAt = now
    }
    const gain = this.full ? 2 : 2.89
    if (now < this.probeRttUntil) this.cwnd = 4
    else if (this.full) this.cwnd = Math.max(4, Math.min(this.cwnd + 1, gain * pipe + 3))
    else this.cwnd += 1
  }
}
