/**
 * Path MTU discovery in the datagram channel, after RFC 8899 (DPLPMTUD). It needs no ICMP.
 *
 *                          a size is acknowledged, or was lost three times: the next size
 *                             +-----+
 *             start           v     |       no size is left          raise timer
 *     STOPPED ---------> SEARCHING -+------------------> COMPLETE ----------------> SEARCHING
 *                             ^                             |
 *                             +-- five confirmations lost --+    (from the base size)
 *
 * A probe is a datagram padded to the size under test, and a small ping right behind it. A size counts as lost only when the ping
 * is answered and the padded datagram is not, so that neither a dead path nor congestion looks like a smaller MTU. While large
 * datagrams are sent, the size in use is confirmed several times a second: a black hole is found after five round trips and 0.4 s,
 * whatever the large datagrams carry.
 */
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'

/** The size that every path carries: UDX's base. All sizes are those of IP packets, bytes. */
export const BASE_MTU = 1200

/**
 * Sizes that are tried: of IPv6's minimum, of tunnels (WireGuard, GRE, 6in4), of PPPoE, of Ethernet; and the largest packet
 * that UDX receives, for loopback and jumbo frames.
 */
const SIZES = [BASE_MTU, 1280, 1340, 1380, 1400, 1420, 1440, 1460, 1480, 1492, 1500, 2076] as const

/** Ethernet's size is tried first: most paths carry it. */
const ETHERNET = SIZES.indexOf(1500)

/** So many probes of one size must be lost (MAX_PROBES of RFC 8899). */
const MAX_PROBES = 3

/**
 * So many confirmations of the size in use must be lost in a row. A path that loses 5 % of all packets at random loses the padded
 * datagram or its answer, and not the small ones, in 9 % of them: three in a row every seven minutes, five hardly once a day. Taken
 * for a smaller MTU, that ends a connection whose stream uses the larger size.
 */
const MAX_CONFIRMATIONS = 5

/** Ids of probes, apart from those of other pings. */
const FIRST_ID = 2 ** 30

type MtuLimits = Pick<Limits, 'mtuConfirmMs' | 'mtuReorderMs' | 'mtuProbeMs' | 'mtuRaiseMs'>

export interface PathMtuEvents {
  /** Sends a ping with this id in a datagram of its own, padded to an IP packet of `size` bytes. */
  probe(id: number, size: number): void
  /** Sends a ping with this id, in a small datagram. */
  ping(id: number): void
  /** Datagrams may have another size from now on. `shrunk`: larger ones are lost. */
  changed(shrunk: boolean): void
  /** A datagram of the size in use passed, or was lost. */
  confirmed(passed: boolean): void
}

type State = 'stopped' | 'searching' | 'complete'

/** A probe on its way: its padded datagram has the id, the small one the next. */
interface Probe {
  readonly id: number
  readonly size: number
  timer: Timer
}

export class PathMtu {
  #state: State = 'stopped'
  /** Indices of {@link SIZES}: the largest known to pass, the largest that may, and the one under test. */
  #passed = 0
  #limit = 0
  #tested = 0
  #lost = 0
  #nextId = FIRST_ID
  #probe: Probe | null = null
  #raiseTimer: Timer | null = null
  #confirmedAt = Number.NEGATIVE_INFINITY

  constructor(
    readonly clock: Clock,
    readonly limits: MtuLimits,
    readonly events: PathMtuEvents
  ) {}

  /** The size of IP packets that pass. */
  get size(): number {
    return SIZES[this.#passed]!
  }

  /** A path that nothing is known of. */
  start(): void {
    this.stop()
    this.#passed = 0
    this.#search(ETHERNET)
  }

  stop(): void {
    this.#state = 'stopped'
    this.#cancel()
    this.#raiseTimer?.cancel()
    this.#raiseTimer = null
  }

  /** A packet larger than the base size was sent: it should not be lost unnoticed. */
  onLargeSent(): void {
    if (this.#state !== 'complete' || this.#passed === 0 || this.#probe) return
    const now = this.clock.now()
    if (now - this.#confirmedAt < this.limits.mtuConfirmMs) return
    this.#confirmedAt = now
    this.#send(this.#passed)
  }

  /** A ping was answered. @returns whether it was one of a probe */
  onPong(id: number): boolean {
    if (id < FIRST_ID || id >= this.#nextId) return false
    const probe = this.#probe
    if (probe && id === probe.id) {
      this.#cancel()
      this.#onPassed()
    } else if (probe && id === probe.id + 1) {
      probe.timer.cancel()
      // The padded one was sent first: it may be late by a little, if the path reorders.
      probe.timer = this.clock.after(this.limits.mtuReorderMs, () => {
        this.#probe = null
        this.#onLost()
      })
    }
    return true
  }

  #search(first: number): void {
    this.#state = 'searching'
    this.#limit = SIZES.length - 1
    this.#test(first)
  }

  #test(index: number): void {
    this.#tested = index
    this.#lost = 0
    this.#send(index)
  }

  #send(index: number): void {
    const id = this.#nextId
    this.#nextId += 2
    const size = SIZES[index]!
    this.#probe = {
      id,
      size,
      timer: this.clock.after(this.limits.mtuProbeMs, () => {
        this.#probe = null
        this.#onSilence()
      })
    }
    this.events.probe(id, size)
    this.events.ping(id + 1)
  }

  #cancel(): void {
    this.#probe?.timer.cancel()
    this.#probe = null
  }

  #onPassed(): void {
    this.#lost = 0
    if (this.#state === 'complete') return this.events.confirmed(true)
    this.#passed = this.#tested
    this.#next()
    this.events.changed(false)
  }

  #onLost(): void {
    this.#lost++
    if (this.#state === 'complete') {
      this.events.confirmed(false)
      if (this.#lost < MAX_CONFIRMATIONS) return this.#send(this.#passed)
      this.#passed = 0
      this.#search(ETHERNET)
      return this.events.changed(true)
    }
    if (this.#lost < MAX_PROBES) return this.#send(this.#tested)
    this.#limit = this.#tested - 1
    this.#next()
  }

  /** Neither datagram was answered: the path is congested or dead, which says nothing about sizes. */
  #onSilence(): void {
    if (this.#state === 'searching') this.#send(this.#tested)
  }

  /** The next size between what passes and what may: a binary search. */
  #next(): void {
    if (this.#passed < this.#limit) return this.#test(Math.ceil((this.#passed + this.#limit) / 2))
    this.#state = 'complete'
    this.#lost = 0
    this.#raiseTimer?.cancel()
    this.#raiseTimer = this.clock.after(this.limits.mtuRaiseMs, () => {
      this.#raiseTimer = null
      this.#raise()
    })
  }

  /** The path may carry more by now. */
  #raise(): void {
    if (this.#passed === SIZES.length - 1) return this.#next()
    this.#cancel()
    this.#search(this.#passed < ETHERNET ? ETHERNET : this.#passed + 1)
  }
}
