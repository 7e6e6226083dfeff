import type { Trace } from '../util/trace.js'
import type { ArqStats } from './arq/index.js'

/** The least time between two `metrics_updated` of one flow, ms. */
const METRICS_MS = 10

/** Traces what has changed in one flow over the ARQ. */
export class FlowTrace {
  #metrics: Record<string, number | null> = {}
  #metricsAt = Number.NEGATIVE_INFINITY
  #phase = ''
  #state = ''
  #losses = 0
  #retransmits = 0

  constructor(
    readonly trace: Trace,
    readonly group: string
  ) {}

  /** @param now ms */
  update(stats: ArqStats, now: number): void {
    const { state, phase, losses, retransmits } = stats
    if (state !== this.#state) {
      this.trace('connectivity:connection_state_updated', this.group, {
        ...(this.#state && { old: this.#state }),
        new: state,
        bytes_sent: stats.bytesSent,
        bytes_received: stats.bytesReceived
      })
      this.#state = state
    }
    if (phase !== this.#phase) {
      this.trace('recovery:congestion_state_updated', this.group, {
        ...(this.#phase && { old: this.#phase }),
        new: phase
      })
      this.#phase = phase
    }
    if (losses !== this.#losses || retransmits !== this.#retransmits) {
      this.trace('hyper-nat:packets_lost', this.group, {
        lost: losses - this.#losses,
        retransmitted: retransmits - this.#retransmits
      })
      this.#losses = losses
      this.#retransmits = retransmits
    }
    if (now - this.#metricsAt < METRICS_MS) return
    this.#traceMetrics(stats, now)
  }

  #traceMetrics(stats: ArqStats, now: number): void {
    const metrics: Record<string, number | null> = {
      smoothed_rtt: stats.rtt,
      min_rtt: finite(stats.minRtt),
      congestion_window: Math.round(stats.window),
      bytes_in_flight: stats.inFlight,
      packets_sent: stats.segmentsSent,
      // The ARQ has bytes per ms.
      delivery_rate: Math.round(stats.bandwidth * 8000),
      loss_rate: stats.lossRate
    }
    const changed = Object.entries(metrics).filter(([name, value]) => value !== this.#metrics[name])
    if (changed.length === 0) return
    this.#metrics = metrics
    this.#metricsAt = now
    this.trace('recovery:metrics_updated', this.group, Object.fromEntries(changed))
  }
}

/** qlog has no infinity: nothing was measured yet. */
function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null
}
