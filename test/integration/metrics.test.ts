// Metrics of running daemons, as Prometheus reads them.
import assert from 'node:assert/strict'
import http from 'node:http'
import { HyperNat, serveMetrics } from '../../src/index.js'
import { METRICS_LIMITS } from '../../src/limits.js'
import { connectTcp, readAll } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { runProgram } from '../support/process.js'
import { findProgram, programPath } from '../support/programs.js'
import { parseMetrics, type Sample, seriesValue } from '../support/prometheus.js'
import { listenTcpEcho } from '../support/servers.js'
import { clientEntries, newSecret, serverEntries, staged } from '../support/stage.js'

const SIZE = 50_000

interface Answer {
  status: number | undefined
  type: string | undefined
  text: string
}

function ask(url: string, options: http.RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { agent: false, ...options }, async response => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk as Buffer)
      const { statusCode: status, headers } = response
      resolve({ status, type: headers['content-type'], text: Buffer.concat(chunks).toString() })
    })
    request.once('error', reject)
    request.end()
  })
}

async function scrape(url: string): Promise<Sample[]> {
  return parseMetrics((await ask(url)).text)
}

staged('a daemon serves metrics that move with what goes through it, and never fall', async stage => {
  const target = await stage.use(listenTcpEcho())
  const shares = [{ proto: 'tcp', port: target.port }]
  const server = await stage.daemon(serverEntries(shares, newSecret()), { metrics: { port: 0 } })
  const { publicKey } = await server.event('ready')
  const { url } = await server.event('metrics')
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
  const idle = await scrape(url)
  assert.equal(seriesValue(idle, 'hyper_nat_sessions_admitted_total'), 0)

  const { bootstrap } = await stage.testnet()
  const guest = await stage.use(new HyperNat({ bootstrap, portMapping: false }))
  const opened = await guest.open({ publicKey, maps: [{ proto: 'tcp', port: target.port, localPort: 0 }] })
  await server.event('connected')
  const socket = await connectTcp(opened.maps[0]!.localPort)
  socket.end(Buffer.alloc(SIZE))
  assert.equal((await readAll(socket)).byteLength, SIZE)
  guest.reconnect()
  await until(20_000, 'the session to go on', async () => {
    return seriesValue(await scrape(url), 'hyper_nat_session_resumptions_total') === 1
  })

  const busy = await ask(url)
  assert.equal(busy.type, 'text/plain; version=0.0.4; charset=utf-8')
  const samples = parseMetrics(busy.text)
  const bytesIn = { direction: 'in', proto: 'tcp', port: `${target.port}` }
  assert.equal(seriesValue(samples, 'hyper_nat_bytes_total', bytesIn), SIZE)
  assert.equal(seriesValue(samples, 'hyper_nat_sessions', { path: 'lan' }), 1)
  const sealed = seriesValue(samples, 'hyper_nat_sealed_datagrams_total', { direction: 'in' })
  assert.ok(sealed > 0)
  // Heavy to install, so that it is used where somebody has it.
  if (findProgram('promtool')) {
    const check = await runProgram(programPath('promtool'), ['check', 'metrics'], { input: busy.text })
    assert.deepEqual({ code: check.code, said: check.stdout + check.stderr }, { code: 0, said: '' })
  }

  await guest.close()
  await until(10_000, 'the session to end', async () => {
    return seriesValue(await scrape(url), 'hyper_nat_sessions', { path: 'lan' }) === 0
  })
  const after = await scrape(url)
  for (const { name, labels, value } of samples.filter(sample => sample.name.endsWith('_total'))) {
    assert.ok(seriesValue(after, name, labels) >= value, `${name} ${JSON.stringify(labels)} fell`)
  }
  assert.ok(seriesValue(after, 'hyper_nat_sealed_datagrams_total', { direction: 'in' }) >= sealed)

  // One that finds the port taken tunnels all the same.
  const port = Number(new URL(url).port)
  const second = await stage.daemon(clientEntries(shares, publicKey), { metrics: { port } })
  const warning = await second.event('warning', { where: ({ code }) => code === 'PORT_IN_USE' })
  assert.match(
    warning.message,
    new RegExp(`^There are no metrics\\. TCP port 127\\.0\\.0\\.1:${port} is in use`)
  )
  await second.event('connected')
})

staged('only a scraper is served', async stage => {
  const page = { type: 'text/plain', text: 'page' }
  const { url } = await stage.use(serveMetrics({ port: 0 }, async () => page))
  const { port } = new URL(url)
  const status = async (options: http.RequestOptions, path = '/metrics'): Promise<number | undefined> =>
    (await ask(`http://127.0.0.1:${port}${path}`, options)).status
  assert.deepEqual(await ask(url), { status: 200, ...page })
  assert.deepEqual(await ask(url, { method: 'HEAD' }), { status: 200, ...page, text: '' })
  for (const host of [
    `127.0.0.1:${port}`,
    '127.0.0.1',
    `localhost:${port}`,
    `LOCALHOST`,
    `[::1]:${port}`,
    '192.0.2.7'
  ]) {
    assert.equal(await status({ headers: { host } }), 200, host)
  }
  for (const host of [
    `evil.example:${port}`,
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example'
  ]) {
    assert.equal(await status({ headers: { host } }), 421, host)
  }
  assert.equal(await status({ headers: { host: '[evil]' } }), 400, 'no host at all')
  assert.equal(await status({}, '/'), 404)
  assert.equal(await status({}, '/metrics/..'), 404)
  assert.equal(await status({}, '/metrics?x=1'), 200)
  assert.equal(await status({ method: 'POST' }), 405)
  const failing = await stage.use(serveMetrics({ port: 0 }, () => Promise.reject(new Error('hidden'))))
  const failed = await ask(failing.url)
  assert.equal(failed.status, 500)
  assert.doesNotMatch(failed.text, /hidden/)
})

staged('connections are bounded, and closing waits for none', async stage => {
  const limits = { ...METRICS_LIMITS, connections: 1 }
  let asked = false
  const server = await serveMetrics(
    { port: 0 },
    () => {
      asked = true
      return new Promise(() => {})
    },
    limits
  )
  const port = Number(new URL(server.url).port)
  const first = await connectTcp(port)
  stage.defer(() => first.destroy())
  first.write('GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await until(5000, 'the request', () => asked)
  const second = await connectTcp(port)
  stage.defer(() => second.destroy())
  assert.equal((await readAll(second)).byteLength, 0, 'one too many')
  await server.close()
  assert.equal((await readAll(first)).byteLength, 0)
})
