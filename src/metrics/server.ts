/** Metrics over HTTP: one page, for whoever scrapes it, on this machine unless the owner says otherwise. */
import http from 'node:http'
import net from 'node:net'
import type { MetricsLimits } from '../limits.js'
import { METRICS_LIMITS } from '../limits.js'
import type { MetricsPlace } from '../options/entry.js'
import { listenError } from '../sockets/tcp.js'
import { LOCALHOST } from '../text/address.js'

/** What is served, and as what. */
export interface MetricsPage {
  readonly type: string
  readonly text: string
}

export interface MetricsServer {
  /** `http://127.0.0.1:9464/metrics` */
  readonly url: string
  close(): Promise<void>
}

const PATH = '/metrics'

/**
 * Serves metrics.
 * @param read asked for each request
 * @throws HyperNatError PORT_IN_USE, LISTEN_FAILED
 */
export async function serveMetrics(
  { port, host = LOCALHOST }: MetricsPlace,
  read: () => Promise<MetricsPage>,
  limits: MetricsLimits = METRICS_LIMITS
): Promise<MetricsServer> {
  const server = http.createServer(
    { requestTimeout: limits.requestMs, headersTimeout: limits.requestMs },
    (request, response) => {
      const refusal = refusalOf(request, host)
      if (refusal) return answer(response, refusal, 'text/plain', `${http.STATUS_CODES[refusal]}\n`)
      read().then(
        ({ type, text }) => answer(response, 200, type, text),
        () => answer(response, 500, 'text/plain', 'The metrics could not be read.\n')
      )
    }
  )
  server.maxConnections = limits.connections
  await new Promise<void>((resolve, reject) => {
    server.once('error', err => reject(listenError(err, host, port, 'TCP')))
    server.listen({ host, port, exclusive: true }, resolve)
  })
  // Out of file descriptors, say: the next request may fare better.
  server.on('error', () => {})
  const { port: bound } = server.address() as net.AddressInfo
  return {
    url: `http://${net.isIPv6(host) ? `[${host}]` : host}:${bound}${PATH}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

/** The HTTP status of a request that is not served; null for one that is. */
function refusalOf({ method, url, headers }: http.IncomingMessage, host: string): number | null {
  // A web page whose name leads here (DNS rebinding) would be let read by its browser. Elsewhere than on this machine the
  // names under which others know it are theirs to choose, and whoever gets there could ask without a browser.
  if (isLoopback(host) && !isOurs(headers.host)) return 421
  if (method !== 'GET' && method !== 'HEAD') return 405
  return url?.split('?')[0] === PATH ? null : 404
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host)
}

/** Whether a Host header is an address, or the one name that no stranger can own. */
function isOurs(header: string | undefined): boolean {
  const name = header?.replace(/:\d*$/, '').toLowerCase() ?? ''
  return name === 'localhost' || net.isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0
}

function answer(response: http.ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' })
  })
  response.end(text)
}
