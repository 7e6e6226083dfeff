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
      /** Nodes that the server announced itself to: they are tried before any are looked for. */
      relayAddresses?: readonly Address[]
      /** Hears which NATs both sides have found out to be behind, 1 to 3 (hyperdht's FIREWALL); false gives up. */
      holepunch?: (
        remoteFirewall: number,
        localFirewall: number,
        remote: readonly Address[] | null,
        local: readonly Address[] | null
      ) => boolean
    }

    /** What a look-up hears, node by node. */
    type Query = AsyncIterable<unknown>

    interface Server extends EventEmitter {
      listen(keyPair: KeyPair): Promise<Server>
      /** Announces again soon. */
      refresh(): void
      close(): Promise<void>
      readonly relayAddresses: Address[]
      createHandshake: CreateHandshake
      /** A handshake has come; null for no answer. Bound by `listen`. Internal to hyperdht. */
      _onpeerhandshake(
        handshake: { noise: Uint8Array; peerAddress: Address | null },
        request: unknown
      ): Promise<object | null>
      /** By what the client sent, in hex: handshakes of the last 10 s. Internal to hyperdht. */
      readonly _connects: Map<string, unknown>
      /** Null before `listen`. Internal to hyperdht. */
      readonly _announcer: Announcer | null
    }

    /** Keeps a server announced: at once, then every 5 minutes or when told to, which it sees every 3 s. */
    interface Announcer {
      /** The nodes that hold the announcement. */
      readonly relays: readonly { relayAddress: Address; peerAddress: Address }[]
      /** Settles when the announcing that is under way is done. */
      readonly _updating: Promise<void> | null
      readonly _sleeper: { resume(): void }
    }

    /** A node that is known, and in a list of those. */
    interface KnownNode extends Address {
      readonly prev: KnownNode | null
    }

    /** A question to another node: one of dht-rpc itself (internal) or of hyperdht, by its number. */
    interface Request {
      readonly to: Address & { readonly id: Uint8Array | null }
      readonly internal: boolean
      readonly command: number
      /** How often it was sent; with {@link send}, internal to dht-rpc. */
      sent: number
      send(force: boolean): void
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
    readonly host: string | null
    readonly port: number
    readonly destroyed: boolean
    readonly online: boolean
    /** Whether the first query has ended. */
    readonly bootstrapped: boolean
    firewalled: boolean
    /** The nodes that are known now. */
    readonly nodes: { readonly length: number; readonly latest: HyperDHT.KnownNode | null }
    /** Where packets are sent from. */
    readonly socket: HyperDHT.Socket
    /** Whether our NAT shows every partner another port. */
    readonly randomized: boolean
    readonly stats: { readonly punches: { readonly random: number } }
    /** Ask other nodes whether their packets reach us unasked; the second clears `firewalled` if so. Internal to dht-rpc. */
    _checkIfFirewalled(): Promise<boolean>
    _updateNetworkState(onlyFirewall: boolean): Promise<boolean>
    /** What other nodes have seen of our address; internal to dht-rpc. */
    readonly bootstrapNodes: readonly HyperDHT.Address[]
    _nat: { readonly host: string | null; add(host: string, port: number): void }
    /** The bootstrap nodes that have told us our address, as long as no others have. */
    _nonePersistentSamples: string[]
    readonly io: {
      firewalled: boolean
      /** Requests without an answer. */
      readonly inflight: readonly HyperDHT.Request[]
      /** The socket on which others reach us, not the one that asks them. */
      readonly serverSocket: HyperDHT.OwnSocket
      readonly clientSocket: HyperDHT.OwnSocket
      /** Looks at this machine's addresses every 5 s, and when told to watch. */
      readonly networkInterfaces: { unwatch(): void; watch(): void }
      /** With {@link _requestToPromise}: any of dht-rpc's own questions. Internal to dht-rpc. */
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
    ): Promise<HyperDHT.Answer>
    /** Internal to hyperdht: sockets whose answers reach the DHT. */
    readonly _socketPool: { acquire(): HyperDHT.PooledSocket }
    /** By which nodes a server was reached last, by its key in hex. */
    readonly _relayAddressesCache: {
      get(key: string): HyperDHT.Address[] | undefined
      set(key: string, addresses: HyperDHT.Address[]): void
    }
    /** Which addresses of this machine can be used, as far as tried. */
    readonly _validatedLocalAddresses: Map<string, unknown>
    /** What comes of a request; `external` when not over the socket that requests go over now. Internal to dht-rpc. */
    _onresponse(answer: HyperDHT.Answer, external: boolean): void
    _ontimeout(request: HyperDHT.Request): void
    /** Takes all that is known of the network for old, as after a sleep. */
    _onwakeup(): void
    /** Called when there were requests, and no answers, for some 10 s. */
    _offline(): void
    _backgroundQuery(target: Uint8Array): { finished(): Promise<void> }
    readonly table: { readonly id: Uint8Array }
    /** Takes up a node that has not been heard of. */
    addNode(node: HyperDHT.Address): void
    ping(to: HyperDHT.Address, options?: HyperDHT.RequestOptions): Promise<HyperDHT.Answer>
    /** The nodes that know of a server with this key. */
    findPeer(publicKey: Uint8Array): AsyncIterable<HyperDHT.Answer>
    /** Sends one of dht-rpc's own commands; null when the node is destroyed. Internal to dht-rpc. */
    _request(
      to: HyperDHT.Address,
      force: boolean,
      internal: boolean,
      command: number,
      target: null,
      value: Uint8Array,
      session: null,
      onresponse: (reply: HyperDHT.Answer) => void,
      onerror: (err: unknown) => void
    ): object | null
    /** Adds the nodes that the DHT was started from; internal to dht-rpc. */
    _addBootstrapNodes(nodes: HyperDHT.Address[]): Promise<void>
    /** Nodes that have answered, those heard of last first. */
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
