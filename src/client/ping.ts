/** Measures the path to a server at a steady pace, through a session without maps. */

import type { DaemonEvent, PathKind } from '../events.js'
import { encodeKey, keyOf } from '../identity/encoding.js'
import type { GuestKey } from '../identity/guest.js'
import { systemClock } from '../util/clock.js'
import { jitterOf, lossOf } from '../util/samples.js'
import type { ClientHandle } from './handle.js'

/** What became of one ping. */
export interface PingAnswer {
  /** Counts from 1. */
  readonly seq: number
  /** The round trip in ms; null for no answer. */
  readonly rtt: number | null
  /** How it travelled; null without a connection. */
  readonly path: PathKind | null
  /** Who was asked, of perhaps several hosts under one secret, by the name that events tell; null without a connection. */
  readonly host: string | null
  /** Why there is no connection, an {@link ErrorCode} with its sentence; null where there is one. */
  readonly waiting: { readonly code: string; readonly message: string } | null
}

export interface PingOptions {
  /** As text (base58, hex, z-base-32) or 32 bytes. */
  readonly publicKey: string | Uint8Array
  /** The key of an invite to come with; left out: the node's own identity. */
  readonly guest?: GuestKey | undefined
  /** Ends after so many pings; left out: when `signal` says so. */
  readonly count?: number | undefined
  /** Between two pings, ms; 1000 if left out. */
  readonly intervalMs?: number | undefined
  /** Called for each ping when its answer has arrived or is overdue. If it throws, the pings end with that error. */
  readonly onanswer?: (answer: PingAnswer) => void
  /** Ends it early; what is under way then is not counted. */
  readonly signal?: AbortSignal
}

export interface PingSummary {
  /** In base58. */
  readonly publicKey: string
  readonly sent: number
  readonly answered: number
  /** Share that was not answered, 0 to 1. */
  readonly loss: number
  /** Round trips in ms; null without any. */
  readonly min: number | null
  readonly mean: number | null
  readonly max: number | null
  /** Mean difference between successive round trips, ms; null with fewer than two. */
  readonly jitter: number | null
  /** The last path; null without any. */
  readonly path: PathKind | null
}

const INTERVAL_MS = 1000

/** What measuring needs of a node. */
export interface PingNode {
  open(options: { publicKey: Uint8Array; maps: []; guest?: GuestKey | undefined }): Promise<ClientHandle>
  on(name: 'event', listener: (event: DaemonEvent) => void): unknown
  off(name: 'event', listener: (event: DaemonEvent) => void): unknown
}

/** What `HyperNat.ping` does. The first ping leaves when there is a connection, or when it is known why there is none. */
export async function ping(node: PingNode, options: PingOptions): Promise<PingSummary> {
  const { guest, count = Number.POSITIVE_INFINITY, intervalMs = INTERVAL_MS, onanswer, signal } = options
  const key = keyOf(options.publicKey)
  const publicKey = encodeKey(key)
  let waiting: PingAnswer['waiting'] = null
  let path: PathKind | null = null
  let hear = (): void => {}
  const first = new Promise<void>(resolve => {
    hear = resolve
  })
  const onevent = (event: DaemonEvent): void => {
    if (!('publicKey' in event) || event.publicKey !== publicKey) return
    if (event.event === 'waiting') waiting = { code: event.code, message: event.message }
    else if (event.event === 'connected') [waiting, path] = [null, path ?? event.path]
    else if (event.event === 'disconnected')
      waiting = { code: event.code, message: 'The connection was lost.' }
    else return
    hear()
  }
  let stop = (): void => {}
  const stopped = new Promise<void>(resolve => {
    stop = resolve
  })
  if (signal?.aborted) stop()
  signal?.addEventListener('abort', stop)
  node.on('event', onevent)
  const trips: (number | null)[] = []
  try {
    const opened = await node.open({ publicKey: key, maps: [], guest })
    try {
      await Promise.race([first, stopped])
      await atPace(count, intervalMs, stopped, async (seq, over) => {
        const connection = opened.connection
        const why = connection ? null : waiting
        const rtt = await opened.ping(connection?.host)
        if (over()) return
        trips.push(rtt)
        if (connection) path = connection.path
        onanswer?.({ seq, rtt, path: connection?.path ?? null, host: connection?.host ?? null, waiting: why })
      })
    } finally {
      await opened.close()
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    node.off('event', onevent)
  }
  return summary(publicKey, trips, path)
}

/** Calls `act` `count` times, and waits for all of them unless it is stopped before. The first that fails ends it. */
async function atPace(
  count: number,
  ms: number,
  stopped: Promise<void>,
  act: (seq: number, over: () => boolean) => Promise<void>
): Promise<void> {
  let over = false
  let failure: { readonly err: unknown } | null = null as { readonly err: unknown } | null
  let wake = (): void => {}
  const done = stopped.then(() => {
    over = true
    wake()
  })
  const acts = new Set<Promise<void>>()
  for (let seq = 1; seq <= count && !over; seq++) {
    if (seq > 1) {
      // Not a race with `done`, which would keep a reaction for each.
      await new Promise<void>(resolve => {
        const timer = systemClock.after(ms, resolve)
        wake = () => {
          timer.cancel()
          resolve()
        }
      })
      if (over) break
    }
    const one = act(seq, () => over)
      .catch(err => {
        failure ??= { err }
        over = true
        wake()
      })
      .then(() => void acts.delete(one))
    acts.add(one)
  }
  await Promise.race([Promise.all(acts), done])
  if (failure) throw failure.err
}

function summary(publicKey: string, trips: readonly (number | null)[], path: PathKind | null): PingSummary {
  const answers = trips.filter(trip => trip !== null)
  const any = answers.length > 0
  return {
    publicKey,
    sent: trips.length,
    answered: answers.length,
    loss: lossOf(trips),
    min: any ? answers.reduce((least, trip) => Math.min(least, trip)) : null,
    mean: any ? answers.reduce((sum, trip) => sum + trip, 0) / answers.length : null,
    max: any ? answers.reduce((most, trip) => Math.max(most, trip)) : null,
    jitter: jitterOf(trips),
    path
  }
}
