/** What a client can make the HTTP server keep, over real sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { HttpServer } from '../../../src/http/server.js'
import { pause, within } from '../../support/deadline.js'

const LIMITS = { connections: 4, headersMs: 5000, requestMs: 5000, stalledMs: 500 }

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'

/** More than the kernel takes for a client that does not read. */
const LARGE = new Uint8Array(16 << 20)

async function serve(t: TestContext, app: Hono): Promise<number> {
  const server = new HttpServer(app, LIMITS)
  await server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  return server.port
}

function connect(t: TestContext, port: number): net.Socket {
  const socket = net.connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  return socket
}

test('a client that pipelines requests is disconnected before the second is answered', async t => {
  let asked = 0
  const app = new Hono().get('/', c => {
    asked++
    return c.text('answer')
  })
  const socket = connect(t, await serve(t, app)).resume()
  socket.write(REQUEST.repeat(1000))
  await within(5000, once(socket, 'close'), () => `open, ${asked} asked`)
  assert.equal(asked, 1)
})

test('a client that takes nothing of its answer is disconnected', async t => {
  const app = new Hono()
  const closed = new Promise(resolve => {
    app.get('/', c => {
      const { outgoing } = c.env as HttpBindings
      outgoing.once('close', resolve)
      return c.body(LARGE)
    })
  })
  const socket = connect(t, await serve(t, app)).pause()
  socket.write(REQUEST)
  await within(20 * LIMITS.stalledMs, closed, () => 'the answer still waits')
})

test('a client that reads slowly gets all of its answer', async t => {
  const app = new Hono().get('/', c => c.body(LARGE))
  const asked = http.get({ port: await serve(t, app), host: '127.0.0.1', agent: false })
  const [answer] = (await once(asked, 'response')) as [http.IncomingMessage]
  const from = performance.now()
  let bytes = 0
  for await (const part of answer) {
    bytes += (part as Buffer).byteLength
    await pause(5)
  }
  assert.equal(bytes, LARGE.byteLength)
  const took = performance.now() - from
  assert.ok(took > 2 * LIMITS.stalledMs, `${took} ms are not slow`)
})

test('an answer may take its time, and so may the parts of one', async t => {
  const app = new Hono().get('/', async c => {
    await pause(2 * LIMITS.stalledMs)
    const parts = new TransformStream<Uint8Array, Uint8Array>()
    const writer = parts.writable.getWriter()
    void (async () => {
      await writer.write(Buffer.from('first'))
      await pause(2 * LIMITS.stalledMs)
      await writer.write(Buffer.from('second'))
      await writer.close()
    })()
    return c.body(parts.readable)
  })
  const answer = await fetch(`http://127.0.0.1:${await serve(t, app)}/`)
  assert.equal(await answer.text(), 'firstsecond')
})

test('one connection serves requests that follow each other', async t => {
  const port = await serve(
    t,
    new Hono().get('/', c => c.text('answer'))
  )
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ports = new Set<number | undefined>()
  for (let i = 0; i < 100; i++) {
    const asked = http.get({ port, host: '127.0.0.1', agent })
    const [answer] = (await once(asked, 'response')) as [http.IncomingMessage]
    assert.equal(answer.statusCode, 200)
    ports.add(answer.socket.localPort)
    answer.resume()
    await once(answer, 'end')
  }
  assert.equal(ports.size, 1)
})
