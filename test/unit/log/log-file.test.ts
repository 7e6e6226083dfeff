import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs, {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { LogFile } from '../../../src/log/log-file.js'

function folderOf(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyper-nat-log-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const unexpected = (code: string): void => assert.fail(code)

test('lines are appended to those of earlier processes, and only the owner can read them', t => {
  const path = join(folderOf(t), 'x.log')
  for (const line of ['one\n', 'two\n']) {
    const file = new LogFile(path, 100, unexpected)
    file.write(line)
    file.close()
  }
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n')
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a full file becomes the second one, and there are never more', t => {
  const folder = folderOf(t)
  const path = join(folder, 'x.log')
  const file = new LogFile(path, 20, unexpected)
  t.after(() => file.close())
  const lines = Array.from({ length: 25 }, (_, i) => `line ${String(i).padStart(4, '0')}\n`)
  for (const line of lines) file.write(line)
  assert.deepEqual(readdirSync(folder).sort(), ['x.log', 'x.log.1'])
  // Two lines of 10 bytes in each.
  assert.equal(readFileSync(path, 'utf8'), lines.slice(24).join(''))
  assert.equal(readFileSync(`${path}.1`, 'utf8'), lines.slice(22, 24).join(''))
  const long = `${'x'.repeat(50)}\n`
  file.write(long)
  assert.equal(readFileSync(path, 'utf8'), long, 'one line may be longer than the limit')
})

test('several that write to one file lose no more than one would', t => {
  const path = join(folderOf(t), 'x.log')
  const files = [1, 2].map(() => new LogFile(path, 100, unexpected))
  t.after(() => {
    for (const file of files) file.close()
  })
  for (let n = 0; n < 60; n++) {
    files[n % 2]!.write(`line ${String(n).padStart(4, '0')}\n`)
    const kept = [`${path}.1`, path].map(one => (existsSync(one) ? readFileSync(one, 'utf8') : ''))
    // A full file of the latest lines, at least, in their order.
    const numbers = kept.join('').match(/\d+/g)!.map(Number)
    assert.deepEqual(numbers.at(-1), n)
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, i) => n - numbers.length + 1 + i)
    )
    assert.ok(numbers.length >= Math.min(n + 1, 10), `${numbers} are kept`)
  }
})

test('a file that another program has moved away is not written to for ever', {
  skip: process.platform === 'win32' && 'an open file cannot be moved'
}, t => {
  const path = join(folderOf(t), 'x.log')
  const file = new LogFile(path, 20, unexpected)
  t.after(() => file.close())
  file.write('line 0000\n')
  renameSync(path, `${path}.old`)
  writeFileSync(path, 'new\n')
  for (const line of ['line 0001\n', 'line 0002\n']) file.write(line)
  assert.equal(readFileSync(path, 'utf8'), 'new\nline 0002\n')
  assert.ok(!existsSync(`${path}.1`), 'it was not full')
})

test('a file that was deleted is made again with the next line, and a missing folder is reported', {
  skip: process.platform === 'win32' && 'an open file cannot be deleted'
}, t => {
  const folder = join(folderOf(t), 'logs')
  const path = join(folder, 'x.log')
  mkdirSync(folder)
  const told: string[] = []
  const file = new LogFile(path, 1000, code => void told.push(code))
  t.after(() => file.close())
  file.write('one\n')
  rmSync(path)
  file.write('two\n')
  assert.equal(readFileSync(path, 'utf8'), 'two\n')
  assert.deepEqual(told, [])
  rmSync(folder, { recursive: true })
  file.write('lost\n')
  file.write('lost too\n')
  assert.deepEqual(told, ['ENOENT'])
  mkdirSync(folder)
  file.write('three\n')
  assert.equal(readFileSync(path, 'utf8'), 'three\n')
})

test('a link stays, and leads to the new file', { skip: process.platform === 'win32' }, t => {
  const folder = folderOf(t)
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  const path = join(folder, 'x.log')
  symlinkSync(join(disk, 'real.log'), path)
  const file = new LogFile(path, 20, unexpected)
  t.after(() => file.close())
  for (const line of ['line 0000\n', 'line 0001\n', 'line 0002\n']) file.write(line)
  assert.ok(lstatSync(path).isSymbolicLink())
  assert.deepEqual(readdirSync(disk).sort(), ['real.log', 'real.log.1'])
  assert.equal(readFileSync(path, 'utf8'), 'line 0002\n')
})

