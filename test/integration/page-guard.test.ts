// The page's server alone, asked by programs that are no browser: who gets in, and how much of it there is.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import net from 'node:net'
import type { DaemonEvent } from '../../src/events.js'
import { CONTROL_LIMITS, UI_LIMITS, type UiLimits } from '../../src/limits.js'
import { Journal } from '../../src/log/journal.js'
import { createLog, silentLog } from '../../src/log/log.js'
import { parseOptions } from '../../src/options/file.js'
import { Ui } from '../../src/ui/ui.js'
import { systemClock } from '../../src/util/clock.js'
import { idleStatus } from '../support/idle-status.js'
import { type Stage, staged } from '../support/stage.js'

/** A daemon that does nothing. */
class Idle extends EventEmitter<{ event: [DaemonEvent] }> {
  readonly current = parseOptions('{ "schema": [] }')
  readonly journal = new Journal(CONTROL_LIMITS)
  readonly status = idleStatus
  async reload() {}
  async presence() {
    return []
  }
}

interface Asked {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** The page, and a way to ask it. */
class Door {
  constructor(
    readonly port: number,
    readonly token: string,
    readonly code: string,
    readonly daemon: Idle,
    /** The lines of its log. */
    readonly log: readonly string[]
  ) {}

  /** The answer, its body not yet read. */
  async open(path: string, { method = 'GET', headers = {}, body }: Asked = {}): Promise<IncomingMessage> {
    const asked = request({ host: '127.0.0.1', port: this.port, path, method, headers, agent: false })
    asked.end(body)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    return answer
  }

  async ask(
    path: string,
    asked?: Asked
  ): Promise<{ status: number; text: string; headers: IncomingMessage['headers'] }> {
    const answer = await this.open(path, asked)
    let text = ''
    for await (const part of answer.setEncoding('utf8')) text += part
    return { status: answer.statusCode ?? 0, text, headers: answer.headers }
  }

  async status(path: string, asked?: Asked): Promise<number> {
    return (await this.ask(path, asked)).status
  }

