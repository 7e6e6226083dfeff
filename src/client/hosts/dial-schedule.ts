/** When each known host is dialled by its own key, and how many that have not proved to be hosts are dialled at a time. */
import type { Limits } from '../../limits.js'
import type { Clock, Timer } from '../../util/clock.js'
import { TokenBucket } from '../../util/token-bucket.js'
import type { Host } from './host.js'

/** What the schedule needs to know of a host. */
export type ScheduledHost = Pick<Host, 'session' | 'answers' | 'proven' | 'seenAt' | 'dialAt' | 'dialler'>

export interface DialScheduleDeps<H extends ScheduledHost> {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'hostDials' | 'hostDialsPerMinute' | 'hostForgetMs' | 'redialMs' | 'lookUpMs'>
  /** The known hosts, as a copy. */
  readonly hosts: () => readonly H[]
  /** Whether hosts without a session have to wait for the dial of the key that all share. */
  readonly held: () => boolean
  /** Whether there are as many sessions as there may be. */
  readonly full: () => boolean
  /** A host has been away for too long. */
  readonly forget: (host: H) => void
}

export class DialSchedule<H extends ScheduledHost = Host> {
  readonly #deps: DialScheduleDeps<H>
  readonly #unproven: TokenBucket
  /** Armed until the next dial is due. */
  #timer: Timer | null = null
  #closed = false

  constructor(deps: DialScheduleDeps<H>) {
    const { hostDialsPerMinute } = deps.limits
    this.#deps = deps
    this.#unproven = new TokenBucket(hostDialsPerMinute / 60_000, hostDialsPerMinute)
  }

  /** Dials a host in `ms`. */
  later(host: H, ms: number): void {
    host.dialAt = this.#deps.clock.now() + ms
    this.run()
  }

  /** Dials the hosts that are due, forgets those that are gone, and arms the timer for the next. */
  run(): void {
    this.#timer?.cancel()
    if (this.#closed) return
    const { clock, limits, hosts, held, forget } = this.#deps
    const now = clock.now()
    const isHeld = held()
    let next = Number.POSITIVE_INFINITY
    for (const host of hosts()) {
      if (host.dialler.busy || host.answers) continue
      if (!host.session && now - host.seenAt >= limits.hostForgetMs) {
        forget(host)
      } else if (host.dialAt <= now && this.#mayDial(host, isHeld)) {
        if (!host.proven) this.#unproven.take(1)
        host.dialler.dial()
      } else {
        const retry = now + (isHeld ? limits.redialMs : limits.lookUpMs)
        next = Math.min(next, host.dialAt > now ? host.dialAt : retry)
      }
    }
    if (next < Number.POSITIVE_INFINITY) this.#timer = clock.after(next - now, () => this.run())
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #mayDial(host: H, isHeld: boolean): boolean {
    const { clock, limits, hosts, full } = this.#deps
    if (host.session) return true
    if (isHeld || full()) return false
    if (host.proven) return true
    const dialling = hosts().filter(other => !other.proven && other.dialler.busy)
    return dialling.length < limits.hostDials && this.#unproven.has(1, clock.now())
  }
}
