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

    interface Address {
      host: string
      port: number
    }

    /** A socket of its own, for as long as it is held. */
    interface PooledSocket {
      readonly socket: Socket
      release(): void
    }

    /** A node's answer; `to` is where it saw the question come from. */
    interface Reply {
      readonly from: Address
      readonly to: Address
    }

    interface RequestOptions {
      socket?: Socket
      /** Whether the question is repeated until an answer comes; true unless set. */
      retry?: boolean
    }

    /** A question to a node, not sent yet. */
    interface Request {
      readonly tid: number
    }

    interface Options {
      bootstrap?: readonly (string | Address)[]
      host?: string
      port?: number
      ephemeral?: boolean
      firewalled?: boolean
      /** Whether any port will do when `port` is taken; true unless set. */
      anyPort?: boolean
      keyPair?: KeyPair
      /** Milliseconds between empty messages of each connection, or false for none. */
      connectionKeepAlive?: number | false
    }

    type CreateSecretStream = (isInitiator: boolean, rawStream: unknown, opts: object) => SecretStream

    /** Asked for the key of a relay at every connection. */
    type RelayThrough = () => Uint8Array | null

    interface ServerOptions {
      /** Called in the handshake; true turns the client away before it learns anything. */
      firewall?: (
        remotePublicKey: Uint8Array,
        payload: unknown,
        address: Address
      ) => boolean | Promise<boolean>
      shareLocalAddress?: boolean
      createSecretStream?: CreateSecretStream
      relayThrough?: RelayThrough
    }

    interface ConnectOptions {
      keyPair?: KeyPair
      localConnection?: boolean
      createSecretStream?: CreateSecretStream
      relayThrough?: RelayThrough
      /** Hears which NATs both sides have found out to be behind, 1 to 3 (hyperdht's FIREWALL); false gives up. */
      holepunch?: (
        remoteFirewall: number,
        localFirewall: number,
        remote: readonly Address[] | null,
        local: readonly Address[] | null
      ) => boolean
    }

    interface Server extends EventEmitter {
      listen(keyPair: KeyPair): Promise<Server>
      /** Announces again soon. */
      refresh(): void
      close(): Promise<void>
      readonly relayAddresses: Address[]
    }
  }

  class HyperDHT extends EventEmitter {
    constructor(opts?: HyperDHT.Options)
    static keyPair(seed?: Uint8Array): HyperDHT.KeyPair
    readonly host: string | null
    readonly port: number
    readonly destroyed: boolean
    readonly online: boolean
    readonly firewalled: boolean
    /** The nodes that are known now. */
    readonly nodes: { readonly length: number }
    /** Where packets are sent from. */
    readonly socket: HyperDHT.Socket
    /** Whether our NAT shows every partner another port. */
    readonly randomized: boolean
    readonly stats: { readonly punches: { readonly random: number } }
    /** Ask other nodes whether their packets reach us unasked; the second clears `firewalled` if so. Internal to dht-rpc. */
    _checkIfFirewalled(): Promise<boolean>
    _updateNetworkState(onlyFirewall: boolean): Promise<boolean>
    /** What other nodes have seen of our address; internal to dht-rpc. */
    readonly _nat: { add(host: string, port: number): void }
    readonly bootstrapNodes: readonly HyperDHT.Address[]
    /** Nodes that have answered, those heard of last first. */
    toArray(opts?: { limit?: number }): HyperDHT.Address[]
    ping(node: HyperDHT.Address, opts?: HyperDHT.RequestOptions): Promise<HyperDHT.Reply>
    /** The nodes that know of a server with this key. */
    findPeer(publicKey: Uint8Array): AsyncIterable<HyperDHT.Reply>
    /** Internal to dht-rpc, with {@link _requestToPromise}: any of its own questions. */
    readonly io: {
      createRequest(
        to: HyperDHT.Address & { id: null },
        token: null,
        internal: boolean,
        command: number,
        target: null,
        value: Uint8Array | null,
        session: null,
        ttl: number
      ): HyperDHT.Request | null
    }
    _requestToPromise(
      request: HyperDHT.Request | null,
      opts?: HyperDHT.RequestOptions
    ): Promise<HyperDHT.Reply>
    /** Internal to hyperdht: sockets whose answers reach the DHT. */
    readonly _socketPool: { acquire(): HyperDHT.PooledSocket }
    address(): HyperDHT.Address
    ready(): Promise<void>
    fullyBootstrapped(): Promise<void>
    connect(remotePublicKey: Uint8Array, opts?: HyperDHT.ConnectOptions): SecretStream
    createServer(opts: HyperDHT.ServerOptions, onconnection: (stream: SecretStream) => void): HyperDHT.Server
    destroy(opts?: { force?: boolean }): Promise<void>
  }

  export default HyperDHT
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