  get key(): Record<string, string> {
    return { authorization: `Bearer ${this.token}` }
  }
}

async function door(stage: Stage, limits: Partial<UiLimits> = {}): Promise<Door> {
  const daemon = new Idle()
  const lines: string[] = []
  const ui = await stage.use(
    new Ui({
      daemon,
      file: 'nowhere.json',
      port: 0,
      clock: systemClock,
      limits: { ...UI_LIMITS, ...limits },
      log: createLog({ level: 'info', json: true, write: line => lines.push(line) })
    })
  )
  const { url, once } = await ui.start()
  const token = new URL(url).hash.replace('#token=', '')
  return new Door(Number(new URL(url).port), token, new URL(once).hash.replace('#code=', ''), daemon, lines)
}

staged('the page itself is for every browser here, its data needs the token', async stage => {
  const page = await door(stage)
  for (const path of ['/', '/main.js', '/main.css', '/icon.svg']) {
    const { status, headers, text } = await page.ask(path)
    assert.equal(status, 200, path)
    assert.ok(!text.includes(page.token))
    assert.match(`${headers['content-security-policy']}`, /default-src 'none'/)
    assert.equal(headers['x-content-type-options'], 'nosniff')
    assert.equal(headers['cache-control'], 'no-store')
    assert.equal(headers['access-control-allow-origin'], undefined)
  }
  for (const path of ['/main.js.map', '/../package.json', '/%2e%2e/package.json', '/page/main.js', '//']) {
    assert.equal(await page.status(path), 404, path)
  }
  const strange: Record<string, string>[] = [
    {},
    { authorization: 'Bearer x' },
    { authorization: page.token },
    { cookie: page.token }
  ]
  for (const headers of strange) {
    assert.equal(await page.status('/api/live', { headers }), 401)
    assert.equal(await page.status('/api/stop', { method: 'POST', headers, body: '{}' }), 401)
    // Whoever has no token does not even learn what there is.
    assert.equal(await page.status('/api/nothing', { method: 'POST', headers }), 401)
  }
  assert.equal(await page.status('/api/nothing', { method: 'POST', headers: page.key }), 404)
  assert.equal(await page.status('/api/stop', { headers: page.key }), 404, 'an action is not a GET')
  const { status, text } = await page.ask('/api/look', { method: 'POST', headers: page.key, body: 'no JSON' })
  assert.equal(status, 200)
  assert.equal(JSON.parse(text).refused.code, 'BAD_USAGE')
})

staged('requests under another name, or from another site, are refused with the token too', async stage => {
  const page = await door(stage)
  const asked = (headers: Record<string, string>) =>
    page.status('/api/look', { method: 'POST', headers: { ...page.key, ...headers }, body: '{"ticket":""}' })
  assert.equal(await asked({ origin: `http://127.0.0.1:${page.port}`, 'sec-fetch-site': 'same-origin' }), 200)
  assert.equal(await asked({ host: `evil.example:${page.port}` }), 403)
  assert.equal(await asked({ origin: 'http://evil.example' }), 403)
  assert.equal(await asked({ origin: 'null' }), 403)
  assert.equal(await asked({ 'sec-fetch-site': 'cross-site' }), 403)
  assert.equal(await page.status('/', { headers: { host: 'evil.example' } }), 403)
  const preflight = { origin: 'http://evil.example', 'access-control-request-method': 'POST' }
  const { status, headers } = await page.ask('/api/look', { method: 'OPTIONS', headers: preflight })
  assert.equal(status, 403)
  assert.equal(headers['access-control-allow-origin'], undefined)
})

staged('a code opens the page once', async stage => {
  const page = await door(stage)
  const enter = (code: unknown) => page.ask('/api/enter', { method: 'POST', body: JSON.stringify({ code }) })
  assert.equal((await enter('x')).status, 401)
  assert.equal((await enter(7)).status, 401)
  assert.deepEqual(JSON.parse((await enter(page.code)).text), { token: page.token })
  assert.equal((await enter(page.code)).status, 401)
})

staged('what is too much is turned away, and leaves nothing behind', async stage => {
  const page = await door(stage, { windows: 2, bodyBytes: 1000, connections: 4 })
  const body = JSON.stringify({ ticket: 'a'.repeat(1000) })
  assert.equal(await page.status('/api/look', { method: 'POST', headers: page.key, body }), 413)
  // Before the token is looked at, too.
  assert.equal(await page.status('/api/enter', { method: 'POST', body }), 413)

  const windows = [
    await page.open('/api/live', { headers: page.key }),
    await page.open('/api/live', { headers: page.key })
  ]
  assert.equal(await page.status('/api/live', { headers: page.key }), 503)
  const warning = { time: '2030-01-01T00:00:00Z', event: 'warning', code: 'X', message: 'something' }
  page.daemon.journal.add(JSON.stringify(warning))
  let seen = ''
  for await (const part of windows[0]!.setEncoding('utf8')) {
    seen += part
    if (seen.includes('event: lines')) break
  }
  assert.match(seen, /^event: view\ndata: \{"at":\d+/)
  assert.match(seen, /"text":"something"/)
  // The one that has left makes room for another.
  for (;;) {
    const again = await page.open('/api/live', { headers: page.key })
    if (again.statusCode === 200) break
    assert.equal(again.statusCode, 503)
    again.resume()
    await once(again, 'end')
  }

  const idle = [net.connect(page.port, '127.0.0.1'), net.connect(page.port, '127.0.0.1')]
  for (const socket of idle) stage.defer(() => socket.destroy())
  await Promise.all(idle.map(socket => once(socket, 'connect')))
  const late = net.connect(page.port, '127.0.0.1')
  late.on('error', () => {})
  await once(late, 'close')
})

/** Runs a program as another user. @returns what it says */
function asNobody(source: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { uid: 65_534, gid: 65_534, cwd: '/' }
    execFile(process.execPath, ['-e', source], options, (err, stdout) =>
      err ? reject(err) : resolve(stdout)
    )
  })
}

