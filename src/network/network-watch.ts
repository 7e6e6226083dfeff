/**
 * Notices that this machine's network has changed, and tells of it once however much changes at once. Polled: Node has no
 * event for it, and udx-native's watcher polls too, every 5 s.
 */
import type { Clock, Timer } from '../clock.js'
import type { Limits } from '../limits.js'

/**
 * What has changed:
 *
 * - lost: an address of this machine is gone, and connections over it are dead
 * - new: it has a further address
 * - woken: it has slept
 * - moved: others see it at another address, though its own is the same
 * - back: others answer again, after a while when they did not
 * - udp: UDP works again, after packets have gone through a relay by TCP
 */
export type NetworkChange = 'lost' | 'new' | 'woken' | 'moved' | 'back' | 'udp'

/** The outside, as arguments. */
export interface NetworkOutside {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'watchMs' | 'sleepMs' | 'changeRestMs'>
  /** The addresses of this machine that lead out of it. */
  readonly addresses: () => readonly string[]
  /** The time of day, ms: unlike the clock it goes on while the machine sleeps. */
  readonly timeOfDay: () => number
}

export class NetworkWatch {
  readonly #outside: NetworkOutside
  readonly #onchange: (changes: ReadonlySet<NetworkChange>) => void
  #changes = new Set<NetworkChange>()
  #addresses: ReadonlySet<string>
  #time: number
  #look: Timer | null = null
  #rest: Timer | null = null
  /** No address is left: nobody needs to hear of a change before there is one again. */
  #unplugged = false

  /** @param onchange hears of all changes since the last time, at most once in `changeRestMs` */
  constructor(outside: NetworkOutside, onchange: (changes: ReadonlySet<NetworkChange>) => void) {
    this.#outside = outside
    this.#onchange = onchange
    this.#addresses = new Set(outside.addresses())
    this.#time = outside.timeOfDay()
  }

  /** Looks again and again, until {@link stop}. */
  start(): void {
    const { clock, limits } = this.#outside
    this.#look = clock.after(limits.watchMs, () => {
      this.#compare()
      this.start()
    })
  }

  stop(): void {
    this.#look?.cancel()
    this.#rest?.cancel()
    this.#changes.clear()
  }

  /** Tells of a change that somebody else noticed. */
  report(...changes: NetworkChange[]): void {
    for (const change of changes) this.#changes.add(change)
    this.#tell()
  }

  #compare(): void {
    const { limits, addresses, timeOfDay } = this.#outside
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

  #tell(): void {
    if (this.#unplugged || this.#rest || this.#changes.size === 0) return
    const changes = this.#changes
    this.#changes = new Set()
    this.#rest = this.#outside.clock.after(this.#outside.limits.changeRestMs, () => {
      this.#rest = null
      this.#tell()
    })
    this.#onchange(changes)
  }
}
