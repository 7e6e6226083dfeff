/**
 * The hosts of one secret announce themselves under a Hyperswarm topic, where clients look them up. Hyperswarm announces, renews and looks
 * up; it never connects. It would drop a second connection from a key that has one, which is how sessions move to a new path, and would
 * wait for up to 10 minutes after failures.
 */
import { EventEmitter } from 'node:events'
import type HyperDHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'
import type { Dht } from './dht.js'

/** A peer that announces a topic: a host, or a stranger. */
export interface Found {
  readonly key: Uint8Array
  /** DHT nodes through which it is reached. */
  readonly relayAddresses: readonly HyperDHT.Address[]
}

/** A topic that is announced. */
export interface TopicAnnouncement {
  /** Resolves when nodes hold it, or will not. */
  readonly announced: Promise<void>
  /** Announces again: what was announced is lost, or reached nobody. */
  refresh(): void
  close(): Promise<void>
}

/** The changes of a DHT node that a swarm follows. */
const CHANGES = ['network-change', 'network-update'] as const

/** Keeps a swarm from connecting by itself. */
const NO_PEERS = 0

/**
 * Our DHT node as a swarm sees it: with a server that listens already, which is ours. A swarm would listen on one of its own,
 * whose connections are not what ours are (see `secretStreams`).
 */
class Findings extends EventEmitter implements Hyperswarm.Dht {
  readonly #undo: (() => void)[] = []

  constructor(
    readonly dht: Dht,
    readonly server: HyperDHT.Server | null
  ) {
    super()
    for (const change of CHANGES) {
      const pass = () => this.emit(change)
      dht.on(change, pass)
      this.#undo.push(() => dht.off(change, pass))
    }
  }

  get online(): boolean {
    return this.dht.online
  }

  createServer() {
    const { server } = this
    return {
      listen: async () => {},
      close: async () => {},
      get relayAddresses() {
        return server?.relayAddresses ?? []
      }
    }
  }

  announce: HyperDHT['announce'] = (...args) => this.dht.announce(...args)
  lookup: HyperDHT['lookup'] = (...args) => this.dht.lookup(...args)
  lookupAndUnannounce: HyperDHT['lookupAndUnannounce'] = (...args) => this.dht.lookupAndUnannounce(...args)
  unannounce: HyperDHT['unannounce'] = (...args) => this.dht.unannounce(...args)

  async destroy(): Promise<void> {
    for (const undo of this.#undo) undo()
  }
}

/** Announces `topic` with the key and the DHT nodes of a server that listens on `keyPair`. */
export function announceTopic(
  dht: Dht,
  topic: Uint8Array,
  keyPair: HyperDHT.KeyPair,
  server: HyperDHT.Server
): TopicAnnouncement {
  const swarm = new Hyperswarm({ dht: new Findings(dht, server), keyPair, maxPeers: NO_PEERS })
  const discovery = swarm.join(topic, { server: true, client: false })
  return {
    announced: discovery.flushed().then(noop, noop),
    // Hyperswarm tries again what failed; it rejects when it is closed.
    refresh: () => void discovery.refresh().catch(noop),
    close: () => swarm.destroy()
  }
}

/**
 * Looks up who announces `topic` now, in no order; nobody if the network does not answer. Each lookup has its own swarm, as a swarm
 * remembers all that it ever found.
 */
export async function lookUpTopic(dht: Dht, topic: Uint8Array): Promise<Found[]> {
  const swarm = new Hyperswarm({ dht: new Findings(dht, null), maxPeers: NO_PEERS })
  try {
    await swarm.join(topic, { server: false, client: true }).flushed()
    return [...swarm.peers.values()].map(({ publicKey, relayAddresses }) => ({
      key: publicKey,
      relayAddresses: relayAddresses ?? []
    }))
  } finally {
    await swarm.destroy()
  }
}

function noop(): void {}
