/**
 * Detects changes of this machine's network, and reports changes that come together once. It polls: Node has no event for this, and
 * udx-native's watcher polls, too, every 5 s.
 */

import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'

/**
 * What has changed:
 *
 * - lost: an address of this machine is gone, maybe one that it had at a relay by TCP, and connections over it are dead
 * - new: it has a further address
 * - woken: the machine has slept
 * - moved: others observe another address, though the machine's own is the same
 * - back: others answer again after an outage
 * - udp: UDP works again, after packets have gone through a relay by TCP
 */
export type NetworkChange = 'lost' | 'new' | 'woken' | 'moved' | 'back' | 'udp'

export interface NetworkWatchDeps {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'watchMs' | 'sleepMs' | 'changeRestMs'>
  /** The addresses of this machine that lead out of it. */
  readonly addresses: () => readonly string[]
  /** The time of day, ms: unlike the clock it goes on while the machine sleeps. */
  readonly timeOfDay: () => number
}

export class NetworkWatch {
  readonly #deps: NetworkWatchDeps
  readonly #onchange: (changes: ReadonlySet<NetworkChange>) => void
  #changes = new Set<NetworkChange>()
  #addresses: ReadonlySet<string>
  #time: number
  #poll: Timer | null = null
  #rest: Timer | null = null
  /** No address is left: changes are not reported before there is one again. */
  #unplugged = false

  /** @param onchange called with all changes since the last call, at most once in `changeRestMs` */
  constructor(deps: NetworkWatchDeps, onchange: (changes: ReadonlySet<NetworkChange>) => void) {
    this.#deps = deps
    this.#onchange = onchange
    this.#addresses = new Set(deps.addresses())
    this.#time = deps.timeOfDay()
  }

  /** Polls until {@link stop}. */
  start(): void {
    const { clock, limits } = this.#deps
    this.#poll = clock.after(limits.watchMs, () => {
      this.#compare()
      this.start()
    })
  }

  stop(): void {
    this.#poll?.cancel()
    this.#rest?.cancel()
    this.#changes.clear()
  }

  /** Reports a change that was detected elsewhere. */
  report(...changes: NetworkChange[]): void {
    for (const change of changes) this.#changes.add(change)
    this.#flush()
  }

  #compare(): void {
    const { limits, addresses, timeOfDay } = this.#deps
    const changes: NetworkChange[] = []
    const time = timeOfDay()
    if (time - this.#time > limits.watchMs + limits.sleepMs) changes.push('woken')
    this.#time = time
    const before = this.#addresses
    this.#addresses = new Set(addresses())
    if ([...before].some(address => !this.#addresses.has(address))) changes.push('lost')
    if ([...this.#addresses].some(address => !before.has(address))) changes.push('new')
    if (this.#addresses.size > 0) this.#unplugged = false
    else if (before.size > 0) this.#unplugged = true
    if (changes.length > 0) this.report(...changes)
  }

  #flush(): void {
    if (this.#unplugged || this.#rest || this.#changes.size === 0) return
    const changes = this.#changes
    this.#changes = new Set()
    this.#rest = this.#deps.clock.after(this.#deps.limits.changeRestMs, () => {
      this.#rest = null
      this.#flush()
    })
    this.#onchange(changes)
  }
}
