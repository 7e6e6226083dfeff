/**
 * Buffer for datagrams sent while the session has no connection. It keeps the latest few of each flow for a short time: enough
 * that a game's first request is answered, without sending a minute of stale datagrams in one burst.
 */
import b4a from 'b4a'
import type { Limits } from '../limits.js'

interface Waiting {
  readonly payload: Uint8Array
  readonly since: number
}

export class PendingDatagrams {
  readonly #flows = new Map<number, Waiting[]>()
  #bytes = 0
  /** Datagrams that were discarded: too many, or too old. */
  dropped = 0

  constructor(readonly limits: Pick<Limits, 'udpPending' | 'udpPendingBytes' | 'udpPendingMs'>) {}

  get bytes(): number {
    return this.#bytes
  }

  /** @param since when it was sent; it may have waited before */
  add(flow: number, payload: Uint8Array, now: number, since = now): void {
    this.#expire(now)
    const queue = this.#flows.get(flow) ?? []
    // Ordered by latest datagram: the first flow has been quiet the longest.
    this.#flows.delete(flow)
    this.#flows.set(flow, queue)
    queue.push({ payload: b4a.from(payload), since })
    this.#bytes += payload.byteLength
    if (queue.length > this.limits.udpPending) this.#drop(flow, queue)
    for (const [oldest, waiting] of this.#flows) {
      if (this.#bytes <= this.limits.udpPendingBytes) break
      while (waiting.length > 0 && this.#bytes > this.limits.udpPendingBytes) this.#drop(oldest, waiting)
    }
  }

  /** Empties the buffer. @returns the datagrams that are not too old, in order within each flow */
  take(now: number): ({ flow: number } & Waiting)[] {
    const taken: ({ flow: number } & Waiting)[] = []
    for (const [flow, queue] of this.#flows) {
      for (const { payload, since } of queue) {
        if (now - since <= this.limits.udpPendingMs) taken.push({ flow, payload, since })
        else this.dropped++
      }
    }
    this.#flows.clear()
    this.#bytes = 0
    return taken
  }

  /** Discards flows whose datagrams are all too old. */
  #expire(now: number): void {
    for (const [flow, queue] of this.#flows) {
      if (now - queue.at(-1)!.since <= this.limits.udpPendingMs) return
      while (queue.length > 0) this.#drop(flow, queue)
    }
  }

  #drop(flow: number, queue: Waiting[]): void {
    const dropped = queue.shift()
    if (dropped) {
      this.#bytes -= dropped.payload.byteLength
      this.dropped++
    }
    if (queue.length === 0) this.#flows.delete(flow)
  }
}
