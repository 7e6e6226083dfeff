/** The part of hyperdht 6 and of what it hands out that we use; the package has no types of its own. */
declare module 'hyperdht' {
  import type { EventEmitter } from 'node:events'
  import type SecretStream from '@hyperswarm/secret-stream'

  namespace HyperDHT {
    interface KeyPair {
      publicKey: Uint8Array
      secretKey?: Uint8Array
    }

    /** A udx-native socket. */
    interface Socket extends EventEmitter {
      readonly closing: boolean
      /** Sends one packet, or drops it. */
      trySend(packet: Uint8Array, port: number, host: string): void
    }

    /** One on which packets come that nobody asked for. */
    interface OwnSocket extends Socket {
      address(): Address
      /** The port on this machine, of a socket of RelayedUdx: there `address` may name the relay's. */
      readonly localPort?: number
      /** @param size bytes; the kernel may give less, or refuse */
      setRecvBufferSize(size: number): void
    }

    interface Address {
      host: string
      port: number
    }

    /** A socket of its own, for as long as it is held. */
    interface PooledSocket {
      readonly socket: Socket
      release(): void
    }

    interface RequestOptions {
      socket?: Socket
      /** Whether the question is repeated until an answer comes; true unless set. */
      retry?: boolean
    }

    interface Options {
      /** In place of udx-native. */
      udx?: import('udx-native').default
      bootstrap?: readonly (string | Address)[]
      host?: string
      port?: number
      ephemeral?: boolean
      firewalled?: boolean
      /** Whether any port will do when `port` is taken; true unless set. */
      anyPort?: boolean
      keyPair?: KeyPair
      /** Requests that may be on their way within 750 ms; twice as many in all. */
      maxWindow?: number
      /** Milliseconds between empty messages of each connection, or false for none. */
      connectionKeepAlive?: number | false
      /** How long others may ask a node to wait before it answers a ping, ms; 10,000 unless set. */
      maxPingDelay?: number
    }

    /** What two ends tell each other in their handshake; `firewall` is 1 for those that others reach unasked. */
    interface NoisePayload {
      firewall: number
      /** 0 unless the sender turns the other side away. */
      error: number
      addresses4: Address[] | null
      /** Left empty by hyperdht itself. */
      addresses6: Address[] | null
      /** The number of the handshake, and nodes through which to punch; null for one that cannot be punched. */
      holepunch?: { id: number; relays: readonly unknown[] } | null
      /** The relay that the sender names. */
      relayThrough?: object | null
    }

    /** One handshake; internal to hyperdht. */
    interface Handshake {
      readonly remotePublicKey: Uint8Array
      recv(noise: Uint8Array): NoisePayload
      send(payload: NoisePayload): Uint8Array
      /** The keys, once both messages have gone. */
      final(): HandshakeKeys
    }

    interface HandshakeKeys {
      /** For what this side sends, and for what it receives. */
      readonly tx: Uint8Array
      readonly rx: Uint8Array
      /** The hash of the handshake, no secret. */
      readonly hash: Uint8Array
      readonly remotePublicKey: Uint8Array
    }

    type CreateHandshake = (keyPair: KeyPair, remotePublicKey: Uint8Array | null) => Handshake

    type CreateSecretStream = (isInitiator: boolean, rawStream: unknown, opts: object) => SecretStream

    /** Asked for the key of a relay at every connection. */
    type RelayThrough = () => Uint8Array | null

    interface ServerOptions {
      /** Called in the handshake; true turns the client away before it learns anything. */
      firewall?: (
        remotePublicKey: Uint8Array,
        payload: NoisePayload,
        address: Address
      ) => boolean | Promise<boolean>
      shareLocalAddress?: boolean
      createSecretStream?: CreateSecretStream
      relayThrough?: RelayThrough
      createHandshake?: CreateHandshake
    }

