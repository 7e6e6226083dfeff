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

    /** What two ends tell each other in their handshake; `firewall` is 1 for those that others reach unasked. */
    interface NoisePayload {
      firewall: number
      addresses4: Address[] | null
    }

    /** One handshake; internal to hyperdht. */
    interface Handshake {
      readonly remotePublicKey: Uint8Array
      recv(noise: Uint8Array): NoisePayload
      send(payload: NoisePayload): Uint8Array
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
    }

    interface ConnectOptions {
      keyPair?: KeyPair
      localConnection?: boolean
      createSecretStream?: CreateSecretStream
      relayThrough?: RelayThrough
    }

    interface Server extends EventEmitter {
      listen(keyPair: KeyPair): Promise<Server>
      /** Announces again soon. */
      refresh(): void
      close(): Promise<void>
      readonly relayAddresses: Address[]
      createHandshake: CreateHandshake
    }

    /** A node's answer: `to` is our address as it sees it. */
    interface Reply {
      readonly from: Address
      readonly to: Address
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
    /** The socket on which others reach us, not the one that asks them; internal to dht-rpc. */
    readonly io: { readonly serverSocket: HyperDHT.Socket & { address(): HyperDHT.Address } }
    /** Sends one of dht-rpc's own commands; null when the node is destroyed. Internal to dht-rpc. */
    _request(
      to: HyperDHT.Address,
      force: boolean,
      internal: boolean,
      command: number,
      target: null,
      value: Uint8Array,
      session: null,
      onresponse: (reply: HyperDHT.Reply) => void,
      onerror: (err: unknown) => void
    ): object | null
    /** Adds the nodes that the DHT was started from; internal to dht-rpc. */
    _addBootstrapNodes(nodes: HyperDHT.Address[]): Promise<void>
    /** The nodes heard from last. */
    toArray(opts?: { limit?: number }): HyperDHT.Address[]
    /** Where others reach us unasked, if they do. */
    remoteAddress(): HyperDHT.Address | null
    bind(): Promise<void>
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
