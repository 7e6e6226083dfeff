/** An HTTP server on this machine, for a Hono app: the page and the metrics. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import type { Hono } from 'hono'

export interface HttpLimits {
  /** Connections at a time; beyond it new ones are closed. */
  readonly connections: number
  /** How long the headers of a request may take to arrive, and a whole request, ms. */
  readonly headersMs: number
  readonly requestMs: number
  /** Bytes of the headers of a request; Node's default if left out. */
  readonly headerBytes?: number
}

/** Between two looks for requests that are late, ms. */
const LATE_LOOK_MS = 250

export class HttpServer {
  readonly #server: Server

  constructor(app: Hono, limits: HttpLimits) {
    this.#server = createAdaptorServer({
      fetch: app.fetch,
      overrideGlobalObjects: false,
      serverOptions: {
        headersTimeout: limits.headersMs,
        requestTimeout: limits.requestMs,
        keepAliveTimeout: limits.headersMs,
        // Node.js looks for those that are late every 30 s by default, and they take the places of others meanwhile.
        connectionsCheckingInterval: LATE_LOOK_MS,
        ...(limits.headerBytes !== undefined && { maxHeaderSize: limits.headerBytes })
      }
    }) as Server
    this.#server.maxConnections = limits.connections
  }

  /**
   * Listens on a port; 0 for any free one.
   * @throws the system's error
   */
  async listen(port: number, host: string): Promise<void> {
    this.#server.listen({ port, host, exclusive: true })
    await once(this.#server, 'listening')
    // Out of file descriptors, say: the next request may fare better.
    this.#server.on('error', () => {})
  }

  /** The port that it listens on. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
