/** The part of blind-relay 1 that we use; the package has no types of its own. */
declare module 'blind-relay' {
  import type { EventEmitter } from 'node:events'

  /** What a relay needs of the streams that it joins: a UDX stream, or what does the same. */
  export interface RelayStream extends EventEmitter {
    readonly id: number
    relayTo(destination: RelayStream): void
    destroy(err?: Error): void
  }

  /** Called for the first packet of a stream; its sender is where the other half's packets go. */
  export type Firewall = (socket: unknown, port: number, host: string) => boolean

  interface Session extends EventEmitter {
    destroy(err?: Error): void
  }

  export class Server extends EventEmitter {
    constructor(options: { createStream: (options: { firewall: Firewall }) => RelayStream })
    accept(stream: unknown, options: { id: Uint8Array }): Session
    close(): Promise<void>
  }
}
