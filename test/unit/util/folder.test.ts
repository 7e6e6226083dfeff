import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolder } from '../../../src/util/folder.js'

const isWindows = process.platform === 'win32'

test('a folder is made with those above it, and left as it is where it is there', async t => {
  const base = mkdtempSync(join(tmpdir(), 'hn-folder-'))
  t.after(() => rmSync(base, { recursive: true }))
  const path = join(base, 'a', 'b', 'c')
  assert.equal(await makeFolder(path, 0o700), true)
  if (!isWindows) {
    for (const folder of [path, join(base, 'a')]) assert.equal(statSync(folder).mode & 0o777, 0o700, folder)
  }
  assert.equal(await makeFolder(path, 0o755), false)
  if (!isWindows) assert.equal(statSync(path).mode & 0o777, 0o700)
  const several = await Promise.all(['x', 'y', 'z'].map(name => makeFolder(join(base, 'new', name))))
  assert.deepEqual(several, [true, true, true])
})

test('what is no folder, or can have none, is an error at once', async t => {
  const base = mkdtempSync(join(tmpdir(), 'hn-folder-'))
  t.after(() => rmSync(base, { recursive: true }))
  const file = join(base, 'file')
  writeFileSync(file, '')
  await assert.rejects(makeFolder(file), { code: 'EEXIST' })
  await assert.rejects(makeFolder(join(file, 'a')))
})

test('a file system in which nothing can be made', { skip: process.platform !== 'linux' }, async () => {
  await assert.rejects(makeFolder('/proc/hyper-nat/control'), { code: 'ENOENT' })
})
