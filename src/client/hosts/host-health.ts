/**
 * How hosts stand: which of several is the one for new flows, and which was started again. Pure; times in milliseconds, by the
 * session's clock.
 */
import type { Limits } from '../../limits.js'

/** What is known of a host that a session leads to. */
export interface HostHealth {
  /** Whether a connection carries the session now. */
  readonly connected: boolean
  /** When something was last received from it, to judge it by: earlier while its pings go unanswered. */
  readonly lastReceived: number
  /** When something was last received from it. */
  readonly receivedAt: number
  /** Smoothed round trip, or null before the first answer. */
  readonly rtt: number | null
  /** When its process was started; minus infinity when it did not say. */
  readonly startedAt: number
}

type HostHealthLimits = Pick<
  Limits,
  'silentMs' | 'unsteadyMs' | 'hostBetterMs' | 'hostBetterShare' | 'hostDwellMs'
>

/** Whether something was received from a host a moment ago. */
export function answers(host: HostHealth, now: number, limits: Pick<Limits, 'unsteadyMs'>): boolean {
  return host.connected && now - host.lastReceived < limits.unsteadyMs
}

/**
 * The hosts that were started again, as others: a process that was killed does not say so, and its sessions would wait for it as
 * they do for one whose path is away. Hosts that answer now and were started after one fell silent have taken its place, unless
 * more are silent than that: then it is not known whose.
 */
export function replaced<H extends HostHealth>(
  hosts: readonly H[],
  now: number,
  limits: Pick<Limits, 'silentMs' | 'unsteadyMs'>
): H[] {
  const answering = hosts.filter(host => answers(host, now, limits))
  const away = hosts.length - answering.length
  return hosts.filter(host => {
    if (now - host.lastReceived < limits.silentMs) return false
    // Not by when a ping was last answered: the other may have been started between that and the silence.
    const since = answering.filter(({ startedAt }) => startedAt > host.receivedAt)
    return since.length >= away
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
