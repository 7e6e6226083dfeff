import type { ErrorCode } from '../errors.js'

/** What the local socket of a flow hears from it. */
export interface ByteFlowEvents {
  /** Bytes from the other side; say {@link ByteFlow.consumed} when the socket has taken them. The view may be kept. */
  data(bytes: Uint8Array): void
  /** The other side will send no more (its FIN); what we send still arrives there. */
  end(): void
  /** There is room again after {@link ByteFlow.write} returned false. */
  drain(): void
  /** The flow was reset by the other side, or its session ended. */
  reset(code: ErrorCode): void
  /** Both directions are finished and acknowledged: nothing follows. */
  close(): void
}

/**
 * One TCP connection inside a session, seen from its local socket: an ordered, reliable byte stream each way, carried by
 * the ordered stream (`tcp`) or by datagrams (`tcpudp`).
 */
export interface ByteFlow {
  readonly id: number
  /** The session's number of the port map that the flow belongs to. */
  readonly map: number
  /** Who hears of it; set before the first event can come (in the same turn as the flow was made). */
  events: ByteFlowEvents
  /** Takes bytes for the other side; the buffer then belongs to the flow. False: pause until `drain`. */
  write(bytes: Uint8Array): boolean
  /** Nothing more will be written: a FIN follows the last byte. */
  end(): void
  /** Ends both directions at once; the other socket sees a reset. */
  reset(code: ErrorCode): void
  /** The local socket has taken `size` bytes: the other side may send as many more. */
  consumed(size: number): void
}

/** Stands in until the socket is there. */
export const deafEvents: ByteFlowEvents = {
  data() {},
  end() {},
  drain() {},
  reset() {},
  close() {}
}
