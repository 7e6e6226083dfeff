/**
 * How hosts stand: which of several is the one for new flows, and which is dead. Pure; times in milliseconds, by the session's
 * clock.
 */
import type { Limits } from '../../limits.js'
import type { LastReceived } from '../../session/path-monitor.js'

/** What is known of a host that a session leads to. */
export interface HostHealth {
  /** Whether a connection carries the session now. */
  readonly connected: boolean
  readonly heard: LastReceived
  /** Smoothed round trip, or null before the first answer. */
  readonly rtt: number | null
  /** When it was welcomed for the first time. */
  readonly firstWelcomeAt: number
}

type HostHealthLimits = Pick<
  Limits,
  'silentMs' | 'deadMs' | 'unsteadyMs' | 'hostBetterMs' | 'hostBetterShare' | 'hostDwellMs'
>

/** Whether a host was heard a moment ago. */
export function answers(host: HostHealth, now: number, limits: Pick<Limits, 'unsteadyMs'>): boolean {
  return host.connected && now - host.heard.at < limits.unsteadyMs
}

/**
 * Whether a host is to be taken as dead: silent while another one answers. One that answered all the while shows at once that
 * our own path is not the cause; so does one met since, which has taken its place. When it was our path, all were silent; then
 * those that are back first wait for the others, which may need longer for a new path.
 */
export function isDead(
  host: HostHealth,
  others: readonly HostHealth[],
  now: number,
  limits: HostHealthLimits
): boolean {
  if (now - host.heard.at < limits.silentMs) return false
  return others.some(other => {
    if (!answers(other, now, limits)) return false
    const { steadySince } = other.heard
    if (other.firstWelcomeAt > host.heard.at || now - steadySince >= limits.deadMs) return true
    return steadySince < host.heard.at + limits.unsteadyMs
  })
}

/** Chooses the host for new flows: the one with the shortest round trip, but not another one every few seconds. */
export class HostSelector<H extends HostHealth> {
  #chosen: H | null = null
  #changedAt = Number.NEGATIVE_INFINITY

  constructor(readonly limits: HostHealthLimits) {}

  /** @returns one of `hosts`, or null if there are none */
  pick(hosts: readonly H[], now: number): H | null {
    const chosen = this.#chosen && hosts.includes(this.#chosen) ? this.#chosen : null
    const best = this.best(hosts, now)
    if (!best || best === chosen || (chosen && !this.#isBetter(best, chosen, now))) return chosen
    // What it was at first was a matter of who answered first.
    if (this.#chosen) this.#changedAt = now
    this.#chosen = best
    return best
  }

  /** The best of some, without remembering it. */
  best(hosts: readonly H[], now: number): H | null {
    let best: H | null = null
    for (const host of hosts) if (!best || this.#compare(host, best, now) < 0) best = host
    return best
  }

  #isBetter(host: H, chosen: H, now: number): boolean {
    const { limits } = this
    const rank = this.#rank(host, now) - this.#rank(chosen, now)
    if (rank !== 0) return rank < 0
    if (host.rtt === null || chosen.rtt === null || now - this.#changedAt < limits.hostDwellMs) return false
    return chosen.rtt - host.rtt >= Math.max(limits.hostBetterMs, chosen.rtt * limits.hostBetterShare)
  }

  #compare(a: H, b: H, now: number): number {
    const rank = this.#rank(a, now) - this.#rank(b, now)
    if (rank !== 0) return rank
    return (a.rtt ?? Number.MAX_VALUE) - (b.rtt ?? Number.MAX_VALUE)
  }

  /** Those that answer, then those whose connection is not given up, then the rest. */
  #rank(host: H, now: number): number {
    if (answers(host, now, this.limits)) return 0
    return host.connected ? 1 : 2
  }
}
