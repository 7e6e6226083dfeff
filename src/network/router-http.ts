/**
 * The HTTP client with which port-mapper talks to the router. Any device of the LAN can answer a search, and so choose the URLs that are
 * requested. Only the router itself is: a request of this computer could reach what others cannot, such as services on localhost.
 */
import http from 'node:http'
import net from 'node:net'
import type { HttpClient, HttpResponse } from 'port-mapper'

/** The longest answer, bytes: descriptions of routers have 4 to 8 kB. */
const LONGEST_ANSWER = 512 * 1024

/**
 * @param router the IPv4 address of the router; null if it is not known
 * @param ms how long a request may take, with all of its answer
 */
export function routerHttp(router: () => string | null, ms: number): HttpClient {
  return ({ url, method, headers, body }, done) => {
    const target = urlAt(router(), url)
    if (!target) return done(new Error('The answer to the search is not from the router of this network.'))
    let request: http.ClientRequest
    try {
      request = http.request(target, { method, headers })
    } catch (err) {
      // A description can say what no header may hold.
      return done(err as Error)
    }
    let isOver = false
    const end = (err: Error | null, response?: HttpResponse): void => {
      if (isOver) return
      isOver = true
      clearTimeout(late)
      request.destroy()
      done(err, response)
    }
    const late = setTimeout(() => end(new Error('The router does not answer in time.')), ms)
    // Also what comes after the end.
    request.on('error', end)
    request.on('response', response => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('error', end)
      response.on('data', (chunk: Buffer) => {
        size += chunk.byteLength
        if (size > LONGEST_ANSWER) return end(new Error("The router's answer is too long."))
        chunks.push(chunk)
      })
      response.on('end', () => {
        const { statusCode = 0 } = response
        // Node joins the headers that may come several times.
        const headers = response.headers as Record<string, string>
        end(null, { statusCode, headers, body: Buffer.concat(chunks) })
      })
    })
    request.end(body)
  }
}

/** The URL, if it is one of plain HTTP at this address and says nothing else of where it leads. */
function urlAt(address: string | null, text: string): URL | null {
  if (address === null || !net.isIPv4(address) || !URL.canParse(text)) return null
  const url = new URL(text)
  const { protocol, username, password, hostname } = url
  return protocol === 'http:' && username === '' && password === '' && hostname === address ? url : null
}
