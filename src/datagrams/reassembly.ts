/**
 * Puts UDP payloads together from their fragments. Bounded: a payload whose pieces do not all come is forgotten after a
 * time, and the oldest unfinished ones make room for new ones.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
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
  #bytes = 0
  #cost = 0

  /** @param onlost hears of each payload that is given up unfinished */
  constructor(
    readonly limits: Pick<Limits, 'reassemblyBytes' | 'reassemblyMs'>,
    readonly onlost: () => void = () => {}
  ) {}

  /** Bytes held for unfinished payloads. */
  get bytes(): number {
    return this.#bytes
  }

  /** The whole payload if this was its last missing piece. */
  add(fragment: Fragment, now: number): Uint8Array | null {
    this.#expire(now)
    const key = `${fragment.map}/${fragment.flow}/${fragment.id}`
    let partial = this.#partials.get(key)
    if (partial && partial.pieces.length !== fragment.count) {
      this.#giveUp(key, partial)
      partial = undefined
    }
    if (!partial) {
      partial = { since: now, pieces: new Array(fragment.count), missing: fragment.count, bytes: 0, cost: 0 }
      this.#partials.set(key, partial)
      this.#pay(partial, PAYLOAD_COST + 8 * fragment.count)
    }
    if (partial.pieces[fragment.index]) return null
    // A copy: the piece is a view of a packet buffer much larger than itself.
    partial.pieces[fragment.index] = b4a.from(fragment.bytes)
    partial.missing--
    partial.bytes += fragment.bytes.byteLength
    this.#bytes += fragment.bytes.byteLength
    this.#pay(partial, PIECE_COST + fragment.bytes.byteLength)
    if (partial.bytes > MAX_UDP_PAYLOAD) {
      this.#giveUp(key, partial)
      return null
    }
    if (partial.missing === 0) {
      this.#forget(key, partial)
      return b4a.concat(partial.pieces as Uint8Array[])
    }
    this.#makeRoom(key)
    return null
  }

  #expire(now: number): void {
    for (const [key, partial] of this.#partials) {
      if (now - partial.since < this.limits.reassemblyMs) break
      this.#giveUp(key, partial)
    }
  }

  #makeRoom(newest: string): void {
    for (const [key, partial] of this.#partials) {
      if (this.#cost <= this.limits.reassemblyBytes) break
      if (key !== newest) this.#giveUp(key, partial)
    }
  }

  #giveUp(key: string, partial: Partial): void {
    this.#forget(key, partial)
    this.onlost()
  }

  #forget(key: string, partial: Partial): void {
    this.#partials.delete(key)
    this.#bytes -= partial.bytes
    this.#cost -= partial.cost
  }

  #pay(partial: Partial, cost: number): void {
    partial.cost += cost
    this.#cost += cost
  }
}
