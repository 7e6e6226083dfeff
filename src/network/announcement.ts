import type HyperDHT from 'hyperdht'
import type { Limits } from '../limits.js'
import type { Clock, Timer } from '../util/clock.js'
import { SingleFlight } from '../util/single-flight.js'
import { AnnouncerState } from './internals.js'

/**
 * Keeps a server announced. hyperdht announces it again every 5 minutes, or when the nodes that hold the announcement stop answering; but
 * it also waits those 5 minutes when it found no node to hold it, as in an outage.
 */
export class Announcement {
  #check: Timer | null = null
  #reached = true
  #closed = false
  /** Whether the first announcement is done. */
  #started = false
  readonly #refreshes = new SingleFlight<void>()
  /** The nodes that held it when it was found to be out of date. */
  #outdated: readonly unknown[] | null = null
  readonly #announcer: AnnouncerState

  /** @param onreach called with false when no node holds the announcement, with true when some do again */
  constructor(
    readonly server: HyperDHT.Server,
    readonly clock: Clock,
    readonly limits: Pick<Limits, 'announceRetryMs' | 'announceLookMs' | 'dialAnswerMs'>,
    readonly onreach: (reached: boolean) => void
  ) {
    this.#announcer = new AnnouncerState(server)
  }

  /** Announces the server, now and from now on. Resolves when nodes hold the announcement, or when none has answered. */
  async start(keyPair: HyperDHT.KeyPair): Promise<void> {
    await this.server.listen(keyPair)
    this.#started = true
    this.#announcer.check()
    this.#look()
  }

  /** Announces again now; once more if that is in progress, since it may contain what no longer holds. Never rejects. */
  refresh(): Promise<void> {
    // While no node holds the announcement, it is made again every few seconds.
    return this.#refreshes.run(() => this.#refresh().catch(() => {}))
  }

  async #refresh(): Promise<void> {
    const announcer = this.#announcer
    // hyperdht forgets what it is asked while it announces, and a moment later.
    while (announcer.updating) {
      await announcer.updating
      await this.#pause()
    }
    if (this.#closed || !announcer.exists) return
    this.#outdated = announcer.holders
    this.server.refresh()
    announcer.wake()
  }

  /**
   * Waits until nodes hold what we announce, up to the time that a client waits for the answer to its handshake. The
   * answer names the nodes through which the server can be punched. If it names none, hyperdht's client assumes an open port, and opens
   * a connection with no peer; if the nodes know an old address, punching fails after seconds.
   * @returns whether they do
   */
  async held(): Promise<boolean> {
    const end = this.clock.now() + this.limits.dialAnswerMs
    while (!this.#closed && this.clock.now() < end) {
      if (this.#announcer.holders.length > 0 && this.#announcer.holders !== this.#outdated) return true
      if (this.#announcer.holders.length === 0 && !this.#announcer.updating) void this.refresh()
      await this.#pause()
    }
    return this.#announcer.holders.length > 0
  }

  #pause(): Promise<void> {
    return new Promise(resolve => this.clock.after(this.limits.announceLookMs, resolve))
  }

  /** Unannounces. That takes requests to nodes, which may not answer. */
  async close(): Promise<void> {
    this.#closed = true
    this.#check?.cancel()
    // So far no node holds anything that is to be taken back.
    if (!this.#started) this.#announcer.abandon()
    // While hyperdht announces again, it has forgotten which nodes hold the last announcement, and would leave it there.
    await this.#announcer.updating
    await this.server.close()
  }

  #look(): void {
    if (this.#closed) return
    const reached = this.#announcer.holders.length > 0
    if (reached !== this.#reached) this.onreach(reached)
    this.#reached = reached
    if (!reached) void this.refresh()
    this.#check = this.clock.after(this.limits.announceRetryMs, () => this.#look())
  }
}
