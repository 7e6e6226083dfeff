/** Metrics over HTTP: one page to scrape, on 127.0.0.1 unless the options name another address. */
import net from 'node:net'
import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { isOwnHost } from '../http/host-header.js'
import { HttpServer } from '../http/server.js'
import { METRICS_LIMITS, type MetricsLimits } from '../limits.js'
import { checkMetrics } from '../options/arguments.js'
import type { MetricsPlace } from '../options/entry.js'
import { isLoopback, LOCALHOST } from '../text/address.js'
import { listenError } from '../util/listen-error.js'

/** What is served, and as what. */
export interface MetricsPage {
  readonly type: string
  readonly text: string
}

export interface MetricsServer {
  /** `http://127.0.0.1:9464/metrics` */
  readonly url: string
  close(): Promise<void>
  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

const PATH = '/metrics'

/**
 * Serves metrics.
 * @param read asked for each request
 * @throws HyperNatError BAD_OPTIONS, PORT_IN_USE, LISTEN_FAILED, ADDRESS_NOT_HERE
 */
export async function serveMetrics(
  place: MetricsPlace,
  read: () => Promise<MetricsPage>,
  limits: MetricsLimits = METRICS_LIMITS
): Promise<MetricsServer> {
  checkMetrics(place, read, limits)
  const { port, host = LOCALHOST } = place
  const server = new HttpServer(routes(host, read), { ...limits, headersMs: limits.requestMs })
  try {
    await server.listen(port, host)
  } catch (err) {
    throw listenError(err, 'TCP', port, host)
  }
  return {
    url: `http://${net.isIPv6(host) ? `[${host}]` : host}:${server.port}${PATH}`,
    close: () => server.close(),
    [Symbol.asyncDispose]: () => server.close()
  }
}

function routes(host: string, read: () => Promise<MetricsPage>): Hono {
  const app = new Hono()
  app.use(async (c, next) => {
    // Under which names other machines know this one is theirs to choose, and anyone who reaches the port could ask
    // without a browser.
    if (isLoopback(host) && !isOwnHost(c.req.header('host'))) c.res = text(c, 421, 'Misdirected Request')
    else if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      c.res = text(c, 405, 'Method Not Allowed')
      c.header('allow', 'GET, HEAD')
    } else await next()
    c.header('cache-control', 'no-store')
    c.header('x-content-type-options', 'nosniff')
  })
  app.get(PATH, async c => {
    const page = await read()
    return c.body(page.text, 200, { 'content-type': page.type })
  })
  app.notFound(c => text(c, 404, 'Not Found'))
  app.onError((_err, c) => text(c, 500, 'The metrics could not be read.'))
  return app
}

function text(c: Context, status: ContentfulStatusCode, message: string): Response {
  return c.body(`${message}\n`, status, { 'content-type': 'text/plain' })
}
