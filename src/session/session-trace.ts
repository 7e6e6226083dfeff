import b4a from 'b4a'
import { FlowTrace } from '../flows/flow-trace.js'
import type { Trace } from '../util/trace.js'

/** Enough of a session's name to tell it from the others of a trace, bytes. */
const NAME_BYTES = 4

/** Traces what happens to one session and its path. */
export class SessionTrace {
  readonly group: string
  #state = 'new'

  /** @param id the session's name, which the traces of both ends share */
  constructor(
    readonly trace: Trace,
    id: Uint8Array
  ) {
    this.group = b4a.toString(id.subarray(0, NAME_BYTES), 'hex')
  }

  /** @param more why, or over which path */
  state(state: string, more: Readonly<Record<string, unknown>> = {}): void {
    this.trace('connectivity:connection_state_updated', this.group, { old: this.#state, new: state, ...more })
    this.#state = state
  }

  /** The link has moved to another path. */
  newPath(): void {
    this.trace('connectivity:path_assigned', this.group, {})
  }

  /** @param rtt of the ping that was answered last, ms */
  rtt(rtt: number): void {
    this.trace('recovery:metrics_updated', this.group, { latest_rtt: rtt })
  }

  /** Somebody plays, or does no longer: what is in flight is capped. */
  cwndCap(bytes: number): void {
    this.trace('hyper-nat:cwnd_cap_updated', this.group, { bytes: Number.isFinite(bytes) ? bytes : null })
  }

  /** @param size of the largest datagrams of the session, bytes */
  datagramSize(size: number): void {
    this.trace('recovery:mtu_updated', this.group, { new: size })
  }

  flow(id: number): FlowTrace {
    return new FlowTrace(this.trace, `${this.group}/${id}`)
  }
}
