/** The part of hyperswarm 4 that we use; the package has no types of its own. */
declare module 'hyperswarm' {
  import type { EventEmitter } from 'node:events'
  import type HyperDHT from 'hyperdht'

  namespace Hyperswarm {
    /** What a swarm does with its DHT node, as long as it makes no connections. */
    interface Dht extends EventEmitter {
      readonly online: boolean
      createServer(): Pick<HyperDHT.Server, 'relayAddresses'> & {
        listen(): Promise<unknown>
        close(): Promise<void>
      }
      announce: HyperDHT['announce']
      lookup: HyperDHT['lookup']
      lookupAndUnannounce: HyperDHT['lookupAndUnannounce']
      unannounce: HyperDHT['unannounce']
      destroy(): Promise<void>
    }

    interface Options {
      dht: Dht
      keyPair?: HyperDHT.KeyPair
      /** Connections at the most. */
      maxPeers?: number
    }

    /** A peer that was found under a topic. */
    interface PeerInfo {
      readonly publicKey: Uint8Array
      readonly relayAddresses: readonly HyperDHT.Address[] | null
    }

    interface Discovery {
      /** Looks up, or announces, again. */
      refresh(): Promise<unknown>
      /** Resolves when the first look-up or announcement is over, whether it reached anybody or not. */
      flushed(): Promise<unknown>
    }
  }

  class Hyperswarm {
    constructor(options: Hyperswarm.Options)
    /** Who was found, by key in hex. */
    readonly peers: ReadonlyMap<string, Hyperswarm.PeerInfo>
    join(topic: Uint8Array, options: { server: boolean; client: boolean }): Hyperswarm.Discovery
    destroy(): Promise<void>
  }

  export default Hyperswarm
}
