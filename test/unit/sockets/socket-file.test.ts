// Local ends that are Unix sockets: their mode, and what is made of a file that is there already.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { probeTarget } from '../../../src/sockets/probe.js'
import { dialTcp, listenTcp, reset } from '../../../src/sockets/tcp.js'

const skip = process.platform === 'win32' && 'Windows has pipes instead'

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hn-sock-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const modeOf = (path: string): number => statSync(path).mode & 0o777

test('a socket is for its user alone unless its mode says more, and gone when it closes', {
  skip
}, async t => {
  const path = join(folderOf(t), 'app.sock')
  const mask = process.umask()
  for (const mode of [undefined, 0o660, 0o666]) {
    const listener = await listenTcp(`unix:${path}`, 0, socket => socket.end('hello'), mode)
    assert.equal(modeOf(path), mode ?? 0o600)
    assert.equal(listener.port, 0)
    assert.equal(await text(net.connect(path).end()), 'hello')
    await listener.close()
    assert.ok(!existsSync(path))
  }
  assert.equal(process.umask(), mask)
})

test('in a worker, whose mask cannot be changed, the mode is the same', { skip }, async t => {
  const path = join(folderOf(t), 'app.sock')
  const module = new URL('../../../src/sockets/tcp.js', import.meta.url).href
  const code = `import(${JSON.stringify(module)})
    .then(({ listenTcp }) => listenTcp(${JSON.stringify(`unix:${path}`)}, 0, () => {}, 0o620))
    .then(() => require('node:worker_threads').parentPort.postMessage('up'))`
  const worker = new Worker(code, { eval: true })
  t.after(() => worker.terminate())
  await once(worker, 'message')
  assert.equal(modeOf(path), 0o620)
})

test('the file of a program that was killed is replaced', { skip }, async t => {
  const path = join(folderOf(t), 'app.sock')
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', code])
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await assert.rejects(
    listenTcp(`unix:${path}`, 0, () => {}),
    { code: 'SOCKET_IN_USE', message: /app\.sock/ }
  )
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.ok(existsSync(path), 'the killed program has left its file')
  const listener = await listenTcp(`unix:${path}`, 0, socket => socket.end())
  t.after(() => listener.close())
  await once(dialTcp(`unix:${path}`, 0), 'connect')
})

test('two listeners on one path: the first stays, and its file, too', { skip }, async t => {
  const path = join(folderOf(t), 'app.sock')
  const listener = await listenTcp(`unix:${path}`, 0, socket => socket.end('first'))
  t.after(() => listener.close())
  await assert.rejects(
    listenTcp(`unix:${path}`, 0, () => {}),
    { code: 'SOCKET_IN_USE' }
  )
  assert.equal(await text(net.connect(path).end()), 'first')
})

test('whatever else is in the way stays as it is', { skip }, async t => {
  const folder = folderOf(t)
  const refused = (name: string, message: RegExp): Promise<void> =>
    assert.rejects(
      listenTcp(`unix:${join(folder, name)}`, 0, () => {}),
      { code: 'LISTEN_FAILED', message }
    )
  writeFileSync(join(folder, 'file'), 'mine')
  mkdirSync(join(folder, 'folder'))
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'))
  for (const name of ['file', 'folder', 'link']) {
    await refused(name, /is no socket/)
    assert.ok(lstatSync(join(folder, name)))
  }
  await refused('none/app.sock', /no such folder/)
  await refused('file/app.sock', /no such folder/)
})

test('a target without a socket, or with one that nobody listens on, is closed', { skip }, async t => {
  const path = join(folderOf(t), 'app.sock')
  const target = { proto: 'tcp', host: `unix:${path}`, port: 80 } as const
  assert.equal(await probeTarget(target, 2000), 'closed')
  const listener = await listenTcp(`unix:${path}`, 0, () => {})
  t.after(() => listener.close())
  assert.equal(await probeTarget(target, 2000), 'answers')
})

test('a connection that is reset closes, as such sockets know no reset', { skip }, async t => {
  const path = join(folderOf(t), 'app.sock')
  const listener = await listenTcp(`unix:${path}`, 0, socket => reset(socket))
  t.after(() => listener.close())
  const socket = net.connect(path)
  assert.equal(await text(socket), '')
  socket.destroy()
})
