import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { HttpResponse } from 'port-mapper'
import { routerHttp } from '../../../src/network/router-http.js'

/** Stands for the router. */
const ROUTER = '127.0.0.1'
const LONG_MS = 10_000

async function serve(t: TestContext, onrequest: http.RequestListener) {
  const asked: string[] = []
  const server = http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    onrequest(request, response)
  })
  server.listen(0, ROUTER)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, asked }
}

interface Options {
  readonly router?: string | null
  readonly ms?: number
  readonly body?: string
}

function request(url: string, { router = ROUTER, ms = LONG_MS, body }: Options = {}): Promise<HttpResponse> {
  const method = body === undefined ? 'GET' : 'POST'
  return new Promise((resolve, reject) => {
    routerHttp(() => router, ms)(
      { url, method, headers: {}, ...(body !== undefined && { body }) },
      (err, response) => (err ? reject(err) : resolve(response!))
    )
  })
}

test('the router is asked, and its answer handed on', async t => {
  const { port, asked } = await serve(t, (request, response) => {
    response.writeHead(500, { 'Content-Type': 'text/xml' })
    request.pipe(response)
  })
  const { statusCode, headers, body } = await request(`http://${ROUTER}:${port}/control?a`, { body: 'hello' })
  assert.deepEqual([statusCode, headers['content-type'], `${body}`], [500, 'text/xml', 'hello'])
  assert.deepEqual(asked, ['POST /control?a'])
})

for (const [what, url, router] of [
  ['another host', 'http://127.0.0.1:PORT/', '192.168.1.1'],
  ['another host behind the name of the router', 'http://192.168.1.1:80@127.0.0.1:PORT/', '192.168.1.1'],
  ['the router with a name', 'http://user@127.0.0.1:PORT/', ROUTER],
  ['a name of the router', 'http://localhost:PORT/', ROUTER],
  ['a name that is taken for the router', 'http://localhost:PORT/', 'localhost'],
  ['another protocol', 'https://127.0.0.1:PORT/', ROUTER],
  ['what is no URL', '127.0.0.1:PORT', ROUTER],
  ['any host, where the router is not known', 'http://127.0.0.1:PORT/', null]
] as const) {
  test(`${what} is not asked`, async t => {
    const { port, asked } = await serve(t, (_, response) => response.end())
    await assert.rejects(request(url.replace('PORT', `${port}`), { router }), /not from the router/)
    assert.deepEqual(asked, [])
  })
}

test('a redirect is not followed', async t => {
  const other = await serve(t, (_, response) => response.end())
  const { port } = await serve(t, (_, response) => {
    response.writeHead(307, { Location: `http://${ROUTER}:${other.port}/` }).end()
  })
  assert.equal((await request(`http://${ROUTER}:${port}/`)).statusCode, 307)
  assert.deepEqual(other.asked, [])
})

test('an answer that never ends is given up in time', async t => {
  const { port } = await serve(t, (_, response) => {
    const more = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(more))
  })
  await assert.rejects(request(`http://${ROUTER}:${port}/`, { ms: 200 }), /in time/)
})

test('an answer that is too long is not kept', async t => {
  const { port } = await serve(t, (_, response) => response.end(Buffer.alloc(600_000)))
  await assert.rejects(request(`http://${ROUTER}:${port}/`), /too long/)
})

test('a connection that breaks is an error, of which port-mapper knows that it may try again', async t => {
  const { port } = await serve(t, request => request.socket.destroy())
  await assert.rejects(request(`http://${ROUTER}:${port}/`), /hang up|ECONNRESET/)
})
