/**
 * The HTTP client with which port-mapper talks to the router. Any device of the LAN can answer a search, and so choose the URLs that are
 * requested. Only the router itself is: a request of this computer could reach what others cannot, such as services on localhost.
 */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import type { HttpClient, HttpRequest, HttpResponse } from 'port-mapper'

/** The longest answer, bytes: descriptions of routers have 4 to 8 kB. */
const LONGEST_ANSWER = 512 * 1024

/**
 * @param router the IPv4 address of the router; null if it is not known
 * @param ms how long a request may take, with all of its answer
 */
export function routerHttp(router: () => string | null, ms: number): HttpClient {
  return ({ url, ...request }, done) => {
    const target = urlAt(router(), url)
    if (!target) return done(new Error('The answer to the search is not from the router of this network.'))
    ask(target, request, AbortSignal.timeout(ms)).then(
      response => done(null, response),
      (err: Error) => done(err)
    )
  }
}

/** @throws Error also for headers that HTTP does not know: a description of a router can ask for any */
async function ask(
  target: URL,
  { method, headers, body }: Omit<HttpRequest, 'url'>,
  signal: AbortSignal
): Promise<HttpResponse> {
  const request = http.request(target, { method, headers, signal, agent: false })
  // Also what comes after the answer.
  request.on('error', () => {})
  request.end(body)
  try {
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.byteLength
      if (size > LONGEST_ANSWER) throw new Error("The router's answer is too long.")
      chunks.push(chunk)
    }
    return {
      statusCode: response.statusCode ?? 0,
      // Node joins the headers that may come several times.
      headers: response.headers as Record<string, string>,
      body: Buffer.concat(chunks)
    }
  } catch (err) {
    throw signal.aborted ? new Error('The router does not answer in time.') : err
  } finally {
    request.destroy()
  }
}

/** The URL, if it is one of plain HTTP at this address and says nothing else of where it leads. */
function urlAt(address: string | null, text: string): URL | null {
  if (address === null || !net.isIPv4(address) || !URL.canParse(text)) return null
  const url = new URL(text)
  const { protocol, username, password, hostname } = url
  return protocol === 'http:' && username === '' && password === '' && hostname === address ? url : null
}
