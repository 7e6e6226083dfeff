/**
 * A server's handshakes whose clients have not come by IPv4 yet: after a while the server looks for them by IPv6, as it does for those
 * with a session. Few at a time, and not for long.
 */
import b4a from 'b4a'
import type { Limits } from '../../limits.js'
import type { Clock, Timer } from '../../util/clock.js'
import type { CompleteHandshake } from './handshakes.js'

export interface PendingDeps {
  readonly clock: Clock
  readonly limits: Pick<Limits, 'ipv6Handshakes' | 'ipv6PunchMs' | 'ipv6PendingMs'>
  /** Begins a search. @returns a function that ends it */
  readonly search: (handshake: CompleteHandshake) => () => void
}

export class PendingHandshakes {
  readonly #deps: PendingDeps
  /** What ends the wait, or the search, by the hash of the handshake. */
  readonly #pending = new Map<string, () => void>()

  constructor(deps: PendingDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#pending.size
  }

  /** Waits for the client of a handshake; too many at a time are left to IPv4. */
  add(handshake: CompleteHandshake): void {
    const { clock, limits, search } = this.#deps
    const name = b4a.toString(handshake.hash, 'hex')
    if (this.#pending.has(name) || this.#pending.size >= limits.ipv6Handshakes) return
    let end: (() => void) | null = null
    let timer: Timer = clock.after(limits.ipv6PunchMs, () => {
      end = search(handshake)
      timer = clock.after(limits.ipv6PendingMs, () => this.#end(name))
    })
    this.#pending.set(name, () => {
      timer.cancel()
      end?.()
    })
  }

  /** The client has come, or does so by IPv6. */
  arrived(hash: Uint8Array): void {
    this.#end(b4a.toString(hash, 'hex'))
  }

  #end(name: string): void {
    const end = this.#pending.get(name)
    this.#pending.delete(name)
    end?.()
  }

  stop(): void {
    for (const name of [...this.#pending.keys()]) this.#end(name)
  }
}
