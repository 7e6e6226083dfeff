/** The events of a link. */
export interface LinkEvents {
  /** One message of the ordered stream, whole; the view may be kept. */
  message(message: Uint8Array): void
  /** One datagram, as the other side sealed it; may be opened in place. */
  datagram(packet: Uint8Array): void
  /** {@link Link.room} has become positive. */
  drain(): void
  /** Packets take another path from now on. */
  path(): void
  /** The connection is gone; nothing follows. */
  close(code: string): void
}

/**
 * One encrypted connection between a client and a server: the seam between the session, which is pure, and the network. The
 * twin for tests is `test/support/memory-link.ts`.
 */
export interface Link {
  /** The other side's key, proved by the Noise handshake. */
  readonly remoteKey: Uint8Array
  /** Binds what is said inside to this one handshake. */
  readonly handshakeHash: Uint8Array
  events: LinkEvents
  /** How far away the other side is: on this machine, in a private network, or beyond. */
  readonly reach: 'machine' | 'private' | 'public'
  /** A buffer of `size` bytes to build the next message in; the next {@link write} must bring it. */
  alloc(size: number): Uint8Array
  /** Sends the message built in the buffer that {@link alloc} gave. */
  write(message: Uint8Array): void
  /**
   * Stops delivering messages, after a few more, until {@link resume} or the other side's end; they are not decrypted before that.
   * A peer that sends too many in the meantime is disconnected. Datagrams are still delivered.
   */
  pause(): void
  resume(): void
  /** Messages that come from now on are dropped, and not decrypted: what the other side sends to a link that is over costs little. */
  ignore(): void
  /** Whole bytes that may be written now without queueing beyond our limit; 0 or less: wait for `drain`. */
  room(): number
  /** Caps the unacknowledged bytes, those not sent yet included; Infinity: no cap. */
  setCwndCap(bytes: number): void
  /** Whether that cap is reached. */
  readonly atCwndCap: boolean
  /** Bytes of a sealed datagram in an IP packet of `mtu` bytes. */
  datagramSize(mtu: number): number
  /** Bytes of the largest IP packets that the ordered stream sends. */
  readonly streamMtu: number
  /** Whether the ordered stream has sent something that is not acknowledged yet. */
  readonly isSending: boolean
  /** Sends one datagram; false when it was dropped, because the socket is choked. */
  sendDatagram(packet: Uint8Array): boolean
  /** Sends what is written, then ends the connection. */
  close(): void
  /** Ends the connection now. */
  destroy(): void
}
