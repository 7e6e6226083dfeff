/**
 * Which guest has which player address, on one node: all of its servers share this table, since their targets may be one
 * program.
 *
 * An address belongs to a guest, by its key, not to a session: all devices that come by one invite have the same, so that a ban
 * of the game bans the guest. It is that of `identity/player-address.ts` unless another guest has it, which happens to
 * one newcomer in 60,000 where 256 others are here; then it is the next free one. Who has gone is remembered with it, up to a number of
 * guests. So the first of two guests has it while this process runs, or after the next start. Other hyper-nat
 * processes on this machine have tables of their own.
 */
import { HyperNatError } from '../errors.js'
import { PLAYER_ADDRESSES, playerAddress } from '../identity/player-address.js'

interface Place {
  readonly number: number
  /** Sessions of the guest that are here. */
  sessions: number
}

export class Players {
  /** Whether the system has these addresses; false once it has shown that it does not. */
  usable = true
  /** By guest. */
  readonly #here = new Map<string, Place>()
  /** Who was here, with the number of the address; who left first stands first. */
  readonly #gone = new Map<string, number>()
  readonly #taken = new Set<number>()

  /** @param max guests remembered who are not here */
  constructor(readonly max: number) {}

  /**
   * A session of a guest begins.
   * @param guest tells guests apart
   * @param wanted the number of the address that it should have
   * @returns its address
   */
  enter(guest: string, wanted: number): string {
    let place = this.#here.get(guest)
    if (!place) {
      place = { number: this.#gone.get(guest) ?? this.#free(wanted), sessions: 0 }
      this.#gone.delete(guest)
      this.#taken.add(place.number)
      this.#here.set(guest, place)
    }
    place.sessions++
    return playerAddress(place.number)
  }

  /** A session of a guest ends. */
  leave(guest: string): void {
    const place = this.#here.get(guest)
    if (!place || --place.sessions > 0) return
    this.#here.delete(guest)
    this.#gone.set(guest, place.number)
    const [first] = this.#gone
    if (this.#gone.size <= this.max || !first) return
    this.#gone.delete(first[0])
    this.#taken.delete(first[1])
  }

  #free(wanted: number): number {
    for (let i = 0; i < PLAYER_ADDRESSES; i++) {
      const number = (wanted + i) % PLAYER_ADDRESSES
      if (!this.#taken.has(number)) return number
    }
    throw new HyperNatError('INTERNAL', 'there are more guests than addresses')
  }
}
