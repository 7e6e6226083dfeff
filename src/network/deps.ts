/** What servers and clients of one node work with: the node, and the world outside as arguments. */

import type { DaemonEvent } from '../events.js'
import type { Limits } from '../limits.js'
import type { Log } from '../log/log.js'
import type { Activity } from '../util/activity.js'
import type { Clock } from '../util/clock.js'
import type { Trace } from '../util/trace.js'
import type { Node } from './node.js'

export interface Deps {
  readonly node: Node
  readonly clock: Clock
  /** Milliseconds since 1970, which a user may set back. */
  readonly timeOfDay: () => number
  readonly limits: Limits
  /** Whether a game is played in any session of the node. */
  readonly games: Activity
  readonly log: Log
  /** Takes events of sessions and flows for a diagnosis; left out: nothing is traced. */
  readonly trace?: Trace | undefined
  readonly random: (size: number) => Uint8Array
  readonly emit: (event: DaemonEvent) => void
}

/** The same for one server: warnings name it. */
export function depsOf<T extends Pick<Deps, 'emit'>>(deps: T, publicKey: string): T {
  return {
    ...deps,
    emit: event => deps.emit(event.event === 'warning' ? { ...event, publicKey } : event)
  }
}
