/** What V8 is told before a daemon starts. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { cacheCompiledCode, compilerFlags } from '../../src/engine.js'

const run = promisify(execFile)
const engine = new URL('../../src/engine.js', import.meta.url).href

test('this Node accepts all settings without a warning', async () => {
  const script = `import(${JSON.stringify(engine)}).then(({ tuneEngine }) => { tuneEngine(); console.log('done') })`
  const { stdout, stderr } = await run(process.execPath, ['-e', script])
  assert.deepEqual([stdout.trim(), stderr], ['done', ''])
})

test('garbage is collected on request, buffers with it', async () => {
  const script = `import(${JSON.stringify(engine)}).then(({ collectGarbage }) => {
    let kept = Array.from({ length: 100 }, () => Buffer.alloc(1e6))
    kept = null
    collectGarbage()
    setTimeout(() => console.log(process.memoryUsage().arrayBuffers < 10e6), 100)
  })`
  const { stdout, stderr } = await run(process.execPath, ['-e', script])
  assert.deepEqual([stdout.trim(), stderr], ['true', ''])
})

test('a V8 complains about what it does not know, so that the test above would notice', async () => {
  const { stderr } = await run(process.execPath, [
    '-e',
    `require('node:v8').setFlagsFromString('--no-such-flag=1')`
  ])
  assert.match(stderr, /no-such-flag/)
})

test('a Node that is newer than any we know gets no settings of its compilers', () => {
  assert.deepEqual(compilerFlags(99), [])
  for (const node of [20, 21, 22, 24, 26]) assert.notDeepEqual(compilerFlags(node), [])
})

test('the cache for compiled code is turned on where its folder can be made, however much of the path is missing', t => {
  const base = mkdtempSync(join(tmpdir(), 'hyper-nat-cache-'))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const turnedOn: string[] = []
  const node = { enableCompileCache: (folder: string) => void turnedOn.push(folder) }
  const folder = join(base, 'Local', 'hyper-nat', 'Cache')
  cacheCompiledCode(folder, node)
  cacheCompiledCode(folder, node)
  assert.deepEqual(turnedOn, [folder, folder])
  assert.ok(statSync(folder).isDirectory())
  // Newer versions of Node try for ever to make a folder in /proc.
  const file = join(base, 'file')
  writeFileSync(file, '')
  const endless = process.platform === 'linux' ? ['/proc/none/x'] : []
  for (const impossible of [join(file, 'x'), join(base, 'a', 'b', 'c', 'd'), ...endless])
    cacheCompiledCode(impossible, node)
  assert.equal(turnedOn.length, 2)
  cacheCompiledCode(folder, {})
})
