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
      /** Nodes that the server announced itself to: they are tried before any are looked for. */
      relayAddresses?: readonly Address[]
    }

    /** What a look-up hears, node by node. */
    type Query = AsyncIterable<unknown>

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
