/** What each session was like in the last minutes, for its plot. */
import type { SessionView, View } from '../wire.js'

/** Samples that are kept of each session: ten minutes, at one a second. */
const SAMPLES = 600

/** A view older than the last one by more than this, ms, was not made before it: the clock was set back. */
const SET_BACK_MS = 10_000

/** What a session was like at one moment. Rates in bytes per second. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Milliseconds; null while there is no connection. */
  readonly rtt: number | null
  /** Percent. */
  readonly loss: number | null
  readonly inRate: number
  readonly outRate: number
}

interface Past {
  readonly samples: Sample[]
  last: { readonly at: number; readonly bytesIn: number; readonly bytesOut: number }
}

export class History {
  readonly #sessions = new Map<string, Past>()

  /** Notes how it is now; what is not there any more is forgotten. */
  note({ at, servers, clients }: View): void {
    const guests = servers.flatMap(server => server.guests.flatMap(({ sessions }) => sessions))
    const sessions = [...guests, ...clients.flatMap(client => client.sessions)]
    const here = new Set(sessions.map(({ id }) => id))
    for (const id of this.#sessions.keys()) if (!here.has(id)) this.#sessions.delete(id)
    for (const session of sessions) this.#add(session, at)
  }

  of(id: string): readonly Sample[] {
    return this.#sessions.get(id)?.samples ?? []
  }

  #add({ id, state, rtt, loss, bytesIn, bytesOut }: SessionView, at: number): void {
    const last = { at, bytesIn, bytesOut }
    const past = this.#sessions.get(id)
    // A clock that is set back would stop all samples until it is where it was.
    if (!past || past.last.at - at > SET_BACK_MS) {
      this.#sessions.set(id, { samples: [], last })
      return
    }
    const seconds = (at - past.last.at) / 1000
    // The answer to an action comes between two of the regular views, and may be older than the last of them.
    if (seconds < 0.5) return
    const up = state === 'up'
    past.samples.push({
      at,
      rtt: up ? rtt : null,
      loss: up ? loss * 100 : null,
      inRate: Math.max(0, bytesIn - past.last.bytesIn) / seconds,
      outRate: Math.max(0, bytesOut - past.last.bytesOut) / seconds
    })
    past.last = last
    if (past.samples.length > SAMPLES) past.samples.shift()
  }
}
