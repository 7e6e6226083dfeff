/** An HTTP server on this machine, for a Hono app: the page and the metrics. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

export interface HttpLimits {
  /** Connections at a time; beyond it new ones are closed. */
  readonly connections: number
  /** How long the headers of a request may take to arrive, and a whole request, ms. */
  readonly headersMs: number
  readonly requestMs: number
  /** How long a client may take nothing of an answer that waits for it, ms. */
  readonly stalledMs: number
  /** Bytes of the headers of a request; Node's default if left out. */
  readonly headerBytes?: number
}

/** Between two looks for requests that are late, ms. */
const LATE_LOOK_MS = 250

export class HttpServer {
  readonly #server: Server
  readonly #answer: ReturnType<typeof getRequestListener>
  /** The latest answer on each connection. */
  readonly #latest = new WeakMap<Socket, ServerResponse>()

  constructor(app: Hono, limits: HttpLimits) {
    this.#answer = getRequestListener(app.fetch, { overrideGlobalObjects: false })
    const serverOptions = {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.headersMs,
      // Node.js looks for those that are late every 30 s by default, and they take the places of others meanwhile.
      connectionsCheckingInterval: LATE_LOOK_MS,
      ...(limits.headerBytes !== undefined && { maxHeaderSize: limits.headerBytes })
    }
    this.#server = createServer(serverOptions, (request, response) => this.#onRequest(request, response))
    this.#server.maxConnections = limits.connections
    this.#server.timeout = limits.stalledMs
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    const latest = this.#latest.get(socket)
    // No browser and no scraper pipelines. Node.js would have a thousand requests of one packet answered at once.
    if (latest && !latest.writableEnded) return void socket.destroy()
    this.#latest.set(socket, response)
    // A connection is also quiet while its answer is being made, and that may take longer.
    response.on('timeout', () => {
      if (response.writableLength > 0) socket.destroy()
    })
    void this.#answer(request, response)
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
