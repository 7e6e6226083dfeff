/** The part of udx-native 1 that carries packets in other ways than its own, and what hyperdht calls of that. */
declare module 'udx-native' {
  import type UDXSocket from 'udx-native/lib/socket.js'
  import type UDXStream from 'udx-native/lib/stream.js'

  class UDX {
    createSocket(options?: object): UDXSocket
    createStream(id: number, options?: object): UDXStream
    networkInterfaces(): unknown[]
    /** Where the next packet goes. Internal. */
    _buffer: Buffer
    /** Takes the packet that has come there. Internal. */
    _consumeMessage(length: number): Buffer
  }

  export default UDX
}

declare module 'udx-native/lib/socket.js' {
  import type { EventEmitter } from 'node:events'
  import type UDX from 'udx-native'

  class UDXSocket extends EventEmitter {
    constructor(udx: UDX, options?: object)
    readonly udx: UDX
    readonly bound: boolean
    readonly closing: boolean
    address(): { host: string; family: number; port: number } | null
    bind(port?: number, host?: string): void
    send(packet: Uint8Array, port: number, host?: string, ttl?: number): Promise<boolean>
    trySend(packet: Uint8Array, port: number, host?: string, ttl?: number): void
    setRecvBufferSize(size: number): void
    close(): Promise<void>
    /** Called from C for what is no packet of a known stream. Internal. */
    _onmessage(length: number, port: number, host: string, family: number): Buffer
  }

  export default UDXSocket
}

declare module 'udx-native/lib/stream.js' {
  import type { EventEmitter } from 'node:events'
  import type UDX from 'udx-native'
  import type UDXSocket from 'udx-native/lib/socket.js'

  class UDXStream extends EventEmitter {
    constructor(udx: UDX, id: number, options?: object)
    readonly id: number
    remoteHost: string | null
    remotePort: number
    connect(socket: UDXSocket, remoteId: number, port: number, host: string, options?: object): void
    /** Resolves once nothing is under way to the old address; null if nothing is. */
    changeRemote(socket: UDXSocket, remoteId: number, port: number, host: string): Promise<void> | null
    write(data: Uint8Array): boolean
    destroy(error?: Error): void
    /** Called from C for the first packet of a stream that is not connected; not 0 refuses it. Internal. */
    _onfirewall(socket: UDXSocket, port: number, host: string, family: number): number
  }

  export default UDXStream
}