staged(
  'a code that another user has read is worth nothing to them',
  async stage => {
    const page = await door(stage)
    const body = JSON.stringify({ code: page.code })
    const source = `const enter = () =>
      fetch('http://127.0.0.1:${page.port}/api/enter', { method: 'POST', body: ${JSON.stringify(body)} })
        .then(({ status }) => console.log('status', status))
    enter().then(enter)`
    assert.equal(await asNobody(source), 'status 401\nstatus 401\n')
    // A connection that has ended counts as root's in the system's table, and both come from one port.
    const forged = `
      const http = require('node:http')
      const ask = (from, localPort) => new Promise(resolve => {
        const place = { host: '127.0.0.1', port: ${page.port}, localAddress: from, localPort }
        http.request({ ...place, path: '/api/enter', method: 'POST', agent: false }, resolve)
          .on('error', resolve)
          .end(${JSON.stringify(body)})
      })
      const hangUp = (from, localPort) => new Promise(resolve => {
        const place = { host: '127.0.0.1', port: ${page.port}, localAddress: from, localPort }
        const socket = require('node:net').connect(place, () => socket.end())
        socket.on('error', () => {}).on('close', resolve).resume()
      })
      const run = async () => {
        const told = []
        for (let port = 20_000; port < 20_032; port++) {
          await hangUp('127.0.0.2', port)
          // Another program may have the port.
          told.push((await ask('127.0.0.3', port)).statusCode ?? [])
        }
        console.log(told.flat().length > 16, String([...new Set(told.flat())]))
      }
      run()`
    assert.equal(await asNobody(forged), 'true 401\n')
    assert.equal(page.log.length, 1, 'the log says so once a minute')
    const { text } = await page.ask('/api/enter', { method: 'POST', body })
    assert.deepEqual(JSON.parse(text), { token: page.token }, 'the code still holds')
  },
  { skip: process.getuid?.() !== 0 && 'only root can run programs as somebody else' }
)

staged('requests without the token cause few log lines, and short ones', async stage => {
  const page = await door(stage)
  const long = 'x'.repeat(8000)
  const host = `127.0.0.1:${page.port}`
  for (let i = 0; i < 10; i++) {
    assert.equal(await page.status('/', { headers: { host: long } }), 403)
    assert.equal(await page.status('/', { headers: { origin: `http://${long}` } }), 403)
    assert.equal(await page.status(`http://name:${long}@${host}/api/enter`, { method: 'POST' }), 500)
  }
  const [refused, failed, ...more] = page.log.map(line => JSON.parse(line))
  assert.equal(refused.msg, 'a request from elsewhere to the page was refused')
  assert.equal(failed.msg, 'a request of the page failed')
  assert.deepEqual(more, [])
  for (const line of page.log) assert.ok(line.length < 300, line)
})

staged('requests that are never finished give their places back in 2 s', async stage => {
  const page = await door(stage)
  const halves = [
    'GET / HTTP/1.1\r\nHost: 127',
    'POST /api/look HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{',
    ''
  ]
  const sockets = await Promise.all(
    Array.from({ length: UI_LIMITS.connections }, async (_, i) => {
      const socket = net.connect(page.port, '127.0.0.1').resume()
      stage.defer(() => socket.destroy())
      // Some are answered, some only closed.
      socket.on('error', () => {})
      await once(socket, 'connect')
      socket.write(halves[i % halves.length]!)
      return socket
    })
  )
  const full = net.connect(page.port, '127.0.0.1')
  full.on('error', () => {})
  await once(full, 'close')
  const from = performance.now()
  await Promise.all(sockets.map(socket => socket.closed || once(socket, 'close')))
  const took = performance.now() - from
  assert.ok(took < 2500, `after ${took} ms`)
  assert.equal(await page.status('/'), 200)
})

staged('a port that is in use is reported', async stage => {
  const { port } = await door(stage)
  const parts = { file: 'nowhere.json', clock: systemClock, limits: UI_LIMITS, log: silentLog }
  const second = await stage.use(new Ui({ ...parts, daemon: new Idle(), port }))
  await assert.rejects(second.start(), { code: 'PORT_IN_USE' })
})
