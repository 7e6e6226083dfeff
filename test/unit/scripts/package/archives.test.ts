// Archives as the programs read them that people use.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type ArchiveFile, tar, tarEntries } from '../../../../scripts/package/tar.js'
import { zip } from '../../../../scripts/package/zip.js'
import { missing } from '../../../support/programs.js'

const SECONDS = Date.UTC(2026, 1, 3, 4, 5, 6) / 1000

const FILES: readonly ArchiveFile[] = [
  { path: 'a/hyper-nat', bytes: Buffer.from('program'), mode: 0o755 },
  { path: 'a/empty', bytes: Buffer.alloc(0) },
  { path: `a/${'long/'.repeat(30)}name`, bytes: Buffer.alloc(1025, 'x') },
  { path: 'a/grüße.md', bytes: Buffer.from('ä') }
]

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'hyper-nat-archive-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function checkFiles(where: string): void {
  for (const { path, bytes, mode = 0o644 } of FILES) {
    assert.deepEqual(readFileSync(join(where, path)), bytes, path)
    const { mode: found, mtimeMs } = statSync(join(where, path))
    assert.equal(found & 0o777, mode, path)
    assert.equal(mtimeMs, SECONDS * 1000, path)
  }
}

test('tar unpacks an archive', { skip: missing('tar') }, t => {
  const where = folder(t)
  writeFileSync(join(where, 'x.tar'), tar(FILES, SECONDS))
  execFileSync('tar', ['xpf', 'x.tar'], { cwd: where })
  checkFiles(where)
})

test('no archive has a file twice', async () => {
  const twice = [...FILES, FILES[0]!]
  assert.throws(() => tar(twice, SECONDS), /a\/hyper-nat twice/)
  await assert.rejects(zip(twice, SECONDS), /a\/hyper-nat twice/)
})

test('an archive is read as it was made', () => {
  const read = [...tarEntries(tar(FILES, SECONDS))]
  assert.deepEqual(
    read,
    FILES.map(({ path, bytes }) => ({ path, bytes }))
  )
})

test('a name that no tar archive can hold is refused', () => {
  assert.throws(() => tar([{ path: 'x'.repeat(101), bytes: Buffer.alloc(0) }], 0), /too long/)
})

test('unzip unpacks an archive', { skip: missing('unzip') }, async t => {
  const where = folder(t)
  writeFileSync(join(where, 'x.zip'), await zip(FILES, SECONDS))
  execFileSync('unzip', ['-q', 'x.zip'], {
    cwd: where,
    env: { ...process.env, TZ: 'UTC', LC_ALL: 'C.UTF-8' }
  })
  checkFiles(where)
})

test('the same files make the same archives', async () => {
  assert.deepEqual(tar(FILES, SECONDS), tar(FILES, SECONDS))
  assert.deepEqual(await zip(FILES, SECONDS), await zip(FILES, SECONDS))
})
