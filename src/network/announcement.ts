import type HyperDHT from 'hyperdht'
import type { Clock, Timer } from '../clock.js'
import type { Limits } from '../limits.js'

/**
 * A server that is announced, and stays so: hyperdht announces again every 5 minutes, or when the nodes that hold the
 * announcement fall silent, but rests those 5 minutes also when it found none to hold it, as in an outage.
 */
export class Announcement {
  #check: Timer | null = null
  #reached = true
  #closed = false
  #refreshing: Promise<void> | null = null

  /**
   * @param server one that listens
   * @param onreach hears false when no node of the network holds the announcement, true when some do again
   */
  constructor(
    readonly server: HyperDHT.Server,
    readonly clock: Clock,
    readonly limits: Pick<Limits, 'announceRetryMs'>,
    readonly onreach: (reached: boolean) => void
  ) {
    this.#look()
  }

  /** Announces again now; once more if it is about it, since that may say what holds no longer. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null
    })
    return this.#refreshing
  }

  async #refresh(): Promise<void> {
    // hyperdht forgets what it is asked while it announces.
    while (this.server._announcer?._updating) await this.server._announcer._updating
    if (this.#closed) return
    this.server.refresh()
    this.server._announcer?._sleeper.resume()
  }

  /** Unannounces, which asks the network, which may not answer. */
  async close(): Promise<void> {
    this.#closed = true
    this.#check?.cancel()
    await this.server.close()
  }

  #look(): void {
    if (this.#closed) return
    const reached = (this.server._announcer?.relays.length ?? 0) > 0
    if (reached !== this.#reached) this.onreach(reached)
    this.#reached = reached
    if (!reached) void this.refresh()
    this.#check = this.clock.after(this.limits.announceRetryMs, () => this.#look())
  }
}
