import { createRequire } from 'node:module'

interface Node {
  address(): { host: string; port: number }
  onrequest(request: NodeRequest): boolean
}

/** What a node of the DHT is asked. */
export interface NodeRequest {
  /** hyperdht's number of what is asked; see {@link ASKED}. */
  readonly command: number
  readonly target: Buffer | null
  readonly value: Buffer | null
  /** Who asks. */
  readonly from: { readonly host: string; readonly port: number }
  reply(value: Uint8Array | null): void
}

/** Those questions of hyperdht that lead to a server (hyperdht/lib/constants.js). */
export const ASKED = { handshake: 0, findPeer: 2, lookup: 3, announce: 4 } as const

interface HyperdhtTestnet {
  nodes: Node[]
  bootstrap: { host: string; port: number }[]
  destroy(): Promise<void>
}

type CreateTestnet = (size: number, opts?: { host?: string; port?: number }) => Promise<HyperdhtTestnet>

/** A DHT of our own, in this process: tests and the demo use no internet. */
export interface Testnet {
  /** `host:port` of its nodes, as `--bootstrap` and `network.bootstrap` take them. */
  readonly bootstrap: string[]
  /** The UDP port of every node. */
  readonly ports: readonly number[]
  /**
   * Looks at what its nodes are asked, as whoever runs them can.
   * @param look what it returns true for goes no further: it has answered itself
   */
  watch(look: (request: NodeRequest) => boolean): void
  close(): Promise<void>
}

/**
 * Starts a DHT. A lookup asks the nodes closest to a key and wants more than one of them, so that fewer than 4 nodes make
 * connections fail now and then.
 */
export async function startTestnet(size = 4, host = '127.0.0.1'): Promise<Testnet> {
  const createTestnet = createRequire(import.meta.url)('hyperdht/testnet.js') as CreateTestnet
  const net = await createTestnet(size, { host })
  return {
    bootstrap: net.bootstrap.map(node => `${node.host}:${node.port}`),
    ports: net.nodes.map(node => node.address().port),
    watch: look => {
      for (const node of net.nodes) {
        const { onrequest } = node
        node.onrequest = request => look(request) || onrequest.call(node, request)
      }
    },
    close: () => net.destroy()
  }
}
