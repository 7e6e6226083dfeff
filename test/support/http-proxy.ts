/** An HTTP proxy that knows CONNECT and nothing else, as companies have between them and the internet. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'

export class HttpProxy {
  readonly #server = http.createServer()

  private constructor(
    /** Called with where a client wants to go, `host:port`. */
    readonly onask: (address: string) => void
  ) {}

  /** @param host the address to listen on; @param port 0 for a free one */
  static async start(host: string, port: number, onask: (address: string) => void): Promise<HttpProxy> {
    const proxy = new HttpProxy(onask)
    proxy.#server.on('connect', (request, client: net.Socket, head: Buffer) => {
      proxy.#connect(request.url ?? '', client, head)
    })
    proxy.#server.listen(port, host)
    await once(proxy.#server, 'listening')
    return proxy
  }

  #connect(url: string, client: net.Socket, head: Buffer): void {
    this.onask(url)
    const { hostname, port } = new URL(`http://${url}`)
    const server = net.connect(Number(port) || 80, hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      server.write(head)
      server.pipe(client).pipe(server)
    })
    for (const [one, other] of [
      [server, client],
      [client, server]
    ] as const) {
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.closeAllConnections()
    this.#server.close()
    await closed
  }
}