test('what is no file is never full', { skip: process.platform === 'win32' }, t => {
  const path = join(folderOf(t), 'x.log')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  t.after(() => closeSync(reader))
  const file = new LogFile(path, 20, unexpected)
  t.after(() => file.close())
  const lines = ['line 0000\n', 'line 0001\n', 'line 0002\n']
  for (const line of lines) file.write(line)
  const got = Buffer.alloc(100)
  assert.equal(got.toString('utf8', 0, readSync(reader, got)), lines.join(''))
  assert.ok(statSync(path).isFIFO())
})

test('a line longer than the limit does not rotate an empty file', t => {
  const folder = folderOf(t)
  const path = join(folder, 'x.log')
  const file = new LogFile(path, 20, unexpected)
  t.after(() => file.close())
  const long = `${'x'.repeat(50)}\n`
  file.write(long)
  assert.deepEqual(readdirSync(folder), ['x.log'])
  assert.equal(readFileSync(path, 'utf8'), long)
})

test('what was in the file counts', t => {
  const path = join(folderOf(t), 'x.log')
  const first = new LogFile(path, 20, unexpected)
  first.write('0123456789abcde\n')
  first.close()
  const second = new LogFile(path, 20, unexpected)
  t.after(() => second.close())
  second.write('new one\n')
  assert.equal(readFileSync(path, 'utf8'), 'new one\n')
})

test('a file that cannot be written is reported once, and used as soon as it can be', t => {
  const folder = folderOf(t)
  const inside = join(folder, 'inside')
  const told: string[] = []
  const file = new LogFile(join(inside, 'x.log'), 100, code => void told.push(code))
  t.after(() => file.close())
  file.write('lost\n')
  file.write('lost too\n')
  assert.deepEqual(told, ['ENOENT'])
  mkdirSync(inside)
  chmodSync(inside, 0o700)
  file.write('kept\n')
  assert.equal(readFileSync(join(inside, 'x.log'), 'utf8'), 'kept\n')
  assert.deepEqual(told, ['ENOENT'])
})

test('when the second file cannot be replaced, the first is emptied, and that is reported once', t => {
  const folder = folderOf(t)
  const path = join(folder, 'x.log')
  mkdirSync(join(`${path}.1`, 'in the way'), { recursive: true })
  const told: string[] = []
  const file = new LogFile(path, 20, (code, failed) => told.push(`${code} ${failed}`))
  t.after(() => file.close())
  for (let i = 0; i < 25; i++) file.write(`line ${String(i).padStart(4, '0')}\n`)
  assert.equal(readFileSync(path, 'utf8'), 'line 0024\n')
  assert.equal(told.length, 1)
  assert.ok(told[0]!.endsWith(`${path}.1`), told[0])
})

test('a line that a full disk has cut off takes no other with it', t => {
  const path = join(folderOf(t), 'x.log')
  const told: string[] = []
  const file = new LogFile(path, 100, code => void told.push(code))
  t.after(() => file.close())
  const { writeSync } = fs
  let room = 15
  t.mock.method(fs, 'writeSync', (to: number, bytes: Uint8Array, from: number) => {
    if (room === 0) throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
    const written = writeSync(to, bytes.subarray(from, from + room))
    room -= written
    return written
  })
  syncBuiltinESMExports()
  t.after(() => {
    t.mock.restoreAll()
    syncBuiltinESMExports()
  })
  file.write('line 0000\n')
  file.write('line 0001\n')
  assert.deepEqual(told, ['ENOSPC'])
  file.write('line 0002\n')
  room = 100
  for (const line of ['line 0003\n', 'line 0004\n']) file.write(line)
  assert.equal(readFileSync(path, 'utf8'), 'line 0000\nline \nline 0003\nline 0004\n')
})

test('a file that is closed with an error is not written to any more', t => {
  const folder = folderOf(t)
  const path = join(folder, 'x.log')
  const told: string[] = []
  const file = new LogFile(path, 20, code => void told.push(code))
  t.after(() => file.close())
  const { closeSync: close } = fs
  // As on a network share without room, which tells it only then.
  const mock = t.mock.method(fs, 'closeSync', (fd: number) => {
    close(fd)
    throw Object.assign(new Error('no room'), { code: 'ENOSPC' })
  })
  syncBuiltinESMExports()
  file.write('line 0000\n')
  file.write('line 0001\n')
  file.write('lost\n')
  assert.deepEqual(told, ['ENOSPC'])
  mock.mock.restore()
  syncBuiltinESMExports()
  // It gets the number that is free.
  const other = openSync(join(folder, 'other'), 'w')
  t.after(() => closeSync(other))
  file.write('line 0002\n')
  assert.equal(readFileSync(join(folder, 'other'), 'utf8'), '')
  assert.equal(readFileSync(path, 'utf8'), 'line 0002\n')
})
