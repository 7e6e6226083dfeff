// `--trace FILE`: what happens to paths and flows, in a file that viewers of qlog read.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { plot, readTrace } from '../../scripts/plot-trace.js'
import { connectTcp, readAll } from '../support/clients.js'
import { until } from '../support/deadline.js'
import { listenTcpEcho } from '../support/servers.js'
import { newSecret, staged } from '../support/stage.js'

const BYTES = 2_000_000

staged('both ends trace a session and its flows, and neither key, secret nor payload', async stage => {
  const folder = mkdtempSync(join(tmpdir(), 'hn-trace-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  const echo = await stage.use(listenTcpEcho())
  const secret = newSecret()
  const files = ['server', 'client'].map(name => join(folder, `${name}.sqlog`))
  const port = `${echo.port}/tcpudp`
  const server = await stage.run(['server', '-p', port, '-s', secret, '--trace', files[0]!])
  const { publicKey } = await server.event('ready')
  const client = await stage.run(['client', '-k', publicKey, '-r', port, '-l', '0', '--trace', files[1]!])
  await client.event('connected')
  const socket = await connectTcp(await client.localPort('tcpudp', echo.port))
  const payload = Buffer.alloc(BYTES, 'payload-of-this-test')
  socket.end(payload)
  assert.ok(payload.equals(await readAll(socket)))
  const groups: string[] = []
  for (const [i, daemon] of [server, client].entries()) {
    const text = (): string => readFileSync(files[i]!, 'utf8')
    await until(10_000, 'the end of the flow in the trace', () => /"new":"(closed|lingering)"/.test(text()))
    await daemon.stop()
    const events = readTrace(text())
    const names = new Set(events.map(({ name }) => name))
    for (const name of [
      'connectivity:connection_state_updated',
      'recovery:congestion_state_updated',
      'recovery:metrics_updated'
    ])
      assert.ok(names.has(name), `${name} in ${[...names]}`)
    const flow = events.find(({ group_id }) => group_id.includes('/'))!
    groups.push(flow.group_id)
    const sent = events.findLast(({ data }) => 'bytes_sent' in data)!
    assert.equal(sent.data.bytes_sent, BYTES)
    assert.match(plot(events), /congestion_window, up to/)
    for (const hidden of [secret, publicKey, 'payload-of-this-test']) assert.ok(!text().includes(hidden))
  }
  assert.equal(groups[0], groups[1], 'both ends name the flow alike')
})

staged('a trace that cannot be written is a warning, and the daemon runs', async stage => {
  const echo = await stage.use(listenTcpEcho())
  const missing = join(tmpdir(), 'hn-missing-folder', 'trace')
  const server = await stage.run(['server', '-p', `${echo.port}/tcp`, '-s', newSecret(), '--trace', missing])
  const { message } = await server.event('warning')
  assert.match(String(message), /The trace .* cannot be written \(ENOENT\)/)
  await server.event('ready')
})
