// Unix sockets in place of ports: as a target, and as a local end.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { HyperNat as Library } from '../../src/index.js'
import { writeOptions } from '../support/hyper-nat.js'
import { runProgram } from '../support/process.js'
import { programPath } from '../support/programs.js'
import { newSecret, type Stage, staged } from '../support/stage.js'

const options = { skip: process.platform === 'win32' && 'Windows has pipes instead' }

function folderOf(stage: Stage): string {
  const folder = mkdtempSync(join(tmpdir(), 'hn-unix-'))
  stage.defer(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function listen(stage: Stage, path: string, onsocket: (socket: net.Socket) => void): Promise<void> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer({ allowHalfOpen: true }, socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    onsocket(socket)
  })
  server.listen(path)
  await once(server, 'listening')
  stage.defer(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
}

const dial = (path: string): net.Socket => net.connect({ path, allowHalfOpen: true }).on('error', () => {})

staged(
  'bytes go from socket to socket with half-close; a killed daemon leaves a file, and the next one takes its place',
  async stage => {
    const folder = folderOf(stage)
    const target = join(folder, 'app.sock')
    const local = join(folder, 'local.sock')
    const wide = join(folder, 'wide.sock')
    await listen(stage, target, socket => {
      const hash = createHash('sha256')
      socket.on('data', data => hash.update(data))
      socket.on('end', () => socket.end(hash.digest('hex')))
    })
    const host = `unix:${target}`
    const server = await stage.daemon([
      { mode: 'server', proto: 'tcp+tcpudp', port: 80, host, secret: newSecret() }
    ])
    const { publicKey, maps } = await server.event('ready')
    assert.deepEqual(maps[0], { proto: 'tcp', port: 80, host })
    const { bootstrap } = await stage.testnet()
    const common = { mode: 'client', port: 80, publicKey }
    const schema = [
      { ...common, proto: 'tcp', localHost: `unix:${local}` },
      { ...common, proto: 'tcpudp', localHost: `unix:${wide}`, socketMode: '0666' }
    ]
    const written = writeOptions({ schema, network: { bootstrap } })
    stage.defer(() => written.remove())
    const start = () => stage.start(['-c', written.file, '--json'])
    const check = async (): Promise<void> => {
      const sent = randomBytes(3_000_000)
      for (const path of [local, wide]) {
        const socket = dial(path)
        socket.end(sent)
        assert.equal(await text(socket), createHash('sha256').update(sent).digest('hex'))
      }
      const modes = [local, wide].map(path => statSync(path).mode & 0o777)
      assert.deepEqual(modes, [0o600, 0o666])
    }
    const killed = start()
    const ready = await killed.event('ready')
    assert.deepEqual(ready.maps[0], { proto: 'tcp', port: 80, localHost: `unix:${local}`, localPort: 0 })
    await check()

    const second = start()
    const refused = await second.event('error')
    assert.equal(refused.code, 'SOCKET_IN_USE')
    assert.match(refused.message, /^schema\[0\]\.localHost: .*local\.sock/)
    assert.equal((await second.end()).code, 1)
    await check()

    killed.kill('SIGKILL')
    await killed.ended
    assert.ok(existsSync(local) && existsSync(wide))
    const third = start()
    await third.event('connected')
    await check()

    // One socket goes, another one stays with what goes through it.
    const open = dial(local)
    open.write('before')
    await once(open, 'connect')
    const from = third.mark
    writeFileSync(written.file, JSON.stringify({ schema: schema.slice(0, 1), network: { bootstrap } }))
    await third.event('reloaded', { from })
    assert.ok(!existsSync(wide))
    open.end('after')
    assert.equal(await text(open), createHash('sha256').update('beforeafter').digest('hex'))
    await third.stop()
    assert.ok(!existsSync(local))
  },
  options
)

staged(
  'a target without its program is a refusal; resets become ends; HTTP works by curl',
  async stage => {
    const folder = folderOf(stage)
    const target = join(folder, 'app.sock')
    const local = join(folder, 'local.sock')
    const secret = newSecret()
    const server = await stage.daemon([
      { mode: 'server', proto: 'tcp', port: 80, host: `unix:${target}`, secret }
    ])
    const { publicKey } = await server.event('ready')
    const { bootstrap } = await stage.testnet()
    const node = new Library({ bootstrap })
    stage.defer(() => node.close())
    const connection = await node.connect(publicKey)
    const refused = connection.stream(80)
    const [err] = await once(refused, 'error')
    assert.equal((err as NodeJS.ErrnoException).code, 'TARGET_REFUSED')
    await connection.close()

    const handle = await node.open({
      publicKey,
      maps: [{ proto: 'tcp', port: 80, localHost: `unix:${local}`, socketMode: 0o640 }]
    })
    assert.deepEqual(handle.maps, [{ proto: 'tcp', port: 80, localHost: `unix:${local}`, localPort: 0 }])
    assert.equal(statSync(local).mode & 0o777, 0o640)
    assert.equal(await text(dial(local)), '', 'what nobody serves is closed')

    const web = http.createServer((request, response) => response.end(`you asked for ${request.url}`))
    web.listen(target)
    await once(web, 'listening')
    stage.defer(() => web.close())
    const curl = await runProgram(programPath('curl'), [
      '-s',
      '--unix-socket',
      local,
      'http://app.example/page'
    ])
    assert.deepEqual([curl.code, curl.stdout], [0, 'you asked for /page'], curl.stderr)
    await assert.rejects(
      node.open({ publicKey, maps: [{ proto: 'tcp', port: 80, localHost: `unix:${local}` }] }),
      { code: 'SOCKET_IN_USE' }
    )
    await handle.close()
    assert.ok(!existsSync(local))
  },
  options
)
