import type { ErrorCode } from '../errors.js'

/** What carries a TCP flow: the session's ordered stream, or our ARQ over datagrams. */
export type Carrier = 'stream' | 'arq'

/** Events of a flow, for its local socket. */
export interface ByteFlowEvents {
  /** Bytes from the peer. Call {@link ByteFlow.consumed} when the socket has taken them: the view is valid until then. */
  data(bytes: Uint8Array): void
  /** The peer's FIN: it sends no more, but still receives. */
  end(): void
  /** There is room again after {@link ByteFlow.write} returned false. */
  drain(): void
  /** Our FIN is acknowledged: the peer has all that was written. It may be told by {@link close} alone. */
  finish?(): void
  /** The peer reset the flow, or the session ended. */
  reset(code: ErrorCode): void
  /** Both directions are finished and acknowledged. No event follows. */
  close(): void
}

/**
 * One TCP connection inside a session, as its local socket sees it: an ordered, reliable byte stream each way. Either the
 * session's ordered stream carries it, or the ARQ over datagrams.
 */
export interface ByteFlow {
  readonly id: number
  /** The session's number of the port map that the flow belongs to. */
  readonly map: number
  /** The receiver of events. Set it in the same turn as the flow is made, before the first event. */
  events: ByteFlowEvents
  /** Sends bytes; the buffer then belongs to the flow. Returns false to ask for a pause until `drain`. */
  write(bytes: Uint8Array): boolean
  /** Ends our direction: a FIN follows the last byte. */
  end(): void
  /** Aborts both directions; the peer's socket sees a reset. */
  reset(code: ErrorCode): void
  /** The local socket has taken `size` bytes: opens the receive window by as many. */
  consumed(size: number): void
}

/** Ignores every event: for a flow without a socket. */
export const ignoreEvents: ByteFlowEvents = {
  data() {},
  end() {},
  drain() {},
  reset() {},
  close() {}
}
