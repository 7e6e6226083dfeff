import { createRequire } from 'node:module'

interface Node {
  address(): { host: string; port: number }
}

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
    close: () => net.destroy()
  }
}
