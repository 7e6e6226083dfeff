/** The part of @hyperswarm/secret-stream 6 and of the UDX stream under it that we use. */
declare module '@hyperswarm/secret-stream' {
  import type { EventEmitter } from 'node:events'

  namespace SecretStream {
    /** A udx-native stream. */
    interface RawStream extends EventEmitter {
      readonly mtu: number
      /** Smoothed round trip, ms. */
      readonly rtt: number
      /** Bytes sent and not acknowledged, with headers. */
      readonly inflight: number
      /** Congestion window, packets. */
      readonly cwnd: number
      /** Packets sent again, modulo 65,536. */
      readonly retransmits: number
      readonly packetsReceived: number
      /** Of all packets, with UDX's headers. */
      readonly bytesReceived: number
      /** A udx-native socket; null for a stream that could not be connected. */
      readonly socket: import('hyperdht').default.Socket | null
      readonly remoteHost: string | null
      readonly remotePort: number
      readonly remoteFamily: number
      readonly destroying: boolean
      /** What it goes through where it does not go by UDP (network/tcp-relay). */
      readonly relay?: unknown
      /** Sends one message; resolves when the kernel has it. */
      send(message: Uint8Array): Promise<boolean>
      trySend(message: Uint8Array): void
      /** Set by the owner: called with the missing bytes of a message whose length has been announced. */
      setContentSize?: (missing: number) => void
    }
  }

  class SecretStream extends EventEmitter {
    constructor(isInitiator: boolean, rawStream: unknown, opts: object)
    /** Called with the stream below, by the constructor or later. */
    start(rawStream: SecretStream.RawStream | null, opts?: object): void
    readonly publicKey: Uint8Array
    readonly remotePublicKey: Uint8Array
    readonly handshakeHash: Uint8Array
    readonly rawStream: SecretStream.RawStream
    readonly destroying: boolean
    readonly destroyed: boolean
    /** A buffer inside the next message, encrypted in place when it is written next. */
    alloc(size: number): Uint8Array
    write(message: Uint8Array): boolean
    /** Called with each message that has come, and null at the end; false when no more should come now. */
    push(message: Uint8Array | null): boolean
    /** Resolves true when all that was written is acknowledged. */
    flush(): Promise<boolean>
    /** No `data` from now on, until {@link resume}; what the other side sends waits there. */
    pause(): void
    resume(): void
    end(): void
    destroy(err?: Error): void
  }

  export default SecretStream
}