    interface ConnectOptions {
      keyPair?: KeyPair
      localConnection?: boolean
      createSecretStream?: CreateSecretStream
      relayThrough?: RelayThrough
      createHandshake?: CreateHandshake
      /** Nodes that the server announced itself to: they are tried before any are looked for. */
      relayAddresses?: readonly Address[]
      /** Called with the NATs that both sides have detected, 1 to 3 (hyperdht's FIREWALL); false gives up. */
      holepunch?: (
        remoteFirewall: number,
        localFirewall: number,
        remote: readonly Address[] | null,
        local: readonly Address[] | null
      ) => boolean
    }

    /** The answers to a look-up, node by node. */
    type Query = AsyncIterable<unknown>

    interface Server extends EventEmitter {
      listen(keyPair: KeyPair): Promise<Server>
      /** Announces again soon. */
      refresh(): void
      close(): Promise<void>
      readonly relayAddresses: Address[]
    }

    /** An answer: from whom, and the address that they see us at. */
    interface Answer {
      readonly from: Address
      readonly to: Address
    }
  }

  class HyperDHT extends EventEmitter {
    constructor(opts?: HyperDHT.Options)
    static keyPair(seed?: Uint8Array): HyperDHT.KeyPair
    /** A node that others start from, which knows its own address. */
    static bootstrapper(port: number, host: string, options?: HyperDHT.Options): HyperDHT
    readonly host: string | null
    readonly port: number
    readonly destroyed: boolean
    readonly online: boolean
    /** Whether the first query has ended. */
    readonly bootstrapped: boolean
    firewalled: boolean
    /** Where packets are sent from. */
    readonly socket: HyperDHT.Socket
    /** Whether our NAT shows every partner another port. */
    readonly randomized: boolean
    /** Adds a node that is not known yet. */
    addNode(node: HyperDHT.Address): void
    ping(to: HyperDHT.Address, options?: HyperDHT.RequestOptions): Promise<HyperDHT.Answer>
    /** The nodes that know of a server with this key. */
    findPeer(publicKey: Uint8Array): AsyncIterable<HyperDHT.Answer>
    /** Nodes that have answered, the most recent first. */
    toArray(opts?: { limit?: number }): HyperDHT.Address[]
    /** Where others reach us unasked, if they do. */
    remoteAddress(): HyperDHT.Address | null
    bind(): Promise<void>
    address(): HyperDHT.Address
    ready(): Promise<void>
    fullyBootstrapped(): Promise<void>
    connect(remotePublicKey: Uint8Array, opts?: HyperDHT.ConnectOptions): SecretStream
    createServer(opts: HyperDHT.ServerOptions, onconnection: (stream: SecretStream) => void): HyperDHT.Server
    announce(
      topic: Uint8Array,
      keyPair: HyperDHT.KeyPair,
      relays: HyperDHT.Address[],
      opts?: object
    ): HyperDHT.Query
    lookup(topic: Uint8Array, opts?: object): HyperDHT.Query
    lookupAndUnannounce(topic: Uint8Array, keyPair: HyperDHT.KeyPair, opts?: object): HyperDHT.Query
    unannounce(topic: Uint8Array, keyPair: HyperDHT.KeyPair, opts?: object): Promise<void>
    destroy(opts?: { force?: boolean }): Promise<void>
  }

  export default HyperDHT
}

declare module 'hyperdht/lib/noise-wrap.js' {
  import type HyperDHT from 'hyperdht'

  /** Makes the handshakes of clients, and those of servers with null. */
  const NoiseWrap: new (
    keyPair: HyperDHT.KeyPair,
    remotePublicKey: Uint8Array | null
  ) => HyperDHT.Handshake & {
    /** The state of the Noise handshake: among others the hash of what was said, and the messages that are to follow. */
    readonly handshake: { readonly digest: Uint8Array; readonly handshake: readonly unknown[] }
  }
  export default NoiseWrap
}

declare module 'hyperdht/testnet.js' {
  import type HyperDHT from 'hyperdht'

  interface Testnet {
    nodes: HyperDHT[]
    bootstrap: HyperDHT.Address[]
    createNode(opts?: HyperDHT.Options): HyperDHT
    destroy(): Promise<void>
  }

  export default function createTestnet(
    size?: number,
    opts?: { host?: string; port?: number }
  ): Promise<Testnet>
}
