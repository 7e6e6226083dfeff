/**
 * Puts UDP payloads together from their fragments. Bounded: a payload whose pieces do not all come is forgotten after a
 * time, and the oldest unfinished ones make room for new ones.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import { Budget } from '../util/budget.js'
import type { Clock, Timer } from '../util/clock.js'
import { MAX_UDP_PAYLOAD } from '../wire/constants.js'
import type { Fragment } from '../wire/records.js'

/** What an unfinished payload, and each piece of it, takes besides its bytes. */
const PAYLOAD_COST = 256
const PIECE_COST = 128

interface Partial {
  readonly since: number
  readonly pieces: (Uint8Array | undefined)[]
  missing: number
  bytes: number
  /** Memory that it takes, about. */
  cost: number
}

export class Reassembly {
  readonly #partials = new Map<string, Partial>()
  readonly #budget: Budget
  #bytes = 0
  /** Looks for payloads to be given up: it may be that no more fragments come. */
  #expiry: Timer | null = null

  /**
   * @param onlost called for each payload that is given up unfinished
   * @param memory what the peer's sessions share
   */
  constructor(
    readonly clock: Clock,
    readonly limits: Pick<Limits, 'reassemblyBytes' | 'reassemblyPayloads' | 'reassemblyMs'>,
    readonly onlost: () => void = () => {},
    memory?: Budget
  ) {
    this.#budget = new Budget(limits.reassemblyBytes, memory)
  }

  /** Bytes held for unfinished payloads. */
  get bytes(): number {
    return this.#bytes
  }

  /** The whole payload if this was its last missing piece. */
  add(fragment: Fragment): Uint8Array | null {
    this.#expire()
    const payload = this.#add(fragment)
    this.#expireLater()
    return payload
  }

  #add(fragment: Fragment): Uint8Array | null {
    const key = `${fragment.map}/${fragment.flow}/${fragment.id}`
    let partial = this.#partials.get(key)
    if (partial && partial.pieces.length !== fragment.count) {
      this.#giveUp(key, partial)
      partial = undefined
    }
    if (partial?.pieces[fragment.index]) return null
    const size = fragment.bytes.byteLength
    const cost = PIECE_COST + size + (partial ? 0 : PAYLOAD_COST + 8 * fragment.count)
    // With thousands of them, finding the oldest one in the map would take longer than all else.
    if (!partial && this.#partials.size >= this.limits.reassemblyPayloads) this.#giveUpOldest()
    if (!this.#borrow(cost, key)) {
      if (partial) this.#giveUp(key, partial)
      else this.onlost()
      return null
    }
    if (!partial) {
      const pieces = new Array(fragment.count)
      partial = { since: this.clock.now(), pieces, missing: fragment.count, bytes: 0, cost: 0 }
      this.#partials.set(key, partial)
    }
    partial.cost += cost
    // A copy: the piece is a view of a packet buffer much larger than itself.
    partial.pieces[fragment.index] = b4a.from(fragment.bytes)
    partial.missing--
    partial.bytes += size
    this.#bytes += size
    if (partial.bytes > MAX_UDP_PAYLOAD) {
      this.#giveUp(key, partial)
      return null
    }
    if (partial.missing === 0) {
      this.#forget(key, partial)
      return b4a.concat(partial.pieces as Uint8Array[])
    }
    return null
  }

  /** Forgets all unfinished payloads. */
  close(): void {
    for (const [key, partial] of this.#partials) this.#giveUp(key, partial)
    this.#expiry?.cancel()
  }

  #expire(): void {
    const now = this.clock.now()
    for (const [key, partial] of this.#partials) {
      if (now - partial.since < this.limits.reassemblyMs) break
      this.#giveUp(key, partial)
    }
  }

  #expireLater(): void {
    if (this.#partials.size === 0) return
    this.#expiry ??= this.clock.after(this.limits.reassemblyMs, () => {
      this.#expiry = null
      this.#expire()
      this.#expireLater()
    })
  }

  /** Borrows `cost` bytes for the payload `newest`; the oldest others make room. */
  #borrow(cost: number, newest: string): boolean {
    if (this.#budget.borrow(cost)) return true
    for (const [key, partial] of this.#partials) {
      if (key === newest) continue
      this.#giveUp(key, partial)
      if (this.#budget.borrow(cost)) return true
    }
    return false
  }

  #giveUpOldest(): void {
    const [oldest] = this.#partials
    if (oldest) this.#giveUp(...oldest)
  }

  #giveUp(key: string, partial: Partial): void {
    this.#forget(key, partial)
    this.onlost()
  }

  #forget(key: string, partial: Partial): void {
    this.#partials.delete(key)
    this.#bytes -= partial.bytes
    this.#budget.giveBack(partial.cost)
  }
}
