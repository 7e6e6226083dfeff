/** Sends the guests of a server who else is connected, again and again, while its owner wants that. */
import b4a from 'b4a'
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'
import type { Guest } from './guest.js'

export interface RosterSenderDeps {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'rosterMs'>
  readonly guests: () => readonly Pick<Guest, 'key' | 'grant' | 'session'>[]
}

export class RosterSender {
  readonly #deps: RosterSenderDeps
  #isShown: boolean
  /** Armed while guests are told. */
  #timer: Timer | null = null
  #closed = false

  /** @param isShown whether guests see each other */
  constructor(deps: RosterSenderDeps, isShown: boolean) {
    this.#deps = deps
    this.#isShown = isShown
  }

  /** Sends it now, and every few seconds from now on. */
  start(): void {
    this.#send()
  }

  /** Whether guests see each other from now on. */
  show(isShown: boolean): void {
    if (this.#isShown && !isShown) for (const { session } of this.#deps.guests()) session.sendRoster([])
    this.#isShown = isShown
    this.#send()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  #send(): void {
    this.#timer?.cancel()
    this.#timer = null
    if (!this.#isShown || this.#closed) return
    const { clock, limits, guests } = this.#deps
    const here = guests().filter(({ session }) => session.state === 'up')
    for (const guest of here) {
      // One invite may be in use on several devices.
      const others = here.filter(({ key }) => !b4a.equals(key, guest.key))
      guest.session.sendRoster(
        others.map(({ grant, session }) => {
          const { rtt } = session.quality
          return { name: grant.name ?? '', rtt: rtt === null ? null : Math.round(rtt) }
        })
      )
    }
    this.#timer = clock.after(limits.rosterMs, () => this.#send())
  }
}
